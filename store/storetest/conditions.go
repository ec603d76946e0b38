package storetest

import (
	"errors"
	"fmt"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var conditionChecks = []Check{
	{"Absent demands that there is no record", func(e *Env) error {
		if _, err := e.commit(created(record("Slot", "s1", ""))); err != nil {
			return err
		}
		return e.refused(store.Exists, "Slot/s1", created(record("Slot", "s1", "")))
	}},
	{"Version demands that version of a put", func(e *Env) error {
		if _, err := e.commit(put(record("Slot", "s1", ""))); err != nil {
			return err
		}
		if _, err := e.commit(at(record("Slot", "s1", "two"), 1)); err != nil {
			return err
		}
		_, err := e.Store.Commit(e.ctx, &store.Batch{Ops: []store.Op{put(record("Slot", "s2", "")), at(record("Slot", "s1", "x"), 1)}})
		var c *store.ConflictError
		if !errors.As(err, &c) {
			return fmt.Errorf("want a conflict, got %v", err)
		}
		return first(want("kind", store.VersionConflict, c.Kind), want("the version that stands", 2, c.Current),
			want("operation", 1, c.Op), e.refused(store.VersionConflict, "Slot/s1", at(record("Slot", "s1", ""), 3)),
			e.refused(store.MissingRecord, "Slot/none", at(record("Slot", "none", ""), 1)))
	}},
	{"Version demands that version of a delete", func(e *Env) error {
		ref := store.Ref{Type: "Slot", ID: "s1"}
		if _, err := e.commit(put(record("Slot", "s1", ""))); err != nil {
			return err
		}
		if err := e.refused(store.VersionConflict, "Slot/s1", store.Delete{Ref: ref, If: store.Condition{Version: 7}}); err != nil {
			return err
		}
		if _, err := e.commit(store.Delete{Ref: ref, If: store.Condition{Version: 1}}); err != nil {
			return err
		}
		return first(e.refused(store.VersionConflict, "Slot/s1", store.Delete{Ref: ref, If: store.Condition{Version: 1}}),
			e.refused(store.MissingRecord, "Slot/none", store.Delete{Ref: store.Ref{Type: "Slot", ID: "none"}}))
	}},
}

var guardChecks = []Check{
	{"a version guard holds a record that is only read", func(e *Env) error {
		ref := store.Ref{Type: "Schedule", ID: "d1"}
		if _, err := e.commit(put(record("Schedule", "d1", ""))); err != nil {
			return err
		}
		batch := func(v int64) *store.Batch {
			return &store.Batch{Guards: []store.Guard{store.VersionGuard{Ref: ref, Version: v}}, Ops: []store.Op{put(record("Slot", "s1", ""))}}
		}
		if _, err := e.Store.Commit(e.ctx, batch(1)); err != nil {
			return err
		}
		if _, err := e.commit(put(record("Schedule", "d1", "two"))); err != nil {
			return err
		}
		got, err := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "s1"})
		if err != nil {
			return err
		}
		return first(want("version", 1, got.Version), e.refusedBatch(store.GuardFailed, "Schedule/d1", batch(1)))
	}},
	{"a conditional create happens once", func(e *Env) error {
		batch := func(id string) *store.Batch {
			return &store.Batch{
				Guards: []store.Guard{store.NoMatch{Query: &search.Query{Type: "Patient", Where: search.Has("identifier=s|1")}}},
				Ops:    []store.Op{created(record("Patient", id, "", "identifier=s|1"))},
			}
		}
		if _, err := e.Store.Commit(e.ctx, batch("p1")); err != nil {
			return err
		}
		if err := e.refusedBatch(store.GuardFailed, "Patient", batch("p2")); err != nil {
			return err
		}
		if _, err := e.commit(store.Delete{Ref: store.Ref{Type: "Patient", ID: "p1"}}); err != nil {
			return err
		}
		_, err := e.Store.Commit(e.ctx, batch("p3"))
		return err
	}},
}
