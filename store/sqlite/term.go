package sqlite

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/search"
)

// A term is a text of the index under a number: index rows and res.ix hold the
// number, table term the text, once. A term lives as long as a row has it, so that
// no identifier outlasts its last record.
//
// term.k says of which type and kind it is: 4 * types.t + kind.
const (
	kindEntry = iota // an entry, and "param:value" that records sort by
	kindShape        // several entries as one
	kindDate         // a parameter of dates and numbers; behind "$" it may come from records
	kindText         // a parameter that records sort by
	kinds
)

// termKey names a term.
type termKey struct {
	k int64
	v string
}

func (a termKey) compare(b termKey) int {
	return cmp.Or(cmp.Compare(a.k, b.k), strings.Compare(a.v, b.v))
}

// shapeMark stands between the entries of a shape.
const shapeMark = "\x01"

// shaped entries, which say what a resource has but not what it says ("!status",
// "identifier=system|"), are nearly a half of all and come in few combinations.
// The combination is one term.
func shaped(e string) bool {
	if strings.Contains(e, shapeMark) {
		return false
	}
	return strings.HasPrefix(e, "!") || strings.HasSuffix(e, "|") && strings.Contains(e, "=")
}

// sizes are how many values a statement takes: few, so that they stay prepared.
var sizes = []int{64, 16, 4, 1}

// chunks calls f with parts of a list whose lengths are among sizes.
func chunks[T any](list []T, f func([]T) error) error {
	for _, n := range sizes {
		for len(list) >= n {
			if err := f(list[:n]); err != nil {
				return err
			}
			list = list[n:]
		}
	}
	return nil
}

