package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

var purgeChecks = []Check{
	{"a purge removes what is superseded or deleted before a time and nothing else", func(e *Env) error {
		before, err := e.oldAndNew()
		if err != nil {
			return err
		}
		done, err := e.purge(store.PurgeRequest{Before: before})
		if err != nil {
			return err
		}
		return first(want("versions", 4, done.Versions), want("records", 1, done.Records),
			e.versions("Slot/live [3 2]", "Slot/gone []", "Slot/late [3 2]", "Schedule/old [2]"),
			e.countsAre(map[string]store.Count{"Slot": {Live: 1, Versions: 4}, "Schedule": {Live: 1, Versions: 1}}))
	}},
	{"a purge leaves other types and records alone", func(e *Env) error {
		before, err := e.oldAndNew()
		if err != nil {
			return err
		}
		of, err := e.purge(store.PurgeRequest{Before: before, Type: "Slot", ID: "gone"})
		if err != nil {
			return err
		}
		if err := first(want("versions", 1, of.Versions), want("records", 1, of.Records),
			e.versions("Slot/live [3 2 1]", "Slot/gone []", "Slot/late [3 2 1]", "Schedule/old [2 1]")); err != nil {
			return err
		}
		of, err = e.purge(store.PurgeRequest{Before: before, Type: "Schedule"})
		return first(err, want("versions", 1, of.Versions), want("records", 0, of.Records),
			e.versions("Slot/live [3 2 1]", "Slot/late [3 2 1]", "Schedule/old [2]"))
	}},
	{"a purge leaves an audit record", func(e *Env) error {
		before, err := e.oldAndNew()
		if err != nil {
			return err
		}
		for _, r := range []store.PurgeRequest{{Before: before, Type: "Slot"}, {Before: before, Type: "Slot", ID: "live"}} { // the second finds nothing
			done, err := e.purge(r)
			if err != nil {
				return err
			}
			docs, err := e.Store.AuxGet(e.ctx, store.KindAudit, []string{done.Audit})
			if err != nil || len(docs) != 1 {
				return fmt.Errorf("%d audit records, %w", len(docs), err)
			}
			var got store.PurgeAudit
			if err := json.Unmarshal(docs[0].Value, &got); err != nil {
				return err
			}
			err = first(want("by", `{"door":"test"}`, string(got.By)), want("when", e.Clock.Now(), got.At), want("before", before, got.Before),
				want("type", r.Type, got.Type), want("id", r.ID, got.ID), want("versions", done.Versions, got.Versions),
				want("records", done.Records, got.Records), want("done", true, got.Done))
			if err != nil {
				return err
			}
		}
		all, err := e.Store.AuxScan(e.ctx, store.KindAudit, "purge/", "", 0)
		return first(err, want("audit records", 2, len(all)))
	}},
	{"a purge of much goes to its end", func(e *Env) error {
		const n = 450
		var ops []store.Op
		for i := range n {
			ops = append(ops, put(record("Slot", fmt.Sprint("s", i), "")))
		}
		for range 2 {
			if _, err := e.commit(ops...); err != nil {
				return err
			}
			e.Clock.Move(time.Second)
		}
		for i := range ops {
			ops[i] = store.Delete{Ref: store.Ref{Type: "Slot", ID: fmt.Sprint("s", i)}}
		}
		if _, err := e.commit(ops[:250]...); err != nil {
			return err
		}
		e.Clock.Move(time.Second)
		done, err := e.purge(store.PurgeRequest{Before: e.Clock.Now()})
		return first(err, want("versions", n+250, done.Versions), want("records", 250, done.Records),
			e.countsAre(map[string]store.Count{"Slot": {Live: n - 250, Versions: n - 250}}))
	}},
	{"a purge that makes no sense is refused", func(e *Env) error {
		before, err := e.oldAndNew()
		if err != nil {
			return err
		}
		by := []byte(`{"door":"test"}`)
		for i, r := range []store.PurgeRequest{{By: by}, {By: by, Before: e.Clock.Now().Add(time.Minute)}, {By: by, Before: before, ID: "live"},
			{Before: before}, {By: []byte("me"), Before: before}, {By: by, Before: before, Type: "a/b"}} {
			if _, err := e.Store.Purge(e.ctx, r); err == nil {
				return fmt.Errorf("request %d was carried out", i)
			}
		}
		return e.versions("Slot/live [3 2 1]", "Slot/gone [2 1]", "Slot/late [3 2 1]", "Schedule/old [2 1]")
	}},
	{"a purged id begins anew and the feed stays true", func(e *Env) error {
		before, err := e.oldAndNew()
		if err != nil {
			return err
		}
		_, at, err := e.changes("", 0)
		if err != nil {
			return err
		}
		if _, err := e.purge(store.PurgeRequest{Before: before}); err != nil {
			return err
		}
		e.Clock.Move(time.Minute)
		done, err := e.commit(put(record("Slot", "gone", "anew")), put(record("Slot", "gone", "anew")), put(record("Slot", "live", "")))
		if err != nil {
			return err
		}
		later, _, err := e.changes(at, 0)
		if err := first(err, want("version", 1, done.Versions[0].Version), sameChanges(done.Versions, later), e.versions("Slot/gone [2 1]")); err != nil {
			return err
		}
		all, _, err := e.changes("", 2)
		if err != nil {
			return err
		}
		for _, c := range all {
			if _, err := e.Store.GetVersion(e.ctx, c.Ref, c.Version); err != nil {
				return fmt.Errorf("the feed lists a version that is gone: %w", err)
			}
		}
		return want("versions", 8, len(all))
	}},
}

