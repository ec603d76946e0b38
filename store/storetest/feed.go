package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var feedChecks = []Check{
	{"the feed lists every version from the first on, in order per record", func(e *Env) error {
		all, err := e.story()
		if err != nil {
			return err
		}
		for _, size := range []int{1, 4, 0} {
			got, _, err := e.changes("", size)
			if err != nil {
				return err
			}
			if err := sameChanges(all, got); err != nil {
				return fmt.Errorf("pages of %d: %w", size, err)
			}
		}
		return e.changesTellWhat()
	}},
	{"the feed goes on from a position", func(e *Env) error {
		if _, err := e.story(); err != nil {
			return err
		}
		_, at, err := e.changes("", 3)
		if err != nil {
			return err
		}
		none, err := e.Store.Changes(e.ctx, at, 10, 0)
		if err != nil || len(none.List) != 0 {
			return fmt.Errorf("at the end: %v, %w", none, err)
		}
		e.Clock.Move(time.Minute)
		done, err := e.commit(put(record("Slot", "s1", "again")), put(record("Slot", "new", "")))
		if err != nil {
			return err
		}
		for _, from := range []string{at, none.Next} {
			got, _, err := e.changes(from, 1)
			if err != nil {
				return err
			}
			if err := sameChanges(done.Versions, got); err != nil {
				return err
			}
		}
		return nil
	}},
	{"the feed waits for a change and no longer than asked", func(e *Env) error {
		done, err := e.commit(put(record("Slot", "s1", "")))
		if err != nil {
			return err
		}
		_, at, err := e.changes("", 0)
		if err != nil {
			return err
		}
		page, err := e.Store.Changes(e.ctx, at, 0, 20*time.Millisecond)
		if err != nil || len(page.List) != 0 {
			return fmt.Errorf("nothing happened: %v, %w", page, err)
		}
		written := make(chan error, 1)
		go func() {
			_, err := e.commit(at2(record("Slot", "s1", "later"), done))
			written <- err
		}()
		page, err = e.Store.Changes(e.ctx, at, 0, 30*time.Second)
		if err := first(err, <-written); err != nil {
			return err
		}
		if len(page.List) == 0 || page.List[len(page.List)-1].Version != 2 {
			return fmt.Errorf("the change wasn't waited for: %v", page.List)
		}
		ended, end := context.WithTimeout(e.ctx, 10*time.Millisecond)
		defer end()
		_, err = e.Store.Changes(ended, page.Next, 0, 30*time.Second)
		return wantError("a caller who goes", context.DeadlineExceeded, err)
	}},
	{"a position is good for the feed only", func(e *Env) error {
		if _, err := e.story(); err != nil {
			return err
		}
		page, err := e.Store.History(e.ctx, store.Ref{Type: "Slot"}, time.Time{}, 1, "")
		if err != nil {
			return err
		}
		_, err = e.Store.Changes(e.ctx, page.Next, 0, 0)
		_, err2 := e.Store.Changes(e.ctx, "x", 0, 0)
		return first(wantError("a history cursor", store.ErrCursor, err), wantError("a foreign text", store.ErrCursor, err2))
	}},
	{"of batches that were refused the feed says nothing", func(e *Env) error {
		done, err := e.commit(put(record("Slot", "s1", "")))
		if err != nil {
			return err
		}
		err = e.refused(store.VersionConflict, "Slot/s1", put(record("Slot", "s2", "")), at(record("Slot", "s1", ""), 7))
		got, _, err2 := e.changes("", 0)
		return first(err, err2, sameChanges(done.Versions, got))
	}},
	{"counters follow every write", func(e *Env) error {
		if _, err := e.story(); err != nil {
			return err
		}
		slot := store.Ref{Type: "Slot", ID: "s1"}
		if _, err := e.commit(store.Delete{Ref: slot}, store.Delete{Ref: slot}); err != nil {
			return err
		}
		if err := e.refused(store.Exists, "Slot/s2", put(record("Slot", "s3", "")), created(record("Slot", "s2", ""))); err != nil {
			return err
		}
		got, err := e.Store.Counts(e.ctx)
		return first(err, want("types", 2, len(got)), want("slots", store.Count{Live: 1, Versions: 11}, got["Slot"]),
			want("schedules", store.Count{Live: 1, Versions: 5}, got["Schedule"]))
	}},
	{"a plan names parameters and no value", func(e *Env) error {
		if _, err := e.commit(put(record("Slot", "s1", "", "status:free", "identifier=sys|9000000009"))); err != nil {
			return err
		}
		q := &search.Query{Type: "Slot", Where: search.And{search.Has("status:free"), search.Has("identifier=sys|9000000009")}, Sort: []search.Sort{{Param: "start"}}}
		plan, err := e.Store.Explain(e.ctx, q)
		if err != nil {
			return err
		}
		text := strings.Join(plan.Steps, "\n")
		for _, value := range []string{"9000000009", "free", "sys|"} {
			if strings.Contains(text, value) {
				return fmt.Errorf("the plan shows the value %q:\n%s", value, text)
			}
		}
		for _, param := range []string{"status", "identifier"} {
			if !strings.Contains(text, param) {
				return fmt.Errorf("the plan doesn't name %s:\n%s", param, text)
			}
		}
		_, err = e.Store.Explain(e.ctx, &search.Query{})
		return first(want("rows", 1, plan.Rows), want("a query without type is refused", true, err != nil))
	}},
	{"a reindex changes what is found and no version", func(e *Env) error { return e.reindexes() }},
	{"a reindex that was stopped goes on where it stood", func(e *Env) error {
		if err := e.stoppedReindex("status:new"); err != nil {
			return err
		}
		var calls, reached, total int
		err := e.Store.Reindex(e.ctx, "Slot", "one", func(*store.Record) (search.Index, error) {
			calls++
			return search.Index{X: []string{"status:new"}}, nil
		}, func(done, all int) { reached, total = done, all })
		if err != nil {
			return err
		}
		if calls == 200 || calls < 51 {
			return fmt.Errorf("the second run looked at %d of 200 records", calls)
		}
		n, _, err := e.Store.Count(e.ctx, &search.Query{Type: "Slot", Where: search.Has("status:new")}, 0)
		return first(err, want("found", 200, n), want("done", 200, reached), want("of", 200, total))
	}},
	{"a reindex under another name begins anew", func(e *Env) error {
		if err := e.stoppedReindex("under:one"); err != nil {
			return err
		}
		reached := 0
		err := e.Store.Reindex(e.ctx, "Slot", "another", func(*store.Record) (search.Index, error) {
			return search.Index{X: []string{"under:another"}}, nil
		}, func(done, _ int) { reached = done })
		if err != nil {
			return err
		}
		n, _, err := e.Store.Count(e.ctx, &search.Query{Type: "Slot", Where: search.Has("under:another")}, 0)
		return first(err, want("found", 200, n), want("done", 200, reached))
	}},
}

