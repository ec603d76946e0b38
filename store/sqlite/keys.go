package sqlite

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// keys is a record's index by numbers: of terms and parameters (see term.go). It
// is kept beside the record, in res.ix, so that an update can take away what
// doesn't hold any more and a search can look at one record's entries.
type keys struct {
	terms []int64   // ascending
	dates []dateKey // by parameter, then in time
	texts []textKey // by parameter; what the record sorts by
}

type dateKey struct{ param, lo, hi int64 }

type textKey struct{ param, term int64 }

func (d dateKey) compare(e dateKey) int {
	return cmp.Or(cmp.Compare(d.param, e.param), cmp.Compare(d.lo, e.lo), cmp.Compare(d.hi, e.hi))
}

func (t textKey) compare(u textKey) int {
	return cmp.Or(cmp.Compare(t.param, u.param), cmp.Compare(t.term, u.term))
}

// normal sorts the lists and takes repeats out.
func (k *keys) normal() {
	slices.Sort(k.terms)
	k.terms = slices.Compact(k.terms)
	slices.SortFunc(k.dates, dateKey.compare)
	k.dates = slices.Compact(k.dates)
	slices.SortFunc(k.texts, textKey.compare)
	k.texts = slices.Compact(k.texts)
}

// pack writes the keys as numbers of variable length: terms as their distances,
// dates as parameter, begin and length, texts as parameter and term.
func (k *keys) pack() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 3*len(k.terms)+12*len(k.dates)+4*len(k.texts)+4), uint64(len(k.terms)))
	last := int64(0)
	for _, t := range k.terms {
		b = binary.AppendUvarint(b, uint64(t-last))
		last = t
	}
	b = binary.AppendUvarint(b, uint64(len(k.dates)))
	for _, d := range k.dates {
		b = binary.AppendUvarint(b, uint64(d.param))
		b = binary.AppendVarint(b, d.lo)
		b = binary.AppendUvarint(b, uint64(d.hi-d.lo)) // wraps round, and back
	}
	b = binary.AppendUvarint(b, uint64(len(k.texts)))
	for _, t := range k.texts {
		b = binary.AppendUvarint(b, uint64(t.param))
		b = binary.AppendUvarint(b, uint64(t.term))
	}
	return b
}

const errKeys = ownError("the index kept with a record can't be read")

func unpack(b []byte) (keys, error) {
	var k keys
	r := packed{b: b}
	r.terms(func(t int64) bool { k.terms = append(k.terms, t); return true })
	r.dates(func(d dateKey) bool { k.dates = append(k.dates, d); return true })
	r.texts(func(t textKey) bool { k.texts = append(k.texts, t); return true })
	if r.bad || len(r.b) > 0 {
		return k, errKeys
	}
	return k, nil
}

// packed reads what pack wrote, list by list in their order. Each list is read to
// its end, whatever its function says; a false means that it is called no more.
type packed struct {
	b   []byte
	bad bool
}

func (r *packed) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *packed) signed() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *packed) terms(f func(int64) bool) {
	on, last := true, int64(0)
	for n := r.number(); n > 0 && !r.bad; n-- {
		last += int64(r.number())
		if on && !r.bad {
			on = f(last)
		}
	}
}

func (r *packed) dates(f func(dateKey) bool) {
	on := true
	for n := r.number(); n > 0 && !r.bad; n-- {
		d := dateKey{param: int64(r.number()), lo: r.signed()}
		d.hi = d.lo + int64(r.number())
		if on && !r.bad {
			on = f(d)
		}
	}
}

func (r *packed) texts(f func(textKey) bool) {
	on := true
	for n := r.number(); n > 0 && !r.bad; n-- {
		t := textKey{int64(r.number()), int64(r.number())}
		if on && !r.bad {
			on = f(t)
		}
	}
}
