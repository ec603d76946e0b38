package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Bulk is a store that can be copied from and into.
type Bulk interface {
	store.Store
	store.CopyTarget
}

// Fill writes one of everything that a store can hold: several versions, a
// tombstone, claims and a hold, documents with and without an end, and what
// idempotency leaves. It returns the number of items.
func Fill(ctx context.Context, s store.Store, clock *Clock) (int64, error) {
	rich := record("Appointment", "rich", "1.10 and 0.00", "a:1", "identifier=x|y", "!status", "@org:A1001")
	rich.Body = []byte(`{"resourceType":"Appointment","id":"rich","b":[1.10,0.00,1e2,null],"z":{"a":"é","":1}}`)
	rich.Peer = []byte(`{"lastUpdated":"2026-01-01T00:00:00.0000000Z"}`)
	rich.Index.D = []search.Span{{Param: "date", Lo: 1, Hi: 2}, {Param: "date", Lo: -5, Hi: -4}, {Param: "value$mg.x", Lo: 3, Hi: 3}, {Param: "open", Lo: search.MinTime, Hi: search.MaxTime}}
	rich.Index.S = []search.SortKey{{Param: "status", Value: "booked"}, {Param: "name$%", Value: ""}}
	steps := []store.Batch{
		{Ops: []store.Op{put(rich)}, Idem: &store.Idem{Keys: []string{"k1", "k|2"}, Hash: "h", Answer: []byte("answer"), Keep: time.Hour}},
		{Ops: []store.Op{put(record("Slot", "s1", "one", "status:free")), put(record("Slot", "gone", "one", "status:free"))}},
		{Ops: []store.Op{put(record("Slot", "s1", "two", "status:busy")), store.Claim{Slot: "s1", Owner: "Appointment/rich"}, store.Claim{Slot: "s1", Part: 1, Owner: "Slot/s1"}}},
		{Ops: []store.Op{put(record("Slot", "s1", "three", "status:busy")), store.Delete{Ref: store.Ref{Type: "Slot", ID: "gone"}, By: []byte(`{"door":"x"}`)}}},
		{Ops: []store.Op{store.Claim{Slot: "s.2", Owner: "hold/x", Until: clock.Now().Add(time.Hour)}, store.Claim{Slot: "over", Owner: "hold/y", Until: clock.Now().Add(time.Second)}}},
		{Ops: []store.Op{store.AuxPut{Kind: "outbox", Key: "a|b", Value: []byte{0, 1, 2}}, store.AuxPut{Kind: "link", Key: "l", Expires: clock.Now().Add(time.Hour)},
			store.AuxPut{Kind: "link", Key: "over", Expires: clock.Now().Add(time.Second)}}},
		{Ops: []store.Op{store.AuxPut{Kind: "outbox", Key: "a|b", Value: []byte("again")}}},
	}
	for i := range 30 {
		steps = append(steps, store.Batch{Ops: []store.Op{put(record("Patient", fmt.Sprint("p", i), "many", fmt.Sprint("n:", i)))}})
	}
	for _, b := range steps {
		if _, err := s.Commit(ctx, &b); err != nil {
			return 0, err
		}
		clock.Move(time.Second)
	}
	// rich, three and two versions of slots, two idempotency records, three
	// claims, two documents, patients; what ran out doesn't count.
	return 1 + 3 + 2 + 2 + 3 + 2 + 30, nil
}

