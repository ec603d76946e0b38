package storetest_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// commits is an engine whose Commit is replaced.
type commits struct {
	store.Store
	commit func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error)
}

func (c commits) Commit(ctx context.Context, b *store.Batch) (*store.Result, error) {
	return c.commit(ctx, c.Store, b)
}

// changing makes an engine that changes each batch before it is committed.
func changing(change func(b *store.Batch)) func(store.Store) store.Store {
	return func(good store.Store) store.Store {
		return commits{good, func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
			other := *b
			other.Ops = slices.Clone(b.Ops)
			change(&other)
			return good.Commit(ctx, &other)
		}}
	}
}

// changingOps makes an engine that changes each operation.
func changingOps(change func(op store.Op) store.Op) func(store.Store) store.Store {
	return changing(func(b *store.Batch) {
		for i := range b.Ops {
			b.Ops[i] = change(b.Ops[i])
		}
	})
}

// reads is an engine whose lists and reads go through a change.
type reads struct {
	store.Store
	record  func(*store.Record) *store.Record
	page    func(*store.Page) *store.Page
	query   func(search.Query) search.Query
	aux     func([]store.Aux) []store.Aux
	history func(good store.Store, ctx context.Context, scope store.Ref, since time.Time, count int, cursor string) (*store.Page, error)
}

func (r reads) Get(ctx context.Context, ref store.Ref) (*store.Record, error) {
	got, err := r.Store.Get(ctx, ref)
	if r.record == nil || err != nil {
		return got, err
	}
	return r.record(got), nil
}

func (r reads) Search(ctx context.Context, q *search.Query) (*store.Page, error) {
	if r.query != nil {
		other := r.query(*q)
		q = &other
	}
	got, err := r.Store.Search(ctx, q)
	if r.page == nil || err != nil {
		return got, err
	}
	return r.page(got), nil
}

func (r reads) History(ctx context.Context, scope store.Ref, since time.Time, count int, cursor string) (*store.Page, error) {
	if r.history != nil {
		return r.history(r.Store, ctx, scope, since, count, cursor)
	}
	got, err := r.Store.History(ctx, scope, since, count, cursor)
	if r.page == nil || err != nil {
		return got, err
	}
	return r.page(got), nil
}

func (r reads) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	got, err := r.Store.AuxGet(ctx, kind, keys)
	if r.aux == nil || err != nil {
		return got, err
	}
	return r.aux(got), nil
}

func (r reads) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	got, err := r.Store.AuxScan(ctx, kind, prefix, after, limit)
	if r.aux == nil || err != nil {
		return got, err
	}
	return r.aux(got), nil
}

// scans is an engine whose lists of links are replaced.
type scans struct {
	store.Store
	list func(good store.Store, ctx context.Context, prefix, after string) ([]store.Aux, error)
}

func (s scans) AuxScan(ctx context.Context, _, prefix, after string, _ int) ([]store.Aux, error) {
	return s.list(s.Store, ctx, prefix, after)
}

func scanning(list func(good store.Store, ctx context.Context, prefix, after string) ([]store.Aux, error)) func(store.Store) store.Store {
	return func(good store.Store) store.Store { return scans{good, list} }
}

// absents answers what can't be said by changing a call.
type absents struct {
	store.Store
	missing func() (*store.Record, error)
	many    func(good store.Store, ctx context.Context, refs []store.Ref) ([]*store.Record, error)
	count   func(good store.Store, ctx context.Context, q *search.Query, limit int) (int, bool, error)
	version func(good store.Store, ctx context.Context, ref store.Ref, v int64) (*store.Record, error)
	health  func() (store.Health, error)
	docs    func(good store.Store, ctx context.Context, kind string, keys []string) ([]store.Aux, error)
}

func (a absents) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	if a.docs == nil {
		return a.Store.AuxGet(ctx, kind, keys)
	}
	return a.docs(a.Store, ctx, kind, keys)
}

func (a absents) Get(ctx context.Context, ref store.Ref) (*store.Record, error) {
	got, err := a.Store.Get(ctx, ref)
	if a.missing != nil && err != nil {
		return a.missing()
	}
	return got, err
}

func (a absents) GetMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	if a.many == nil {
		return a.Store.GetMany(ctx, refs)
	}
	return a.many(a.Store, ctx, refs)
}

func (a absents) Count(ctx context.Context, q *search.Query, limit int) (int, bool, error) {
	if a.count == nil {
		return a.Store.Count(ctx, q, limit)
	}
	return a.count(a.Store, ctx, q, limit)
}

func (a absents) GetVersion(ctx context.Context, ref store.Ref, v int64) (*store.Record, error) {
	if a.version == nil {
		return a.Store.GetVersion(ctx, ref, v)
	}
	return a.version(a.Store, ctx, ref, v)
}

func (a absents) Health(ctx context.Context) (store.Health, error) {
	if a.health == nil {
		return a.Store.Health(ctx)
	}
	return a.health()
}

// oneByOne commits each operation by itself: nothing is atomic.
func oneByOne(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
	all := &store.Result{}
	for _, op := range b.Ops {
		done, err := good.Commit(ctx, &store.Batch{Ops: []store.Op{op}})
		if err != nil {
			return nil, err
		}
		all.Versions = append(all.Versions, done.Versions...)
	}
	return all, nil
}

// withoutClaims commits a batch whose claims failed once more without them.
func withoutClaims(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
	done, err := good.Commit(ctx, b)
	var c *store.ConflictError
	if !errors.As(err, &c) || c.Kind != store.SlotTaken {
		return done, err
	}
	other := *b
	other.Ops = slices.DeleteFunc(slices.Clone(b.Ops), func(op store.Op) bool {
		_, is := op.(store.Claim)
		_, is2 := op.(store.Release)
		return is || is2
	})
	return good.Commit(ctx, &other)
}
