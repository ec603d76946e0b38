// Package storetest is the contract of package store as a suite: Run holds an
// engine to it. Each rule is a named check that returns an error, so that the
// suite's own tests can show that an engine which breaks the rule is caught.
//
// It knows no engine and is used by the tests of all of them.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Opener makes an empty store that tells time by now. It closes the store when
// the test ends; the suite may have closed it before.
type Opener func(t *testing.T, now func() time.Time) store.Store

// Check is one rule of the contract.
type Check struct {
	Name string
	Run  func(e *Env) error
}

// Env is what a check works on: an empty store of its own and that store's
// clock.
type Env struct {
	Store store.Store
	Clock *Clock
	ctx   context.Context
}

// NewEnv makes the Env of one check.
func NewEnv(ctx context.Context, s store.Store, c *Clock) *Env { return &Env{s, c, ctx} }

// Run runs every check against a fresh store.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	for _, check := range Checks() {
		t.Run(check.Name, func(t *testing.T) {
			clock := NewClock()
			if err := check.Run(NewEnv(t.Context(), open(t, clock.Now), clock)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Checks lists the rules.
func Checks() []Check {
	var all []Check
	for _, part := range [][]Check{
		recordChecks, conditionChecks, claimChecks, auxChecks, idemChecks, guardChecks,
		boundChecks, historyChecks, searchChecks, differChecks, pagingChecks, raceChecks, linearChecks, feedChecks, purgeChecks,
	} {
		all = append(all, part...)
	}
	return all
}

// Clock is a clock that stands until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at an ordinary moment.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 9, 8, 30, 0, 123_000_000, time.UTC)}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves the clock, back too.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// record makes a small record of a type whose body tells it apart.
func record(typ, id, text string, entries ...string) *store.Record {
	return &store.Record{
		Type: typ, ID: id, Method: "PUT",
		Body:  fmt.Appendf(nil, `{"resourceType":%q,"id":%q,"comment":%q}`, typ, id, text),
		By:    []byte(`{"door":"fhir"}`),
		Index: search.Index{X: entries},
	}
}

func put(r *store.Record) store.Put { return store.Put{Record: r} }

func created(r *store.Record) store.Put {
	return store.Put{Record: r, If: store.Condition{Absent: true}}
}

func at(r *store.Record, version int64) store.Put {
	return store.Put{Record: r, If: store.Condition{Version: version}}
}

// commit commits operations that must succeed.
func (e *Env) commit(ops ...store.Op) (*store.Result, error) {
	r, err := e.Store.Commit(e.ctx, &store.Batch{Ops: ops})
	if err != nil {
		return nil, fmt.Errorf("a commit that must succeed: %w", err)
	}
	return r, nil
}

// refused commits operations that must end in a conflict of this kind on what.
func (e *Env) refused(kind store.ConflictKind, what string, ops ...store.Op) error {
	return e.refusedBatch(kind, what, &store.Batch{Ops: ops})
}

func (e *Env) refusedBatch(kind store.ConflictKind, what string, b *store.Batch) error {
	_, err := e.Store.Commit(e.ctx, b)
	var c *store.ConflictError
	if !errors.As(err, &c) {
		return fmt.Errorf("want a conflict %s on %s, got error %v", kind, what, err)
	}
	if c.Kind != kind || c.What != what {
		return fmt.Errorf("want a conflict %s on %s, got %s on %s", kind, what, c.Kind, c.What)
	}
	return nil
}

// first returns the first error of several steps; steps after it have run too.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// want says what should have been equal and wasn't.
func want[T comparable](what string, expected, got T) error {
	if expected != got {
		return fmt.Errorf("%s: want %v, got %v", what, expected, got)
	}
	return nil
}

// wantError says that an error should have been another.
func wantError(what string, expected, got error) error {
	if !errors.Is(got, expected) {
		return fmt.Errorf("%s: want error %v, got %v", what, expected, got)
	}
	return nil
}