// oldAndNew writes versions and a deletion before and after the moment that it
// returns.
func (e *Env) oldAndNew() (time.Time, error) {
	live, gone, late := record("Slot", "live", ""), record("Slot", "gone", ""), record("Slot", "late", "")
	if _, err := e.commit(put(live), put(gone), put(late), put(record("Schedule", "old", ""))); err != nil {
		return time.Time{}, err
	}
	e.Clock.Move(time.Second)
	if _, err := e.commit(store.Delete{Ref: gone.Ref()}, put(record("Schedule", "old", "current"))); err != nil {
		return time.Time{}, err
	}
	e.Clock.Move(time.Second)
	before := e.Clock.Now()
	if _, err := e.commit(put(live), put(late)); err != nil {
		return time.Time{}, err
	}
	e.Clock.Move(time.Second)
	_, err := e.commit(put(live), store.Delete{Ref: late.Ref()})
	return before, err
}

func (e *Env) purge(r store.PurgeRequest) (store.PurgeResult, error) {
	r.By = []byte(`{"door":"test"}`)
	return e.Store.Purge(e.ctx, r)
}

// versions demands what is left of records, in their history and one by one;
// each text is a reference and its versions, newest first.
func (e *Env) versions(wanted ...string) error {
	for _, w := range wanted {
		name, _, _ := strings.Cut(w, " ")
		typ, id, _ := strings.Cut(name, "/")
		ref := store.Ref{Type: typ, ID: id}
		list, err := e.history(ref, time.Time{}, 2, nil)
		if err != nil {
			return err
		}
		got := []int64{}
		for _, r := range list {
			got = append(got, r.Version)
		}
		if err := want("history", w, fmt.Sprint(ref, " ", got)); err != nil {
			return err
		}
		for v := range int64(4) {
			_, err := e.Store.GetVersion(e.ctx, ref, v)
			if slices.Contains(got, v) != (err == nil) {
				return fmt.Errorf("%s version %d: %w", ref, v, err)
			}
			if err != nil {
				if err := wantError("a version that is gone", store.ErrNotFound, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (e *Env) countsAre(wanted map[string]store.Count) error {
	got, err := e.Store.Counts(e.ctx)
	return first(err, want("counts", fmt.Sprint(wanted), fmt.Sprint(got)))
}
