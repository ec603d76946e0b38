package outbox

// Known is how many recipients a worker remembers.
func (w *Worker) Known() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.routes)
}
