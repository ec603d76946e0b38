package sqlite

import (
	"context"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store/internal/kit"
)

// sortKey is one resolved search.Sort.
type sortKey struct {
	kind    sortKind
	param   string
	desc    bool
	present bool  // no record in this list lacks it
	several bool  // dates: some record has several, and sorts by the earliest
	widest  int64 // dates: see width
}

type sortKind uint8

const (
	byUpdated sortKind = iota
	byDate
	byText
)

// order is the whole order of a query: its keys, then the logical id.
type order struct {
	keys   []sortKey
	idDesc bool
}

// order resolves the parameters: one that was ever written as a date is a date.
// The id makes every record's place unique, so what follows "_id" means nothing.
func (p *planner) order(ctx context.Context, sorts []search.Sort) (order, error) {
	var o order
	for _, by := range sorts {
		k := sortKey{param: by.Param, desc: by.Desc}
		switch by.Param {
		case "_id":
			o.idDesc = by.Desc
			return o, nil
		case "_lastUpdated":
			k.kind, k.present = byUpdated, true
		default:
			w, date, err := p.widthOf(ctx, by.Param)
			if err != nil {
				return o, err
			}
			k.kind = byText
			if date {
				k.kind, k.several, k.widest = byDate, w.several, w.span
			}
		}
		o.keys = append(o.keys, k)
	}
	return o, nil
}

// single says that the key is this date parameter, and that the span by which a
// record sorts is the only one it has.
func (k sortKey) single(param string) bool {
	return k.kind == byDate && !k.several && k.param == param
}

// value writes the key's value of a record. A text stands with its parameter
// before it, which changes nothing in its order.
func (p *planner) value(k sortKey, a at) sqlText {
	var s sqlText
	switch {
	case k.kind == byUpdated:
		s.add(`r.lu`)
	case k.kind == byDate && k.param == startParam && p.main:
		s.add(a.lo)
	case k.kind == byDate:
		s.add(`ix_date(r.ix, ?)`, p.dates[k.param])
	default:
		s.add(`(SELECT v FROM term WHERE id = ix_text(r.ix, ?))`, p.texts[k.param])
	}
	return s
}

// by writes the ORDER BY over the expressions of the keys and of the id.
func (o order) by(s *sqlText, keys []sqlText, id string) {
	s.add(` ORDER BY `)
	for i, k := range o.keys {
		s.add(keys[i].String(), keys[i].args...)
		if k.desc {
			s.add(` DESC`)
		} else if !k.present {
			s.add(` NULLS LAST`) // descending, SQLite puts them last anyway
		}
		s.add(`, `)
	}
	s.add(id)
	if o.idDesc {
		s.add(` DESC`)
	}
}

// after writes the condition of coming after the last record of a page.
func (o order) after(s *sqlText, keys []sqlText, id string, last *kit.Mark) {
	s.add(`(`)
	for i, k := range o.keys {
		v := last.Keys[i]
		if v.None() {
			continue // nothing comes after none but by the later keys
		}
		o.equal(s, keys[:i], last)
		s.add(`(`)
		s.add(keys[i].String(), keys[i].args...)
		s.add(compare(k.desc), arg(v))
		if !k.present {
			s.add(` OR `)
			s.add(keys[i].String()+` IS NULL`, keys[i].args...)
		}
		s.add(`) OR `)
	}
	o.equal(s, keys, last)
	s.add(id+compare(o.idDesc), last.ID)
	s.add(`)`)
}

func (o order) equal(s *sqlText, keys []sqlText, last *kit.Mark) {
	for i, k := range keys {
		s.add(k.String(), k.args...)
		s.add(` IS ? AND `, arg(last.Keys[i]))
	}
}

func compare(desc bool) string {
	if desc {
		return ` < ?`
	}
	return ` > ?`
}

// arg is a value for a statement, nil for none.
func arg(v kit.Value) any {
	switch {
	case v.N != nil:
		return *v.N
	case v.S != nil:
		return string(v.S)
	}
	return nil
}

// fits says whether a cursor's values are of the order's kinds: a parameter
// that nobody had may have become a date since.
func (o order) fits(m *kit.Mark) bool {
	if len(m.Keys) != len(o.keys) {
		return false
	}
	for i, k := range o.keys {
		v := m.Keys[i]
		if k.kind == byText && v.N != nil || k.kind != byText && v.S != nil || k.kind == byUpdated && v.None() {
			return false
		}
	}
	return true
}
