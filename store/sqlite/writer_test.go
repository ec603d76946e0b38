package sqlite

import (
	"errors"
	"testing"

	"github.com/onward-health/onward/store"
)

// Ensure that the others of a group that was lost aren't told the conflict of the
// batch that it was lost with.
func TestWhatALostGroupIsToldIsNoOnesConflict(t *testing.T) {
	err := unavailable(&store.ConflictError{Kind: store.SlotTaken, What: "Slot/s1"})
	var conflict *store.ConflictError
	if !errors.Is(err, store.ErrUnavailable) || errors.As(err, &conflict) {
		t.Errorf("got %v", err)
	}
}