// at2 is a put on the version that a commit made first.
func at2(r *store.Record, done *store.Result) store.Put { return at(r, done.Versions[0].Version) }

func (e *Env) reindexes() error {
	gone := store.Ref{Type: "Slot", ID: "gone"}
	ops := []store.Op{put(record("Slot", "s1", "", "status:old")), put(record("Slot", "s2", "", "status:old", "kept:yes")),
		put(record("Schedule", "d1", "", "status:old")), put(record("Slot", "gone", ""))}
	if _, err := e.commit(append(ops, store.Delete{Ref: gone})...); err != nil {
		return err
	}
	var seen []string
	err := e.Store.Reindex(e.ctx, "Slot", "one", func(r *store.Record) (search.Index, error) {
		if len(r.Body) == 0 || r.Type != "Slot" {
			return search.Index{}, fmt.Errorf("not a slot with a body")
		}
		if r.ID == "s1" && len(seen) == 0 { // a write in between has its own index
			if _, err := e.commit(put(record("Slot", "s1", "meanwhile", "status:meanwhile"))); err != nil {
				return search.Index{}, err
			}
		}
		seen = append(seen, r.ID)
		return search.Index{X: []string{"status:new", "kept:yes"}, D: []search.Span{{Param: "start", Lo: 5, Hi: 6}},
			S: []search.SortKey{{Param: "status", Value: "new"}}}, nil
	}, nil)
	if err != nil {
		return err
	}
	slices.Sort(seen)
	got, err := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "s2"})
	if err != nil {
		return err
	}
	counts, err := e.Store.Counts(e.ctx)
	for where, ids := range map[search.Node]string{
		search.Has("status:old"): "[]", search.Has("status:new"): "[s2]", search.Has("status:meanwhile"): "[s1]", search.Has("kept:yes"): "[s2]",
		search.Date{Param: "start", Op: search.Eq, Lo: 5, Hi: 6}: "[s2]",
	} {
		page, err := e.Store.Search(e.ctx, &search.Query{Type: "Slot", Where: where, Sort: []search.Sort{{Param: "start"}}})
		if err != nil {
			return err
		}
		if err := want(search.Describe(where), ids, fmt.Sprint(idsOf(page))); err != nil {
			return err
		}
	}
	others, _, err2 := e.Store.Count(e.ctx, &search.Query{Type: "Schedule", Where: search.Has("status:old")}, 0)
	return first(err, err2, want("seen", "[s1 s2]", fmt.Sprint(seen)), want("version", 1, got.Version),
		want("versions", 5, counts["Slot"].Versions), want("other types", 1, others))
}

