package sqlite_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

const crashWriters = 8

// crashBatch is a booking: everything in it bears the same name.
func crashBatch(round, writer, i int) (name string, b *store.Batch) {
	name = fmt.Sprintf("%d-%d-%d", round, writer, i)
	appointment := &store.Record{Type: "Appointment", ID: name, Method: "POST", Body: []byte(`{"resourceType":"Appointment"}`)}
	appointment.Index.X = []string{"slot:Slot/" + name}
	appointment.Index.D = []search.Span{{Param: "date", Lo: int64(i), Hi: int64(i)}}
	// The diary of the writer gets one version a batch, so that its version
	// counts the batches that are there.
	diary := &store.Record{Type: "Schedule", ID: fmt.Sprintf("d-%d-%d", round, writer), Method: "PUT", Body: []byte(`{"n":"` + name + `"}`)}
	return name, &store.Batch{
		Idem: &store.Idem{Keys: []string{name, "second/" + name}, Hash: name, Keep: time.Hour},
		Ops: []store.Op{
			store.Claim{Slot: name, Owner: "Appointment/" + name},
			store.Put{Record: appointment, If: store.Condition{Absent: true}},
			store.Put{Record: slot(name, "status:busy")},
			store.Put{Record: diary},
			store.AuxPut{Kind: "outbox", Key: name, Value: []byte(name)},
		},
	}
}

// TestChildWrites is the process that the test below kills: it prints the name
// of each batch once its commit has been acknowledged.
func TestChildWrites(t *testing.T) {
	path, round := os.Getenv("STORE_CHILD_WRITES"), 0
	if path == "" {
		return
	}
	if _, err := fmt.Sscan(os.Getenv("STORE_CHILD_ROUND"), &round); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	must(t, err)
	var mu sync.Mutex
	for writer := range crashWriters {
		go func() {
			for i := 0; ; i++ {
				name, batch := crashBatch(round, writer, i)
				if _, err := s.Commit(t.Context(), batch); err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println("ack", name)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestKillingTheProcessLosesNothingAndHalvesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	seed := uint64(time.Now().UnixNano())
	g := rand.New(rand.NewPCG(seed, 0))
	all := 0
	for round := range 5 {
		acked := killedChild(t, path, round, 1+g.IntN(400))
		all += len(acked)
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		must(t, err)
		for writer := range crashWriters {
			whole := int64(0)
			for i := 0; ; i++ {
				name, _ := crashBatch(round, writer, i)
				there := wholeOrAbsent(t, s, name)
				if acked[name] && !there {
					t.Errorf("seed %d: the acknowledged batch %s is gone", seed, name)
				}
				if !there {
					break // a writer goes on only once its batch is acknowledged
				}
				whole++
			}
			diary, err := s.Get(t.Context(), store.Ref{Type: "Schedule", ID: fmt.Sprintf("d-%d-%d", round, writer)})
			if whole == 0 && errors.Is(err, store.ErrNotFound) {
				continue
			}
			must(t, err)
			if diary.Version != whole {
				t.Errorf("seed %d: %d batches are there and %d versions of their diary", seed, whole, diary.Version)
			}
		}
		must(t, s.Close())
		quickCheck(t, path)
	}
	if all == 0 {
		t.Error("no batch was acknowledged: the test shows nothing")
	}
	t.Logf("%d acknowledged batches in 5 kills", all)
}

// killedChild kills the child after it has acknowledged some batches, and
// returns all that it managed to acknowledge.
func killedChild(t *testing.T, path string, round, after int) map[string]bool {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChildWrites$")
	child.Env = append(os.Environ(), "STORE_CHILD_WRITES="+path, fmt.Sprint("STORE_CHILD_ROUND=", round))
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	acked := map[string]bool{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var name string
		if n, _ := fmt.Sscanf(lines.Text(), "ack %s", &name); n == 1 {
			acked[name] = true
		} else {
			t.Logf("child: %s", lines.Text())
		}
		if len(acked) == after {
			must(t, child.Process.Kill()) // what it wrote before is still read
		}
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if len(acked) < after {
		t.Errorf("the child acknowledged only %d of %d batches", len(acked), after)
	}
	return acked
}

// wholeOrAbsent looks for every part of a batch.
func wholeOrAbsent(t *testing.T, s store.Store, name string) bool {
	t.Helper()
	ctx, parts := t.Context(), 0
	for _, ref := range []store.Ref{{Type: "Appointment", ID: name}, {Type: "Slot", ID: name}} {
		if _, err := s.Get(ctx, ref); err == nil {
			parts++
		} else if !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	for _, doc := range [][2]string{{"outbox", name}, {"claim", name}, {"idem", name}, {"idem", "second/" + name}} {
		got, err := s.AuxGet(ctx, doc[0], []string{doc[1]})
		must(t, err)
		parts += len(got)
	}
	page, err := s.Search(ctx, &search.Query{Type: "Appointment", Where: search.Has("slot:Slot/" + name)})
	must(t, err)
	parts += len(page.Records)
	if parts != 0 && parts != 7 {
		t.Errorf("%d of 7 parts of the batch %s are there", parts, name)
	}
	return parts == 7
}

func quickCheck(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	var says string
	must(t, db.QueryRow(`PRAGMA quick_check`).Scan(&says))
	if says != "ok" {
		t.Errorf("quick_check: %s", says)
	}
}
