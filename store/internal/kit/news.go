package kit

import "sync"

// News wakes those who wait for a commit of this process.
type News struct {
	mu    sync.Mutex
	heard chan struct{} // nil: nobody listens
}

// Listen returns a channel that the next Tell closes. Listen before looking, so
// that nothing falls between.
func (n *News) Listen() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.heard == nil {
		n.heard = make(chan struct{})
	}
	return n.heard
}

// Tell wakes everybody.
func (n *News) Tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.heard != nil {
		close(n.heard)
		n.heard = nil
	}
}