// RunBulk holds an engine to Exporter and Importer. open makes an empty store;
// reopen opens the same one again, for importing or not.
func RunBulk(t *testing.T, open func(t *testing.T, now func() time.Time) (s Bulk, reopen func(forImport bool) (Bulk, error))) {
	none := func(store.CopyStep) {}
	t.Run("a copy is the same by checksum", func(t *testing.T) {
		from, clock := filled(t, open)
		to, reopen := open(t, clock.Now)
		got, err := store.Copy(t.Context(), from, to, "x", clock.Now(), none)
		if err != nil {
			t.Fatal(err)
		}
		want, err := store.Sum(t.Context(), from, clock.Now(), "", 0, none)
		if err != nil || want != got {
			t.Fatalf("%+v and %+v: %v", want, got, err)
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := reopen(false)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if err := usable(t.Context(), again); err != nil {
			t.Error(err)
		}
	})
	for _, after := range []int{2, 5} { // among the records, and behind them
		t.Run(fmt.Sprintf("a copy that was broken off after %d steps goes on, and isn't served before", after), func(t *testing.T) {
			from, clock := filled(t, open)
			to, reopen := open(t, clock.Now)
			broken := errors.New("broken off")
			_, err := store.Copy(t.Context(), inPieces{from}, stopping{to, &after, broken}, "x", clock.Now(), none)
			if !errors.Is(err, broken) {
				t.Fatal(err)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := reopen(false); !errors.Is(err, store.ErrUnfinished) {
				t.Fatalf("served with a part of the data: %v", err)
			}
			again, err := reopen(true)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if _, err := again.ImportStart(t.Context(), "another"); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("it went on with another source: %v", err)
			}
			if _, err := store.Copy(t.Context(), inPieces{from}, again, "x", clock.Now(), none); err != nil {
				t.Fatal(err)
			}
			if err := usable(t.Context(), again); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("a long history comes in parts", func(t *testing.T) {
		clock := NewClock()
		from, _ := open(t, clock.Now)
		if err := longHistory(t.Context(), from, clock); err != nil {
			t.Error(err)
		}
		for _, after := range []int{1, 2} {
			to, _ := open(t, clock.Now)
			broken := errors.New("broken off")
			if _, err := store.Copy(t.Context(), from, stopping{to, &after, broken}, "x", clock.Now(), none); !errors.Is(err, broken) {
				t.Fatal(err)
			}
			if _, err := store.Copy(t.Context(), from, to, "x", clock.Now(), none); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("large documents come in parts", func(t *testing.T) {
		clock := NewClock()
		from, _ := open(t, clock.Now)
		const n = 8
		for i := range n {
			if _, err := from.Commit(t.Context(), &store.Batch{Ops: []store.Op{doc(fmt.Sprint("d", i), strings.Repeat("x", 5<<20))}}); err != nil {
				t.Fatal(err)
			}
		}
		got := 0
		err := from.Export(t.Context(), "", clock.Now(), func(items []store.Item, _ string) error {
			size := 0
			for _, i := range items {
				got, size = got+1, size+len(i.Aux.Value)
			}
			if size > store.MaxList {
				t.Errorf("%d bytes were handed over at once", size)
			}
			return nil
		})
		if err != nil || got != n {
			t.Errorf("%d of %d documents: %v", got, n, err)
		}
	})
	t.Run("a store that holds something isn't copied into", func(t *testing.T) {
		from, clock := filled(t, open)
		for _, op := range []store.Op{put(record("Slot", "x", "")), store.Claim{Slot: "x", Owner: "o"}, store.AuxPut{Kind: "k", Key: "x"}} {
			to, _ := open(t, clock.Now)
			if _, err := to.Commit(t.Context(), &store.Batch{Ops: []store.Op{op}}); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Copy(t.Context(), from, to, "x", clock.Now(), none); !errors.Is(err, store.ErrNotEmpty) {
				t.Errorf("%T: got %v", op, err)
			}
		}
	})
	t.Run("a copy that differs is told", func(t *testing.T) {
		from, clock := filled(t, open)
		to, _ := open(t, clock.Now)
		if _, err := store.Copy(t.Context(), from, forgetting{to}, "x", clock.Now(), none); !errors.Is(err, store.ErrDiffers) {
			t.Errorf("got %v", err)
		}
	})
}

func filled(t *testing.T, open func(t *testing.T, now func() time.Time) (Bulk, func(bool) (Bulk, error))) (Bulk, *Clock) {
	t.Helper()
	clock := NewClock()
	from, _ := open(t, clock.Now)
	items, err := Fill(t.Context(), from, clock)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := store.Sum(t.Context(), from, clock.Now(), "", 0, func(store.CopyStep) {})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Items() != items {
		t.Fatalf("%d items were exported, %d are there", sum.Items(), items)
	}
	return from, clock
}

// usable looks whether a copied store does what the original would.
func usable(ctx context.Context, s store.Store) error {
	busy, err := s.Search(ctx, &search.Query{Type: "Slot", Where: search.Has("status:busy")})
	if err != nil {
		return err
	}
	dated, err := s.Search(ctx, &search.Query{Type: "Appointment", Where: search.Date{Param: "date", Op: search.Ge, Lo: 1, Hi: 1}, Sort: []search.Sort{{Param: "date"}}})
	if err != nil {
		return err
	}
	history, err := s.History(ctx, store.Ref{Type: "Slot", ID: "s1"}, time.Time{}, 10, "")
	if err != nil {
		return err
	}
	again, err := s.Commit(ctx, &store.Batch{Idem: &store.Idem{Keys: []string{"k1"}, Hash: "h", Keep: time.Hour}})
	if err != nil {
		return err
	}
	_, taken := s.Commit(ctx, &store.Batch{Ops: []store.Op{store.Claim{Slot: "s1", Owner: "Appointment/other"}}})
	var conflict *store.ConflictError
	counts, err := s.Counts(ctx)
	if err != nil {
		return err
	}
	changes, err := s.Changes(ctx, "", 0, 0)
	if err != nil {
		return err
	}
	return first(
		want("slots counted", store.Count{Live: 1, Versions: 5}, counts["Slot"]), want("changes", 36, len(changes.List)),
		want("busy slots", 1, len(busy.Records)), want("dated appointments", 1, len(dated.Records)),
		want("versions of the slot", 3, len(history.Records)), want("the key is known", true, again.Replay != nil),
		want("the claim holds", true, errors.As(taken, &conflict)))
}

// inPieces exports a few items at a time; the position moves on only with the
// last piece of what the engine hands over.
type inPieces struct{ Bulk }

func (p inPieces) Export(ctx context.Context, after string, asOf time.Time, f func([]store.Item, string) error) error {
	return p.Bulk.Export(ctx, after, asOf, func(items []store.Item, position string) error {
		for len(items) > 10 {
			if err := f(items[:10], after); err != nil {
				return err
			}
			items = items[10:]
		}
		after = position
		return f(items, position)
	})
}

// stopping fails at the n-th Import.
type stopping struct {
	Bulk
	n   *int
	err error
}

func (s stopping) Import(ctx context.Context, items []store.Item, position string) error {
	if *s.n--; *s.n < 0 {
		return s.err
	}
	return s.Bulk.Import(ctx, items, position)
}

// forgetting loses the last item of each Import.
type forgetting struct{ Bulk }

func (s forgetting) Import(ctx context.Context, items []store.Item, position string) error {
	return s.Bulk.Import(ctx, items[:len(items)-1], position)
}
