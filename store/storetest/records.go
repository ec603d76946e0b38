package storetest

import (
	"fmt"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var recordChecks = []Check{
	{"a record comes back as it was put, numbered and stamped", func(e *Env) error {
		r := record("Appointment", "a1", "first")
		r.Peer = []byte(`{"etag":"W/\"77\""}`)
		done, err := e.commit(put(r))
		if err != nil {
			return err
		}
		if len(done.Versions) != 1 {
			return fmt.Errorf("want one version in the result, got %d", len(done.Versions))
		}
		got, err := e.Store.Get(e.ctx, r.Ref())
		if err != nil {
			return err
		}
		return first(
			want("version", 1, got.Version), want("reference", r.Ref(), got.Ref()),
			want("last updated", e.Clock.Now(), got.LastUpdated), want("deleted", false, got.Deleted),
			want("method", "PUT", got.Method), want("body", string(r.Body), string(got.Body)),
			want("by", string(r.By), string(got.By)), want("peer", string(r.Peer), string(got.Peer)),
			want("result", store.Version{Ref: r.Ref(), Version: 1, LastUpdated: e.Clock.Now()}, done.Versions[0]),
			want("version of the caller's record", 0, r.Version),
		)
	}},
	{"what never was is not found", func(e *Env) error {
		_, err := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "no"})
		_, err2 := e.Store.GetVersion(e.ctx, store.Ref{Type: "Slot", ID: "no"}, 1)
		if _, err := e.commit(put(record("Slot", "s1", ""))); err != nil {
			return err
		}
		_, err3 := e.Store.GetVersion(e.ctx, store.Ref{Type: "Slot", ID: "s1"}, 2)
		_, err4 := e.Store.Get(e.ctx, store.Ref{Type: "Appointment", ID: "s1"})
		return first(wantError("Get", store.ErrNotFound, err), wantError("GetVersion", store.ErrNotFound, err2),
			wantError("a later version", store.ErrNotFound, err3), wantError("another type", store.ErrNotFound, err4))
	}},
	{"every version stays readable", func(e *Env) error {
		for i := range 4 {
			r := record("Slot", "s1", fmt.Sprint("text ", i))
			r.By = fmt.Appendf(nil, `{"n":%d}`, i)
			if _, err := e.commit(put(r)); err != nil {
				return err
			}
			e.Clock.Move(time.Second)
		}
		for i := range 4 {
			got, err := e.Store.GetVersion(e.ctx, store.Ref{Type: "Slot", ID: "s1"}, int64(i+1))
			if err != nil {
				return err
			}
			wanted := record("Slot", "s1", fmt.Sprint("text ", i))
			if err := first(want("body", string(wanted.Body), string(got.Body)), want("version", int64(i+1), got.Version),
				want("by", fmt.Sprintf(`{"n":%d}`, i), string(got.By))); err != nil {
				return err
			}
		}
		return nil
	}},
	{"the time of a record never goes back nor stands still", func(e *Env) error {
		var last time.Time
		for i, step := range []time.Duration{0, 0, -time.Hour, 0, time.Microsecond, 2 * time.Hour} {
			e.Clock.Move(step)
			done, err := e.commit(put(record("Slot", "s1", fmt.Sprint(i))))
			if err != nil {
				return err
			}
			got := done.Versions[0].LastUpdated
			if !got.After(last) || !got.Equal(got.Truncate(time.Millisecond)) {
				return fmt.Errorf("version %d is of %v after one of %v", i+1, got, last)
			}
			if i == 1 {
				if err := want("one millisecond later", last.Add(time.Millisecond), got); err != nil {
					return err
				}
			}
			last = got
		}
		return want("the clock's time once it is ahead", e.Clock.Now().Truncate(time.Millisecond), last)
	}},
	{"a deleted record is a tombstone that keeps its history", deletedRecord},
	{"GetMany leaves out what is deleted or missing", func(e *Env) error {
		if _, err := e.commit(put(record("Slot", "s1", "")), put(record("Slot", "s2", "")), put(record("Schedule", "s3", ""))); err != nil {
			return err
		}
		if _, err := e.commit(store.Delete{Ref: store.Ref{Type: "Slot", ID: "s2"}}); err != nil {
			return err
		}
		got, err := e.Store.GetMany(e.ctx, []store.Ref{{Type: "Slot", ID: "s1"}, {Type: "Slot", ID: "s2"}, {Type: "Slot", ID: "s3"},
			{Type: "Schedule", ID: "s3"}, {Type: "Slot", ID: "s1"}, {Type: "", ID: "'"}})
		if err != nil {
			return err
		}
		found := map[store.Ref]int{}
		for _, r := range got {
			found[r.Ref()]++
		}
		return first(want("records", 2, len(got)), want("Slot/s1", 1, found[store.Ref{Type: "Slot", ID: "s1"}]),
			want("Schedule/s3", 1, found[store.Ref{Type: "Schedule", ID: "s3"}]))
	}},
	{"a conflict in the last operation leaves nothing of the batch", nothingOfTheBatch},
	{"after Close everything is unavailable", func(e *Env) error {
		if err := e.Store.Close(); err != nil {
			return err
		}
		return first(closed(e), e.Store.Close())
	}},
	{"a healthy store says so", func(e *Env) error {
		h, err := e.Store.Health(e.ctx)
		if err == nil && (h.Engine == "" || h.Schema < 1 || h.Durable == "" || h.Sync == "") {
			return fmt.Errorf("health lacks something: %+v", h)
		}
		return err
	}},
}

