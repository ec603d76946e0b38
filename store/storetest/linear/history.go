package linear

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Result is how a call ended for its client.
type Result int

// The results. A call that was turned away for reasons that no model knows (too
// busy, try again) and is promised to have done nothing is Void, and left out.
const (
	Done    Result = iota
	Refused        // by the rule: taken, ended, another version
	Unknown        // no answer, or one that says so: carried out now, later or never
	Void
)

// History collects the calls of many clients.
type History struct {
	mu    sync.Mutex
	began time.Time
	keys  []string
	calls map[string][]porcupine.Operation
	count map[Result]int
}

// NewHistory begins now.
func NewHistory() *History {
	return &History{began: time.Now(), calls: map[string][]porcupine.Operation{}, count: map[Result]int{}}
}

// open marks a call without an end.
const open = -1

// Call makes one call of a client on the object that key names, and keeps what
// came of it.
func (h *History) Call(client int, key string, input any, call func() (output any, r Result)) {
	began := time.Since(h.began).Nanoseconds()
	output, result := call()
	op := porcupine.Operation{ClientId: client, Input: input, Call: began, Output: output, Return: time.Since(h.began).Nanoseconds()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count[result]++
	switch result {
	case Void:
		return
	case Unknown:
		op.Return = open
	}
	if _, known := h.calls[key]; !known {
		h.keys = append(h.keys, key)
	}
	h.calls[key] = append(h.calls[key], op)
}

// Counts says how many calls ended how.
func (h *History) Counts() (all int, by map[Result]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	by = map[Result]int{}
	for r, n := range h.count {
		by[r] = n
		all += n
	}
	return all, by
}

// patience bounds the judging of one object.
const patience = 30 * time.Second

// Check judges the history of each object by itself: objects have no state in
// common. The picture of one that can't be is left in a file in dir (the
// system's folder for such where dir is empty), which the error names.
func (h *History) Check(model porcupine.Model, dir string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range h.keys {
		calls := closed(h.calls[key])
		result, info := porcupine.CheckOperationsVerbose(model, calls, patience)
		switch result {
		case porcupine.Ok:
			continue
		case porcupine.Unknown:
			return fmt.Errorf("%s: %d calls could not be judged in %s", key, len(calls), patience)
		}
		picture, err := os.CreateTemp(dir, "history-*.html")
		if err != nil {
			return fmt.Errorf("%s: not linearizable, and no picture: %w", key, err)
		}
		defer picture.Close()
		if err := porcupine.Visualize(model, info, picture); err != nil {
			return fmt.Errorf("%s: not linearizable, and no picture: %w", key, err)
		}
		return &Violation{Key: key, Picture: filepath.Clean(picture.Name())}
	}
	return nil
}

// Violation is a history that can't be.
type Violation struct{ Key, Picture string }

func (v *Violation) Error() string {
	return fmt.Sprintf("%s: what the clients saw is not linearizable; see %s in a browser", v.Key, v.Picture)
}

// closed ends the open calls after all others.
func closed(calls []porcupine.Operation) []porcupine.Operation {
	calls = slices.Clone(calls)
	last := int64(0)
	for _, c := range calls {
		last = max(last, c.Call, c.Return)
	}
	for i := range calls {
		if calls[i].Return == open {
			calls[i].Return = last + 1
		}
	}
	return calls
}
