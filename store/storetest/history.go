package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

var historyChecks = []Check{
	{"history lists versions newest first", func(e *Env) error {
		all, err := e.story()
		if err != nil {
			return err
		}
		for _, scope := range []store.Ref{{}, {Type: "Slot"}, {Type: "Slot", ID: "s2"}, {Type: "Schedule"}, {Type: "Task"}} {
			for _, size := range []int{1, 2, 3, 7, 500} {
				got, err := e.history(scope, time.Time{}, size, nil)
				if err != nil {
					return err
				}
				if err := sameVersions(inScope(all, scope, time.Time{}), got); err != nil {
					return fmt.Errorf("scope %v, pages of %d: %w", scope, size, err)
				}
			}
		}
		return nil
	}},
	{"history since a moment includes that moment", func(e *Env) error {
		all, err := e.story()
		if err != nil {
			return err
		}
		middle := all[len(all)/2].LastUpdated
		for _, since := range []time.Time{middle, middle.Add(time.Microsecond), middle.Add(-time.Microsecond)} {
			got, err := e.history(store.Ref{}, since, 2, nil)
			if err != nil {
				return err
			}
			if err := sameVersions(inScope(all, store.Ref{}, since), got); err != nil {
				return err
			}
		}
		return nil
	}},
	{"history pages stay true while writes go on", func(e *Env) error {
		all, err := e.story()
		if err != nil {
			return err
		}
		n := 0
		got, err := e.history(store.Ref{}, time.Time{}, 2, func() error {
			e.Clock.Move(time.Second)
			n++
			_, err := e.commit(put(record("Slot", "s2", fmt.Sprint("later ", n))), put(record("Slot", fmt.Sprint("n", n), "")))
			return err
		})
		return first(err, sameVersions(all, got))
	}},
	{"a history cursor is good for its own list only", func(e *Env) error {
		if _, err := e.story(); err != nil {
			return err
		}
		page, err := e.Store.History(e.ctx, store.Ref{Type: "Slot"}, time.Time{}, 1, "")
		if err != nil {
			return err
		}
		_, err = e.Store.History(e.ctx, store.Ref{Type: "Schedule"}, time.Time{}, 1, page.Next)
		_, err2 := e.Store.History(e.ctx, store.Ref{Type: "Slot"}, e.Clock.Now(), 1, page.Next)
		_, err3 := e.Store.History(e.ctx, store.Ref{Type: "Slot"}, time.Time{}, 1, "x"+page.Next)
		return first(wantError("another type", store.ErrCursor, err), wantError("another moment", store.ErrCursor, err2),
			wantError("tampered", store.ErrCursor, err3))
	}},
}

// story writes some versions and lists them as history should: newest first,
// and of one moment by type, id and version, descending.
func (e *Env) story() ([]store.Version, error) {
	var all []store.Version
	for i := range 5 {
		ops := []store.Op{put(record("Slot", "s1", fmt.Sprint(i))), put(record("Slot", "s2", fmt.Sprint(i))), put(record("Schedule", "d1", fmt.Sprint(i)))}
		if i == 3 {
			ops[0] = store.Delete{Ref: store.Ref{Type: "Slot", ID: "s1"}}
		}
		done, err := e.commit(ops...)
		if err != nil {
			return nil, err
		}
		all = append(all, done.Versions...)
		if i != 1 {
			e.Clock.Move(time.Second)
		}
	}
	slices.SortFunc(all, func(b, a store.Version) int {
		if c := a.LastUpdated.Compare(b.LastUpdated); c != 0 {
			return c
		}
		if c := strings.Compare(a.Ref.String(), b.Ref.String()); c != 0 {
			return c
		}
		return int(a.Version - b.Version)
	})
	return all, nil
}

func inScope(all []store.Version, scope store.Ref, since time.Time) []store.Version {
	var out []store.Version
	for _, v := range all {
		if (scope.Type == "" || scope.Type == v.Ref.Type) && (scope.ID == "" || scope.ID == v.Ref.ID) && !v.LastUpdated.Before(since) {
			out = append(out, v)
		}
	}
	return out
}

// history reads all pages, calling between after each.
func (e *Env) history(scope store.Ref, since time.Time, size int, between func() error) ([]*store.Record, error) {
	var out []*store.Record
	cursor := ""
	for range 100 {
		page, err := e.Store.History(e.ctx, scope, since, size, cursor)
		if err != nil {
			return nil, err
		}
		if len(page.Records) > size {
			return nil, fmt.Errorf("a page of %d has %d", size, len(page.Records))
		}
		out = append(out, page.Records...)
		if cursor = page.Next; cursor == "" {
			return out, nil
		}
		if between != nil {
			if err := between(); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("the pages don't end")
}

func sameVersions(expected []store.Version, got []*store.Record) error {
	if len(expected) != len(got) {
		return fmt.Errorf("want %d versions, got %d", len(expected), len(got))
	}
	for i, v := range expected {
		g := store.Version{Ref: got[i].Ref(), Version: got[i].Version, LastUpdated: got[i].LastUpdated}
		if v != g {
			return fmt.Errorf("place %d: want %v, got %v", i, v, g)
		}
		if got[i].Deleted != (len(got[i].Body) == 0) {
			return fmt.Errorf("place %d: deleted %v with a body of %d bytes", i, got[i].Deleted, len(got[i].Body))
		}
	}
	return nil
}
