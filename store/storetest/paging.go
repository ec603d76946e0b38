package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var pagingChecks = []Check{
	{"pages stay true while writes go on", func(e *Env) error {
		for _, sort := range [][]search.Sort{nil, {{Param: "start"}}, {{Param: "start", Desc: true}}, {{Param: "name"}, {Param: "start", Desc: true}}} {
			if err := e.pagesWhileWriting(sort); err != nil {
				return fmt.Errorf("sorted %v: %w", sort, err)
			}
		}
		return nil
	}},
	{"a cursor is good for its own query only", func(e *Env) error {
		if _, err := e.standing(40); err != nil {
			return err
		}
		q := search.Query{Type: "Slot", Where: search.And{search.Has("a:1"), search.HasAny{"b:1", "c:1"}}, Sort: []search.Sort{{Param: "start"}}, Count: 5}
		page, err := e.Store.Search(e.ctx, &q)
		if err != nil {
			return err
		}
		if page.Next == "" {
			return fmt.Errorf("want a next page")
		}
		for what, change := range map[string]func(*search.Query){
			"type": func(q *search.Query) { q.Type = "Schedule" }, "entry": func(q *search.Query) { q.Where = search.Has("a:2") },
			"shape":  func(q *search.Query) { q.Where = search.And{search.Has("a:1"), search.HasAny{"b:1c:1"}} },
			"order":  func(q *search.Query) { q.Sort = []search.Sort{{Param: "start", Desc: true}} },
			"sort":   func(q *search.Query) { q.Sort = nil },
			"nobody": func(q *search.Query) { q.Cursor = "bm90aGluZw" }, "rubbish": func(q *search.Query) { q.Cursor = "%%%" },
		} {
			other := q
			other.Cursor = page.Next
			change(&other)
			_, err := e.Store.Search(e.ctx, &other)
			if err := wantError(what, store.ErrCursor, err); err != nil {
				return err
			}
		}
		for i := range page.Next {
			tampered := []byte(page.Next)
			tampered[i] = 'A' + (tampered[i]-'A'+1)%26
			other := q
			other.Cursor = string(tampered)
			if _, err := e.Store.Search(e.ctx, &other); other.Cursor != page.Next && err == nil {
				return fmt.Errorf("a cursor changed at byte %d was accepted", i)
			}
		}
		q.Cursor, q.Count = page.Next, 7
		_, err = e.Store.Search(e.ctx, &q)
		return err
	}},
	{"the longest sort values lead on", func(e *Env) error {
		q := search.Query{Type: "Slot", Count: 1}
		var index []search.SortKey
		for n := range 8 {
			param := fmt.Sprint("p", n)
			q.Sort = append(q.Sort, search.Sort{Param: param})
			index = append(index, search.SortKey{Param: param, Value: strings.Repeat("x", 4096-len(param))})
		}
		for _, id := range []string{"a", "b"} {
			r := record("Slot", id, "")
			r.Index.S = index
			if _, err := e.commit(put(r)); err != nil {
				return err
			}
		}
		got, err := e.pages(&q, 1, nil)
		return first(err, want("pages", "a b", strings.Join(got, " ")))
	}},
	{"a page has at most the number asked for and at most 500", func(e *Env) error {
		for range 2 {
			if _, err := e.standing(300); err != nil {
				return err
			}
		}
		for asked, expected := range map[int]int{0: search.DefaultCount, 3: 3, 500: 500, 100_000: search.MaxCount} {
			page, err := e.Store.Search(e.ctx, &search.Query{Type: "Slot", Count: asked})
			if err := first(err, want("records", expected, len(page.Records))); err != nil {
				return err
			}
		}
		return nil
	}},
}

// standing writes n slots that later writes leave alone and returns their ids.
func (e *Env) standing(n int) ([]string, error) {
	var ops []store.Op
	var ids []string
	count, _, err := e.Store.Count(e.ctx, &search.Query{Type: "Slot"}, 10_000)
	if err != nil {
		return nil, err
	}
	for i := range n {
		r := record("Slot", fmt.Sprintf("s%04d", count+i*7%n), "", "a:1", pick3(i, "b:1", "c:1", "b:1"))
		if i%5 > 0 {
			lo := int64(i%6) * day
			r.Index.D = []search.Span{{Param: "start", Lo: lo, Hi: lo}}
		}
		if i%4 > 0 {
			r.Index.S = []search.SortKey{{Param: "name", Value: pick3(i, "a", "b", "c")}}
		}
		ops, ids = append(ops, put(r)), append(ids, r.ID)
	}
	_, err = e.commit(ops...)
	slices.Sort(ids)
	return ids, err
}

func pick3(i int, a, b, c string) string { return []string{a, b, c}[i%3] }

// pagesWhileWriting adds and removes records between the pages: each record that
// stands all the while must come exactly once.
func (e *Env) pagesWhileWriting(sort []search.Sort) error {
	ids, err := e.standing(47)
	if err != nil {
		return err
	}
	n := 0
	got, err := e.pages(&search.Query{Type: "Slot", Where: search.Has("a:1"), Sort: sort}, 4, func() error {
		var ops []store.Op
		for _, prefix := range []string{"a", "s0020-", "z"} {
			if n >= 30 { // the list must come to its end
				return nil
			}
			r := record("Slot", fmt.Sprint(prefix, "new", n), "", "a:1")
			lo := int64(n%8) * day
			r.Index.D = []search.Span{{Param: "start", Lo: lo, Hi: lo}}
			r.Index.S = []search.SortKey{{Param: "name", Value: pick3(n, "a", "b", "d")}}
			ops = append(ops, put(r))
			n++
		}
		_, err := e.commit(ops...)
		return err
	})
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for _, id := range got {
		seen[id]++
	}
	for _, id := range ids {
		if seen[id] != 1 {
			return fmt.Errorf("%s came %d times", id, seen[id])
		}
	}
	var ops []store.Op
	for id := range seen {
		ops = append(ops, store.Delete{Ref: store.Ref{Type: "Slot", ID: id}})
	}
	_, err = e.commit(ops...)
	return err
}
