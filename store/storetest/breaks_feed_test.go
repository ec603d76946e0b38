package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// feeds is an engine whose later methods are replaced; nil leaves one as it is.
type feeds struct {
	store.Store
	changes func(ctx context.Context, good store.Store, after string, limit int, wait time.Duration) (*store.Changes, error)
	explain func(plan *store.Plan, q *search.Query)
	extract func(search.Index) search.Index
	restart bool // Reindex begins anew
	one     bool // Reindex has one name for all
	counts  func(map[string]store.Count)
	purge   func(ctx context.Context, good store.Store, r store.PurgeRequest) (store.PurgeResult, error)
}

func (f feeds) Changes(ctx context.Context, after string, limit int, wait time.Duration) (*store.Changes, error) {
	if f.changes == nil {
		return f.Store.Changes(ctx, after, limit, wait)
	}
	return f.changes(ctx, f.Store, after, limit, wait)
}

func (f feeds) Explain(ctx context.Context, q *search.Query) (*store.Plan, error) {
	plan, err := f.Store.Explain(ctx, q)
	if f.explain != nil && err == nil {
		f.explain(plan, q)
	}
	return plan, err
}

func (f feeds) Reindex(ctx context.Context, typ, under string, extract func(*store.Record) (search.Index, error), progress func(int, int)) error {
	changed := func(r *store.Record) (search.Index, error) {
		ix, err := extract(r)
		if f.extract != nil {
			ix = f.extract(ix)
		}
		return ix, err
	}
	if f.one {
		under = ""
	}
	err := f.Store.Reindex(ctx, typ, under, changed, progress)
	if err != nil && f.restart {
		return errors.Join(err, f.Store.Reindex(ctx, typ, under, func(*store.Record) (search.Index, error) { return search.Index{}, nil }, nil))
	}
	return err
}

func (f feeds) Counts(ctx context.Context) (map[string]store.Count, error) {
	got, err := f.Store.Counts(ctx)
	if f.counts != nil {
		f.counts(got)
	}
	return got, err
}

func (f feeds) Purge(ctx context.Context, r store.PurgeRequest) (store.PurgeResult, error) {
	if f.purge == nil {
		return f.Store.Purge(ctx, r)
	}
	return f.purge(ctx, f.Store, r)
}

func feeding(f feeds) func(store.Store) store.Store {
	return func(good store.Store) store.Store {
		f.Store = good
		return f
	}
}

// feedBreaks are the engines that break a rule of a later method.
var feedBreaks = []broken{
	{"the feed loses the first of each page", feeding(feeds{changes: func(ctx context.Context, good store.Store, after string, limit int, wait time.Duration) (*store.Changes, error) {
		page, err := good.Changes(ctx, after, limit, wait)
		if err == nil && len(page.List) > 0 {
			page.List = page.List[1:]
		}
		return page, err
	}}), []string{"the feed lists every version from the first on, in order per record", "the feed goes on from a position"}},
	{"the feed never waits", feeding(feeds{changes: func(ctx context.Context, good store.Store, after string, limit int, _ time.Duration) (*store.Changes, error) {
		return good.Changes(ctx, after, limit, 0)
	}}), []string{"the feed waits for a change and no longer than asked"}},
	{"takes any position", feeding(feeds{changes: func(ctx context.Context, good store.Store, after string, limit int, wait time.Duration) (*store.Changes, error) {
		page, err := good.Changes(ctx, after, limit, wait)
		if errors.Is(err, store.ErrCursor) {
			return good.Changes(ctx, "", limit, wait)
		}
		return page, err
	}}), []string{"a position is good for the feed only"}},
	{"writes the first half of what it refuses", func(s store.Store) store.Store {
		return commits{s, func(ctx context.Context, good store.Store, b *store.Batch) (*store.Result, error) {
			done, err := good.Commit(ctx, b)
			if err != nil {
				_, _ = good.Commit(ctx, &store.Batch{Ops: b.Ops[:1]})
			}
			return done, err
		}}
	}, []string{"of batches that were refused the feed says nothing", "counters follow every write"}},
	{"plans show the query", feeding(feeds{explain: func(plan *store.Plan, q *search.Query) { plan.Steps = append(plan.Steps, fmt.Sprint(q.Where)) }}),
		[]string{"a plan names parameters and no value"}},
	{"reindexes to nothing", feeding(feeds{extract: func(search.Index) search.Index { return search.Index{} }}),
		[]string{"a reindex changes what is found and no version"}},
	{"goes on with a reindex of another name", feeding(feeds{one: true}), []string{"a reindex under another name begins anew"}},
	{"reindexes to the end whatever happens", feeding(feeds{restart: true}),
		[]string{"a reindex that was stopped goes on where it stood"}},
	{"purges current versions", feeding(feeds{purge: func(ctx context.Context, good store.Store, r store.PurgeRequest) (store.PurgeResult, error) {
		done, err := good.Purge(ctx, r)
		_, _ = good.Commit(ctx, &store.Batch{Ops: []store.Op{store.Delete{Ref: store.Ref{Type: "Slot", ID: "live"}}}})
		return done, err
	}}), []string{"a purge removes what is superseded or deleted before a time and nothing else", "a purged id begins anew and the feed stays true"}},
	{"purges every type", feeding(feeds{purge: func(ctx context.Context, good store.Store, r store.PurgeRequest) (store.PurgeResult, error) {
		r.Type, r.ID = "", ""
		return good.Purge(ctx, r)
	}}), []string{"a purge leaves other types and records alone", "a purge leaves an audit record"}},
	{"purges whatever is asked", feeding(feeds{purge: func(ctx context.Context, good store.Store, r store.PurgeRequest) (store.PurgeResult, error) {
		done, err := good.Purge(ctx, r)
		if err != nil {
			return done, nil
		}
		return done, err
	}}), []string{"a purge that makes no sense is refused"}},
	{"purges no deleted records", feeding(feeds{purge: func(ctx context.Context, good store.Store, r store.PurgeRequest) (store.PurgeResult, error) {
		done, err := good.Purge(ctx, r)
		done.Records = 0
		return done, err
	}}), []string{"a purge of much goes to its end"}},
	{"counts what was purged", feeding(feeds{counts: func(all map[string]store.Count) {
		for typ, n := range all {
			all[typ] = store.Count{Live: n.Live, Versions: n.Versions + 1}
		}
	}}), []string{"counters follow every write", "a purge of much goes to its end"}},
}