func idsOf(p *store.Page) []string {
	out := []string{}
	for _, r := range p.Records {
		out = append(out, r.ID)
	}
	return out
}

// changes reads the feed to its end.
func (e *Env) changes(after string, size int) (all []store.Change, at string, err error) {
	for range 1000 {
		page, err := e.Store.Changes(e.ctx, after, size, 0)
		if err != nil {
			return nil, "", err
		}
		if size > 0 && len(page.List) > size {
			return nil, "", fmt.Errorf("a page of %d has %d", size, len(page.List))
		}
		if len(page.List) == 0 {
			return all, after, nil
		}
		all, after = append(all, page.List...), page.Next
	}
	return nil, "", fmt.Errorf("the feed doesn't end")
}

// sameChanges demands every version at least once, and for each record never
// one before an earlier one was listed.
func sameChanges(expected []store.Version, got []store.Change) error {
	newest := map[store.Ref]int64{}
	listed := map[store.Version]bool{}
	for _, c := range got {
		v := store.Version{Ref: c.Ref, Version: c.Version, LastUpdated: c.LastUpdated}
		if !listed[v] && c.Version < newest[c.Ref] {
			return fmt.Errorf("%v comes after version %d", v, newest[c.Ref])
		}
		newest[c.Ref] = max(newest[c.Ref], c.Version)
		listed[v] = true
	}
	for _, v := range expected {
		if !listed[v] {
			return fmt.Errorf("%v is missing", v)
		}
		delete(listed, v)
	}
	for v := range listed {
		return fmt.Errorf("%v was never written", v)
	}
	return nil
}

// changesTellWhat looks at what a change says beside its version.
func (e *Env) changesTellWhat() error {
	all, _, err := e.changes("", 0)
	if err != nil {
		return err
	}
	for _, c := range all {
		r, err := e.Store.GetVersion(e.ctx, c.Ref, c.Version)
		if err != nil {
			return err
		}
		if r.Deleted != c.Deleted || r.Method != c.Method {
			return fmt.Errorf("%v: %s, deleted %v; the version says %s, %v", c.Ref, c.Method, c.Deleted, r.Method, r.Deleted)
		}
	}
	return nil
}

// stoppedReindex writes 200 Slots and stops the reindex "one", which gives each an
// entry, at the 150th.
func (e *Env) stoppedReindex(entry string) error {
	var batch []store.Op
	for i := range 200 {
		batch = append(batch, put(record("Slot", fmt.Sprintf("s%03d", i), "")))
	}
	if _, err := e.commit(batch...); err != nil {
		return err
	}
	calls := 0
	stop := fmt.Errorf("stop")
	err := e.Store.Reindex(e.ctx, "Slot", "one", func(*store.Record) (search.Index, error) {
		if calls++; calls == 150 {
			return search.Index{}, stop
		}
		return search.Index{X: []string{entry}}, nil
	}, nil)
	return wantError("the extraction's error", stop, err)
}
