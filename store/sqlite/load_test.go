package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func TestAStoreOpenedInBulkKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return open(t, ":memory:", sqlite.Options{Now: now, Bulk: true})
	})
}

// A third of the batches can't be: those that share their transaction are kept.
func TestABatchThatFailsInBulkTakesNoOtherAlong(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Bulk: true})
	const writers, batches = 16, 12
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for i := range batches {
				b := &store.Batch{Ops: []store.Op{store.Put{Record: slot(fmt.Sprintf("s-%d-%d", writer, i), "status:free")}}}
				wrong := (writer+i)%3 == 0
				if wrong {
					b.Ops = append(b.Ops, store.Delete{Ref: store.Ref{Type: "Slot", ID: "none"}})
				}
				_, err := s.Commit(t.Context(), b)
				var conflict *store.ConflictError
				if wrong && !errors.As(err, &conflict) || !wrong && err != nil {
					t.Errorf("batch %d of writer %d: %v", i, writer, err)
				}
			}
		})
	}
	all.Wait()
	kept := 0
	for writer := range writers {
		for i := range batches {
			_, err := s.Get(t.Context(), store.Ref{Type: "Slot", ID: fmt.Sprintf("s-%d-%d", writer, i)})
			wrong := (writer+i)%3 == 0
			if wrong != errors.Is(err, store.ErrNotFound) || !wrong && err != nil {
				t.Errorf("batch %d of writer %d, stored: %v", i, writer, err)
			}
			if err == nil {
				kept++
			}
		}
	}
	counts, err := s.Counts(t.Context())
	must(t, err)
	if got := counts["Slot"].Live; got != int64(kept) {
		t.Errorf("%d slots are counted, %d are there", got, kept)
	}
}
