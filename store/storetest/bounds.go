package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var boundChecks = []Check{
	{"what is over a limit is too large", func(e *Env) error {
		big := record("Slot", "s1", "")
		big.Body = bytes.Repeat([]byte(" "), store.MaxBody+1)
		batches := map[string]*store.Batch{
			"body":       {Ops: []store.Op{put(big)}},
			"operations": {Ops: make([]store.Op, store.MaxOps+1)},
			"answer": {Ops: []store.Op{put(record("Slot", "s1", ""))},
				Idem: &store.Idem{Keys: []string{"k"}, Hash: "h", Keep: time.Hour, Answer: make([]byte, store.MaxAnswer+1)}},
		}
		for i := range batches["operations"].Ops {
			batches["operations"].Ops[i] = claim(fmt.Sprint("s", i), "Appointment/a")
		}
		for what, b := range batches {
			_, err := e.Store.Commit(e.ctx, b)
			if err := wantError(what, store.ErrTooLarge, err); err != nil {
				return err
			}
		}
		_, err := e.Store.GetMany(e.ctx, make([]store.Ref, store.MaxMany+1))
		_, err2 := e.Store.AuxGet(e.ctx, "link", make([]string, store.MaxMany+1))
		return first(wantError("GetMany", store.ErrTooLarge, err), wantError("AuxGet", store.ErrTooLarge, err2))
	}},
	{"what is at its limit is taken", func(e *Env) error {
		r := record("Slot", "s1", "")
		r.Body = bytes.Repeat([]byte("x"), store.MaxBody)
		if _, err := e.commit(put(r)); err != nil {
			return err
		}
		got, err := e.Store.Get(e.ctx, r.Ref())
		if err != nil {
			return err
		}
		ops := make([]store.Op, store.MaxOps)
		for i := range ops {
			ops[i] = claim(fmt.Sprint("s", i), "Appointment/a")
		}
		_, err = e.commit(ops...)
		return first(err, want("body", store.MaxBody, len(got.Body)))
	}},
	{"a large batch that fails at its end leaves nothing", func(e *Env) error {
		if _, err := e.commit(claim("taken", "Appointment/other")); err != nil {
			return err
		}
		ops := make([]store.Op, 400)
		for i := range ops {
			ops[i] = put(record("Slot", fmt.Sprint("s", i), "status:free"))
		}
		ops[len(ops)-1] = claim("taken", "Appointment/a")
		_, err := e.commit(ops...)
		var c *store.ConflictError
		if !errors.As(err, &c) || c.Kind != store.SlotTaken {
			return fmt.Errorf("want slot-taken, got %v", err)
		}
		_, missing := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "s0"})
		counts, err := e.Store.Counts(e.ctx)
		if err != nil {
			return err
		}
		_, err = e.commit(ops[:len(ops)-1]...) // and it is no hindrance to the next
		return first(wantError("the record", store.ErrNotFound, missing), want("counted", store.Count{}, counts["Slot"]), err)
	}},
	{"a batch that makes no sense is refused", func(e *Env) error {
		bad := record("Slot", "a/b", "")
		ops := []store.Op{nil, store.Put{}, put(bad), put(&store.Record{Type: "Slot", ID: "s1"}), store.Claim{Slot: "s1"},
			store.Claim{Slot: "", Owner: "Appointment/a"}, store.Delete{}, store.AuxPut{},
			store.AuxPut{Kind: "k", Key: "\xff"}, store.Claim{Slot: "s1", Owner: "\xff"}}
		for i, op := range ops {
			_, err := e.Store.Commit(e.ctx, &store.Batch{Ops: []store.Op{op}})
			var c *store.ConflictError
			if err == nil || errors.As(err, &c) || errors.Is(err, store.ErrUnavailable) {
				return fmt.Errorf("operation %d: want it refused for good, got %v", i, err)
			}
		}
		for _, i := range []*store.Idem{{}, {Keys: []string{"k"}, Hash: "h"}, {Keys: []string{""}, Hash: "h", Keep: time.Hour}} {
			if _, err := e.Store.Commit(e.ctx, &store.Batch{Idem: i}); err == nil {
				return fmt.Errorf("an idempotency that can't work was accepted")
			}
		}
		return nil
	}},
	{"a batch whose context has ended does nothing", func(e *Env) error {
		ctx, cancel := context.WithCancel(e.ctx)
		cancel()
		_, err := e.Store.Commit(ctx, &store.Batch{Ops: []store.Op{put(record("Slot", "s1", ""))}})
		_, err2 := e.Store.Get(ctx, store.Ref{Type: "Slot", ID: "s1"})
		_, err3 := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "s1"})
		return first(wantError("Commit", context.Canceled, err), wantError("Get", context.Canceled, err2),
			wantError("the record", store.ErrNotFound, err3))
	}},
	{"a chained condition is refused", func(e *Env) error {
		q := &search.Query{Type: "Slot", Where: search.And{search.Has("status:free"), search.Chain{Param: "schedule", Query: &search.Query{Type: "Schedule"}}}}
		_, err := e.Store.Search(e.ctx, q)
		_, _, err2 := e.Store.Count(e.ctx, q, 10)
		_, err3 := e.Store.Commit(e.ctx, &store.Batch{Guards: []store.Guard{store.NoMatch{Query: q}}})
		if err == nil || err2 == nil || err3 == nil {
			return fmt.Errorf("search %v, count %v, guard %v", err, err2, err3)
		}
		return nil
	}},
}