// numbersOf looks terms up by their texts; those that aren't there are left out.
// One row says it of many: sixteen places of the index cost less than as many
// statements, and less than a list, which SQLite sorts first. More in one would
// cost more to prepare, on every new connection, than they save.
func (c *conn) numbersOf(ctx context.Context, list []termKey, found func(key termKey, id int64)) error {
	const one = `(SELECT id FROM term WHERE k = ? AND v = ?)`
	for some := range slices.Chunk(list, 16) {
		n := 16
		for n/4 >= len(some) {
			n /= 4
		}
		args := make([]any, 2*n) // NULL is no term's
		for i, key := range some {
			args[2*i], args[2*i+1] = key.k, key.v
		}
		err := c.rows(ctx, `SELECT `+one+strings.Repeat(`, `+one, n-1), args, func(r row) error {
			for i, key := range some {
				if r[i] != nil {
					found(key, r.number(i))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// shapes calls f with each shape of a type.
func (c *conn) shapes(ctx context.Context, typ int64, f func(id int64, entries []string)) error {
	return c.each(ctx, `SELECT id, v FROM term WHERE k = ?`, []any{typ*kinds + kindShape}, func(scan func(...any) error) error {
		var id int64
		var v string
		if err := scan(&id, &v); err != nil {
			return err
		}
		f(id, strings.Split(v, shapeMark))
		return nil
	})
}

// termTexts looks terms up by their numbers.
func (c *conn) termTexts(ctx context.Context, ids []int64) (map[int64]termKey, error) {
	texts := make(map[int64]termKey, len(ids))
	err := chunks(ids, func(some []int64) error {
		args := make([]any, len(some))
		for i, id := range some {
			args[i] = id
		}
		return c.each(ctx, `SELECT id, k, v FROM term WHERE id IN (`+marks(len(some))+`)`, args, func(scan func(...any) error) error {
			var id int64
			var key termKey
			err := scan(&id, &key.k, &key.v)
			texts[id] = key
			return err
		})
	})
	return texts, err
}

// index turns keys back into entries, given the texts of all of their numbers.
func (k *keys) index(texts map[int64]termKey) search.Index {
	var ix search.Index
	for _, t := range k.terms {
		if key := texts[t]; key.k%kinds == kindShape {
			ix.X = append(ix.X, strings.Split(key.v, shapeMark)...)
		} else {
			ix.X = append(ix.X, key.v)
		}
	}
	for _, d := range k.dates {
		ix.D = append(ix.D, search.Span{Param: texts[d.param].v, Lo: d.lo, Hi: d.hi})
	}
	for _, t := range k.texts {
		param := texts[t.param].v
		ix.S = append(ix.S, search.SortKey{Param: param, Value: strings.TrimPrefix(texts[t.term].v, param+":")})
	}
	return ix
}

// numbers are all numbers of terms that the keys hold.
func (k *keys) numbers(into map[int64]bool) {
	for _, t := range k.terms {
		into[t] = true
	}
	for _, d := range k.dates {
		into[d.param] = true
	}
	for _, t := range k.texts {
		into[t.param], into[t.term] = true, true
	}
}

// maxKnown bounds the terms that the writer remembers; full, it starts afresh.
const maxKnown = 20_000

// learn gives the words of several records their numbers, making the terms that
// there aren't: sorted, so that rows that stand together are written together.
func (w *writer) learn(ctx context.Context, list []numbered) error {
	ids := map[termKey]int64{}
	var missing []termKey
	for _, n := range list {
		for _, word := range n.parts.words {
			key := termKey{n.typ*kinds + word.kind, word.text}
			if _, seen := ids[key]; seen {
				continue
			}
			id := w.terms[key]
			ids[key] = id
			if id == 0 {
				missing = append(missing, key)
			}
		}
	}
	err := w.numbersOf(ctx, missing, func(key termKey, id int64) {
		ids[key] = id
		w.remembered(key, id)
	})
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(missing, func(key termKey) bool { return ids[key] != 0 })
	if err := w.makeTerms(ctx, fresh, ids); err != nil {
		return err
	}
	for _, n := range list {
		n.parts.ids = make([]int64, len(n.parts.words))
		for i, word := range n.parts.words {
			n.parts.ids[i] = ids[termKey{n.typ*kinds + word.kind, word.text}]
		}
	}
	return nil
}

// numbered is an index of a record of a type.
type numbered struct {
	typ   int64
	parts *parts
}

func (w *writer) makeTerms(ctx context.Context, fresh []termKey, ids map[termKey]int64) error {
	if len(fresh) == 0 {
		return nil
	}
	w.learned = true
	if w.lastTerm == 0 {
		if _, err := w.row(ctx, `SELECT coalesce(max(id), 0) FROM term`, nil, &w.lastTerm); err != nil {
			return err
		}
	}
	slices.SortFunc(fresh, termKey.compare)
	return chunks(fresh, func(some []termKey) error {
		args := make([]any, 0, 3*len(some))
		for _, t := range some {
			w.lastTerm++
			ids[t] = w.lastTerm
			args = append(args, w.lastTerm, t.k, t.v)
		}
		_, err := w.exec(ctx, `INSERT OR FAIL INTO term (id, k, v) VALUES (?, ?, ?)`+strings.Repeat(`, (?, ?, ?)`, len(some)-1), args...)
		return err
	})
}

// remembered keeps a term that was needed again.
func (w *writer) remembered(key termKey, id int64) {
	if len(w.terms) >= maxKnown {
		clear(w.terms)
	}
	w.terms[key] = id
	w.learned = true
}

// dropTerms removes those of the terms that have lost a row which no other row
// has.
func (w *writer) dropTerms(ctx context.Context) error {
	for id := range w.loose {
		var key termKey
		gone, err := w.row(ctx, `DELETE FROM term WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM x WHERE term = ?1)
			AND NOT EXISTS (SELECT 1 FROM xs WHERE term = ?1) AND NOT EXISTS (SELECT 1 FROM xd WHERE p = ?1) RETURNING k, v`,
			[]any{id}, &key.k, &key.v)
		if err != nil {
			return err
		}
		if gone {
			delete(w.terms, key)
		}
	}
	clear(w.loose)
	return nil
}
