package storetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// broken is an engine that breaks a rule, and the checks that must catch it.
type broken struct {
	name     string
	wrap     func(good store.Store) store.Store
	caughtBy []string
}

// breaks lists the broken engines.
var breaks = []broken{
	{"ignores claim conflicts", func(s store.Store) store.Store { return commits{s, withoutClaims} },
		[]string{"a slot part has one owner", "a hold keeps others out until its end and no longer",
			"a released slot is free and only its owner releases it", "the holder moves the end and the appointment takes over by name"}},
	{"claims and versions both unguarded", func(s store.Store) store.Store {
		return changingOps(withoutVersion)(commits{s, withoutClaims})
	}, []string{"of 64 that race for each slot exactly one wins", "what clients see of holds, claims and moves could have come one after another",
		"what clients see of a record could have come one after another"}},
	{"ignores version preconditions", changingOps(withoutVersion),
		[]string{"Version demands that version of a put", "Version demands that version of a delete", "conditions on documents",
			"of 64 updates from one version exactly one succeeds"}},
	{"ignores Absent", changingOps(withoutAbsent),
		[]string{"Absent demands that there is no record", "a deleted record is a tombstone that keeps its history", "an expired document counts as none"}},
	{"commits one by one", func(s store.Store) store.Store { return commits{s, oneByOne} },
		[]string{"a conflict in the last operation leaves nothing of the batch", "booking, cancelling and moving at once keep diary and claims in step",
			"a large batch that fails at its end leaves nothing"}},
	{"ignores idempotency", changing(func(b *store.Batch) { b.Idem = nil }),
		[]string{"the same key and hash happen once", "the same key with another hash is a mismatch", "a replay wins over guards and conditions",
			"a key is free again when its time is over", "of 64 that repeat one request exactly one is carried out"}},
	{"keeps the key of a failed batch", func(s store.Store) store.Store {
		return commits{s, func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
			done, err := good.Commit(ctx, b)
			if err != nil && b.Idem != nil {
				_, _ = good.Commit(ctx, &store.Batch{Idem: b.Idem})
			}
			return done, err
		}}
	}, []string{"a batch that failed leaves its key free"}},
	{"ignores guards", changing(func(b *store.Batch) { b.Guards = nil }),
		[]string{"a version guard holds a record that is only read", "a conditional create happens once", "a chained condition is refused"}},
	{"holds never end", changingOps(func(op store.Op) store.Op {
		if c, is := op.(store.Claim); is {
			c.Until = time.Time{}
			return c
		}
		return op
	}), []string{"a hold keeps others out until its end and no longer", "claims are listed in order of slot", "holds are read apart from claims"}},
	{"bends what is too large", changing(func(b *store.Batch) {
		b.Ops = b.Ops[:min(len(b.Ops), store.MaxOps/2)]
		if b.Idem != nil {
			b.Idem = nil
		}
	}), []string{"what is over a limit is too large", "a batch that makes no sense is refused"}},
	{"has a lower limit", func(s store.Store) store.Store {
		return commits{s, func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
			if len(b.Ops) >= store.MaxOps {
				return nil, store.ErrTooLarge
			}
			return good.Commit(ctx, b)
		}}
	}, []string{"what is at its limit is taken"}},
	{"goes on after the context's end", func(s store.Store) store.Store {
		return commits{s, func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
			return good.Commit(context.WithoutCancel(ctx), b)
		}}
	}, []string{"a batch whose context has ended does nothing"}},
	{"writes claims as documents", changingOps(func(op store.Op) store.Op {
		if d, is := op.(store.AuxPut); is && d.Kind == "claim" {
			return store.Claim{Slot: d.Key, Owner: string(d.Value)}
		}
		return op
	}), []string{"claims can't be written as documents"}},
	{"loses who wrote it", reading(reads{record: func(r *store.Record) *store.Record { r.By = nil; return r }}),
		[]string{"a record comes back as it was put, numbered and stamped"}},
	{"shows versions of nothing", func(s store.Store) store.Store {
		return absents{Store: s, missing: func() (*store.Record, error) { return &store.Record{}, nil }}
	}, []string{"what never was is not found", "after Close everything is unavailable"}},
	{"shows the current version for every version", func(s store.Store) store.Store {
		return absents{Store: s, version: func(good store.Store, ctx context.Context, ref store.Ref, _ int64) (*store.Record, error) {
			return good.Get(ctx, ref)
		}}
	}, []string{"every version stays readable"}},
	{"stamps to the microsecond", func(s store.Store) store.Store {
		return commits{s, func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
			done, err := good.Commit(ctx, b)
			for i := range done.Versions {
				done.Versions[i].LastUpdated = done.Versions[i].LastUpdated.Add(time.Microsecond)
			}
			return done, err
		}}
	}, []string{"the time of a record never goes back nor stands still"}},
	{"GetMany brings tombstones", func(s store.Store) store.Store {
		return absents{Store: s, many: func(good store.Store, ctx context.Context, refs []store.Ref) (out []*store.Record, err error) {
			for _, r := range refs {
				if got, err := good.Get(ctx, r); err == nil {
					out = append(out, got)
				}
			}
			return out, nil
		}}
	}, []string{"GetMany leaves out what is deleted or missing"}},
	{"says nothing of its health", func(s store.Store) store.Store {
		return absents{Store: s, health: func() (store.Health, error) { return store.Health{}, nil }}
	}, []string{"a healthy store says so"}},
	{"documents have no version", reading(reads{aux: func(all []store.Aux) []store.Aux {
		for i := range all {
			all[i].Version = 1
		}
		return all
	}}), []string{"a document comes back with its version"}},
	{"documents come in reverse", reading(reads{aux: func(all []store.Aux) []store.Aux { slices.Reverse(all); return all }}),
		[]string{"documents are listed by prefix in key order"}},
	{"gets documents whatever their size", func(s store.Store) store.Store {
		return absents{Store: s, docs: func(good store.Store, ctx context.Context, kind string, keys []string) (all []store.Aux, err error) {
			all, err = good.AuxGet(ctx, kind, keys)
			if !errors.Is(err, store.ErrTooLarge) || len(keys) > store.MaxMany {
				return all, err
			}
			for _, key := range keys {
				got, err := good.AuxGet(ctx, kind, []string{key})
				if err != nil {
					return nil, err
				}
				all = append(all, got...)
			}
			return all, nil
		}}
	}, []string{"documents that are asked for by key are bounded by bytes"}},
	{"lists documents whatever their size", scanning(func(good store.Store, ctx context.Context, prefix, after string) (all []store.Aux, err error) {
		for {
			got, err := good.AuxScan(ctx, "link", prefix, after, 0)
			if err != nil || len(got) == 0 {
				return all, err
			}
			all, after = append(all, got...), got[len(got)-1].Key
		}
	}), []string{"a list of documents is bounded by bytes, and only an empty one is the end"}},
	{"ends at a large document", scanning(func(good store.Store, ctx context.Context, prefix, after string) ([]store.Aux, error) {
		got, err := good.AuxScan(ctx, "link", prefix, after, 0)
		if len(got) > 0 && len(got[0].Value) > store.MaxList/2 {
			got = nil
		}
		return got, err
	}), []string{"a list of documents is bounded by bytes, and only an empty one is the end"}},
	{"lists come in reverse", reading(reads{page: func(p *store.Page) *store.Page { slices.Reverse(p.Records); return p }}),
		[]string{"history lists versions newest first", "history since a moment includes that moment", "random queries find what a plain look at every record finds"}},
	{"pages lose their last record", reading(reads{page: func(p *store.Page) *store.Page { p.Records = p.Records[:max(0, len(p.Records)-1)]; return p }}),
		[]string{"history pages stay true while writes go on", "pages stay true while writes go on", "an update and a delete change what is found",
			"a page has at most the number asked for and at most 500"}},
	{"searches without conditions", reading(reads{query: func(q search.Query) search.Query { q.Where = nil; return q }}),
		[]string{"each kind of condition finds what it should", "a cursor is good for its own query only"}},
	{"opens no long cursors", reading(reads{query: func(q search.Query) search.Query { q.Cursor = q.Cursor[:min(len(q.Cursor), 16<<10)]; return q }}),
		[]string{"the longest sort values lead on"}},
	{"keeps no units", changingOps(func(op store.Op) store.Op {
		if p, is := op.(store.Put); is {
			r := *p.Record
			r.Index.D = slices.DeleteFunc(slices.Clone(r.Index.D), func(s search.Span) bool { return strings.Contains(s.Param, "$") })
			p.Record = &r
			return p
		}
		return op
	}), []string{"searches of resources find what the matcher finds"}},
	{"counts without a limit", func(s store.Store) store.Store {
		return absents{Store: s, count: func(good store.Store, ctx context.Context, q *search.Query, _ int) (int, bool, error) {
			return good.Count(ctx, q, 1000)
		}}
	}, []string{"a count stops at its limit"}},
	{"takes any history cursor", reading(reads{history: func(good store.Store, ctx context.Context, scope store.Ref, since time.Time, count int, cursor string) (*store.Page, error) {
		page, err := good.History(ctx, scope, since, count, cursor)
		if err != nil {
			return good.History(ctx, scope, since, count, "")
		}
		return page, nil
	}}), []string{"a history cursor is good for its own list only"}},
}

func reading(r reads) func(store.Store) store.Store {
	return func(good store.Store) store.Store {
		r.Store = good
		return r
	}
}

func withoutVersion(op store.Op) store.Op {
	switch op := op.(type) {
	case store.Put:
		op.If.Version = 0
		return op
	case store.Delete:
		op.If.Version = 0
		return op
	case store.AuxPut:
		op.If.Version = 0
		return op
	case store.AuxDelete:
		op.If.Version = 0
		return op
	}
	return op
}

func withoutAbsent(op store.Op) store.Op {
	switch op := op.(type) {
	case store.Put:
		op.If.Absent = false
		return op
	case store.AuxPut:
		op.If.Absent = false
		return op
	}
	return op
}
