package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"slices"
	"time"

	"github.com/onward-health/onward/fhir/search"
)

// Digest sums up items whatever their order: two stores that keep the same have
// the same Digest, on any engine.
type Digest struct {
	Versions, Claims, Documents int64
	sum                         [4]uint64 // of the items' SHA-256, as numbers of 256 bits
}

// Items is how many items went in.
func (d *Digest) Items() int64 { return d.Versions + d.Claims + d.Documents }

// Sum is the checksum, as text.
func (d *Digest) Sum() string {
	var b []byte
	for _, n := range d.sum {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return hex.EncodeToString(b)
}

// Add adds an item.
func (d *Digest) Add(i Item) {
	w := writer{make([]byte, 0, 4096)}
	switch {
	case i.Version != nil:
		d.Versions++
		w.version(i.Version, i.Current)
	case i.Claim != nil:
		d.Claims++
		w.text("claim", i.Claim.Slot, i.Claim.Owner)
		w.number(int64(i.Claim.Part), millis(i.Claim.At), millis(i.Claim.Until))
	case i.Aux != nil:
		d.Documents++
		w.text("aux", i.Aux.Kind, i.Aux.Key, string(i.Aux.Value))
		w.number(i.Aux.Version, millis(i.Aux.Expires))
	}
	sum := sha256.Sum256(w.b)
	carry := uint64(0)
	for n := 3; n >= 0; n-- {
		d.sum[n], carry = bits.Add64(d.sum[n], binary.BigEndian.Uint64(sum[8*n:]), carry)
	}
}

// writer writes fields so that no two items read alike.
type writer struct{ b []byte }

func (w *writer) text(list ...string) {
	for _, s := range list {
		w.b = append(binary.AppendUvarint(w.b, uint64(len(s))), s...)
	}
}

func (w *writer) number(list ...int64) {
	for _, n := range list {
		w.b = binary.AppendVarint(w.b, n)
	}
}

func (w *writer) version(r *Record, current bool) {
	w.text("version", r.Type, r.ID, r.Method, string(r.Body), string(r.By), string(r.Peer))
	flags := int64(0)
	if r.Deleted {
		flags |= 1
	}
	if current {
		flags |= 2
	}
	w.number(r.Version, millis(r.LastUpdated), flags)
	ix := PlainIndex(r.Index)
	w.number(int64(len(ix.X)), int64(len(ix.D)), int64(len(ix.S)))
	w.text(ix.X...)
	for _, d := range ix.D {
		w.text(d.Param)
		w.number(d.Lo, d.Hi)
	}
	for _, s := range ix.S {
		w.text(s.Param, s.Value)
	}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 62
	}
	return t.UnixMilli()
}

// PlainIndex is an index as engines keep it: sorted, each entry once, and of
// each sort parameter the first value only.
func PlainIndex(ix search.Index) search.Index {
	out := search.Index{X: slices.Clone(ix.X), D: slices.Clone(ix.D)}
	slices.Sort(out.X)
	out.X = slices.Compact(out.X)
	slices.SortFunc(out.D, func(a, b search.Span) int {
		return cmp.Or(cmp.Compare(a.Param, b.Param), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi))
	})
	out.D = slices.Compact(out.D)
	seen := map[string]bool{}
	for _, s := range ix.S {
		if !seen[s.Param] {
			out.S = append(out.S, s)
		}
		seen[s.Param] = true
	}
	slices.SortFunc(out.S, func(a, b search.SortKey) int { return cmp.Compare(a.Param, b.Param) })
	return out
}
