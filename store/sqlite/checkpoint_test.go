package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// Ensure that readers who never leave a gap don't let the log grow with every write.
func TestTheLogStaysShortUnderSteadyReaders(t *testing.T) {
	const limit, most = 1 << 20, 4 << 20 // SQLite itself looks at 16 MiB first
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, sqlite.Options{})
	sqlite.LimitLog(t, s, limit)
	put := func(n int) {
		r := slot(fmt.Sprint("s", n%50), "status:free")
		r.Body = []byte(`{"a":"` + strings.Repeat("x", 30_000) + `"}`)
		commit(t, s, store.Put{Record: r})
	}
	for n := range 50 {
		put(n)
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				_, err := s.Search(ctx, &search.Query{Type: "Slot", Where: search.Has("status:free"), Count: 5})
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	written, longest := int64(0), int64(0)
	for n := 0; written < 2*most; n++ {
		put(n)
		info, err := os.Stat(path + "-wal")
		must(t, err)
		written, longest = written+30_000, max(longest, info.Size())
	}
	stop()
	readers.Wait()
	if longest > most {
		t.Errorf("the log grew to %d MiB, its limit is %d", longest>>20, limit>>20)
	}
	t.Logf("the log grew to %d KiB", longest>>10)
}