// closed tries every call on a store that is closed.
func closed(e *Env) error {
	s, ref, q := e.Store, store.Ref{Type: "Slot", ID: "s1"}, &search.Query{Type: "Slot"}
	for what, call := range map[string]func() error{
		"Commit": func() error {
			_, err := s.Commit(e.ctx, &store.Batch{Ops: []store.Op{put(record("Slot", "s1", ""))}})
			return err
		},
		"Get":        func() error { _, err := s.Get(e.ctx, ref); return err },
		"GetVersion": func() error { _, err := s.GetVersion(e.ctx, ref, 1); return err },
		"GetMany":    func() error { _, err := s.GetMany(e.ctx, []store.Ref{ref}); return err },
		"Search":     func() error { _, err := s.Search(e.ctx, q); return err },
		"Count":      func() error { _, _, err := s.Count(e.ctx, q, 1); return err },
		"History":    func() error { _, err := s.History(e.ctx, ref, time.Time{}, 1, ""); return err },
		"AuxGet":     func() error { _, err := s.AuxGet(e.ctx, "link", []string{"a"}); return err },
		"AuxScan":    func() error { _, err := s.AuxScan(e.ctx, "link", "", "", 1); return err },
		"Changes":    func() error { _, err := s.Changes(e.ctx, "", 1, time.Minute); return err },
		"Explain":    func() error { _, err := s.Explain(e.ctx, q); return err },
		"Reindex": func() error {
			return s.Reindex(e.ctx, "Slot", "", func(*store.Record) (search.Index, error) { return search.Index{}, nil }, nil)
		},
		"Counts": func() error { _, err := s.Counts(e.ctx); return err },
		"Purge": func() error {
			_, err := s.Purge(e.ctx, store.PurgeRequest{Before: e.Clock.Now(), By: []byte("{}")})
			return err
		},
		"Health": func() error { _, err := s.Health(e.ctx); return err },
	} {
		if err := wantError(what, store.ErrUnavailable, call()); err != nil {
			return err
		}
	}
	return nil
}

func deletedRecord(e *Env) error {
	ref := store.Ref{Type: "Slot", ID: "s1"}
	if _, err := e.commit(put(record("Slot", "s1", "first", "status:free"))); err != nil {
		return err
	}
	e.Clock.Move(time.Second)
	done, err := e.commit(store.Delete{Ref: ref, By: []byte(`{"who":"x"}`)})
	if err != nil {
		return err
	}
	got, err := e.Store.Get(e.ctx, ref)
	if err != nil {
		return err
	}
	if err := first(want("deleted", true, got.Deleted), want("version", 2, got.Version), want("body", 0, len(got.Body)),
		want("method", "DELETE", got.Method), want("by", `{"who":"x"}`, string(got.By)),
		want("result", store.Version{Ref: ref, Version: 2, LastUpdated: e.Clock.Now()}, done.Versions[0])); err != nil {
		return err
	}
	again, err := e.commit(store.Delete{Ref: ref})
	if err != nil {
		return err
	}
	if err := want("deleting again changes nothing", done.Versions[0], again.Versions[0]); err != nil {
		return err
	}
	if err := e.refused(store.Exists, "Slot/s1", created(record("Slot", "s1", ""))); err != nil {
		return fmt.Errorf("a tombstone is not absent: %w", err)
	}
	back, err := e.commit(put(record("Slot", "s1", "third", "status:free")))
	if err != nil {
		return err
	}
	old, err := e.Store.GetVersion(e.ctx, ref, 2)
	if err != nil {
		return err
	}
	return first(want("a put goes on from the tombstone", 3, back.Versions[0].Version), want("version 2 stays deleted", true, old.Deleted))
}

func nothingOfTheBatch(e *Env) error {
	if _, err := e.commit(put(record("Slot", "old", "first", "status:free")), store.Claim{Slot: "taken", Owner: "Appointment/x"},
		store.AuxPut{Kind: "link", Key: "old", Value: []byte("1")}); err != nil {
		return err
	}
	err := e.refusedBatch(store.SlotTaken, "Slot/taken", &store.Batch{
		Idem: &store.Idem{Keys: []string{"k"}, Hash: "h", Keep: time.Hour},
		Ops: []store.Op{
			put(record("Slot", "old", "second", "status:busy")), put(record("NewType", "new", "", "a:b")),
			store.Claim{Slot: "free", Owner: "Appointment/y"}, store.Release{Slot: "other", Owner: "z"},
			store.AuxPut{Kind: "link", Key: "new", Value: []byte("1")}, store.AuxDelete{Kind: "link", Key: "old"},
			store.Claim{Slot: "taken", Owner: "Appointment/y"},
		}})
	if err != nil {
		return err
	}
	old, err := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "old"})
	if err != nil {
		return err
	}
	_, err = e.Store.Get(e.ctx, store.Ref{Type: "NewType", ID: "new"})
	if err := first(want("version", 1, old.Version), wantError("the new record", store.ErrNotFound, err)); err != nil {
		return err
	}
	for _, aux := range []struct {
		kind, key string
		n         int
	}{{"link", "old", 1}, {"link", "new", 0}, {"claim", "free", 0}, {"idem", "k", 0}} {
		got, err := e.Store.AuxGet(e.ctx, aux.kind, []string{aux.key})
		if err := first(err, want(aux.kind+" "+aux.key, aux.n, len(got))); err != nil {
			return err
		}
	}
	// What a batch that failed has touched must serve the next one.
	if _, err := e.commit(put(record("NewType", "new", "", "a:b"))); err != nil {
		return err
	}
	return first(e.finds("Slot", "status:free", 1), e.finds("Slot", "status:busy", 0), e.finds("NewType", "a:b", 1))
}
