package mongo

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/bsontype"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store/internal/kit"
)

// sortKey is one resolved search.Sort.
type sortKey struct {
	path     string // of the field
	flag     string // of the field that is there where path is
	kind     bsontype.Type
	desc     bool
	optional bool // a record may lack it,
	asked    bool // though none that the query finds
}

// order is the whole order of a query of a type: its keys, then the record's own.
type order struct {
	typ    string
	keys   []sortKey
	idDesc bool
}

// order resolves the parameters: one that was ever written as a date is a date.
// What follows "_id" means nothing, and so does a parameter that comes again, which
// the server would refuse.
func (s *Store) order(ctx context.Context, q *search.Query) (order, error) {
	o := order{typ: q.Type}
	for _, by := range q.Sort {
		at := paramName(by.Param)
		k := sortKey{path: "s." + at + ".v", flag: "s." + at + ".is", kind: bson.TypeString, desc: by.Desc, optional: true}
		switch by.Param {
		case "_id":
			o.idDesc = by.Desc
			return o, nil
		case "_lastUpdated":
			k.path, k.kind, k.optional = "lu", bson.TypeDateTime, false
		default:
			date, err := s.isDate(ctx, q.Type, by.Param)
			if err != nil {
				return o, err
			}
			if date {
				k.path, k.flag, k.kind = "d."+at+".lo", "d."+at+".is", bson.TypeInt64
			}
		}
		if !slices.ContainsFunc(o.keys, func(before sortKey) bool { return before.path == k.path }) {
			o.keys = append(o.keys, k)
		}
	}
	if len(o.keys) > 0 {
		o.keys[0].asked = slices.ContainsFunc(kit.Flatten(q.Where, nil), func(n search.Node) bool {
			date, is := n.(search.Date)
			return is && o.keys[0].path == "d."+paramName(date.Param)+".lo"
		})
	}
	return o, nil
}

// fits says whether a cursor's values are of the order's kinds: a parameter
// that nobody had may have become a date since.
func (o order) fits(m *kit.Mark) bool {
	if len(m.Keys) != len(o.keys) {
		return false
	}
	for i, k := range o.keys {
		v := m.Keys[i]
		if k.kind == bson.TypeString && v.N != nil || k.kind != bson.TypeString && v.S != nil || !k.optional && v.None() {
			return false
		}
	}
	return true
}

// bson gives a value as the field holds it.
func (k sortKey) bson(v kit.Value) any {
	switch k.kind {
	case bson.TypeString:
		return string(v.S)
	case bson.TypeDateTime:
		return primitive.DateTime(*v.N)
	}
	return *v.N
}

// values reads the keys of a found record.
func (o order) values(raw bson.Raw) []kit.Value {
	out := make([]kit.Value, len(o.keys))
	for i, k := range o.keys {
		v, err := raw.LookupErr(strings.Split(k.path, ".")...)
		if err != nil {
			continue
		}
		switch v.Type {
		case bson.TypeString:
			out[i].S = append([]byte{}, v.StringValue()...)
		case bson.TypeDateTime:
			n := v.DateTime()
			out[i].N = &n
		case bson.TypeInt64:
			n := v.Int64()
			out[i].N = &n
		}
	}
	return out
}

// section is a part of the list: by the first key, if records may lack it, those
// that have it and then those that don't. Records without a value come last
// whatever the direction, which a sort over an index doesn't say; so the parts
// are read one after the other.
type section struct{ first bool }

// parts lists them from that of the cursor on.
func (o order) parts(last *kit.Mark) []section {
	all := []section{{true}, {false}}
	if len(o.keys) == 0 || !o.keys[0].optional || o.keys[0].asked {
		return all[:1]
	}
	if last != nil && last.Keys[0].None() {
		return all[1:]
	}
	return all
}

// sort is the order within a part. A key after the first is preceded by the flag
// that says whether the record has it.
func (o order) sort(p section) bson.D {
	var d bson.D
	for i, k := range o.keys {
		if i == 0 && !p.first {
			continue
		}
		if i > 0 && k.optional && !k.desc { // descending, MongoDB puts those without last anyway
			d = append(d, bson.E{Key: k.flag, Value: int32(-1)})
		}
		d = append(d, bson.E{Key: k.path, Value: direction(k.desc)})
	}
	return append(d, bson.E{Key: "_id", Value: direction(o.idDesc)})
}

func direction(desc bool) int32 {
	if desc {
		return -1
	}
	return 1
}

// has holds the records to the part. Where only the id gives the order, its bounds
// are those of the type, so that the index of _id gives it without reading others.
func (o order) has(p section) bson.D {
	if len(o.keys) == 0 {
		return bson.D{{Key: "_id", Value: prefixRange(o.typ + "/")}}
	}
	if !o.keys[0].optional {
		return nil
	}
	return bson.D{exists(o.keys[0].path, p.first)}
}

func exists(path string, is bool) bson.E {
	return bson.E{Key: path, Value: bson.D{{Key: "$exists", Value: is}}}
}

// after is the condition of coming after the last record of a page, within its
// part. Nothing comes after none but by the later keys. The first key has a
// condition of its own too: a server takes no bounds of an index from alternatives,
// and would begin each page at the start of the list. What is beyond a value is
// there, so that this stands in place of the part's condition: no filter may name
// a field twice.
func (o order) after(p section, id string, last *kit.Mark) bson.D {
	var either bson.A
	var equal bson.D
	from := o.has(p)
	if len(o.keys) > 0 && !last.Keys[0].None() {
		from = bson.D{{Key: o.keys[0].path, Value: bson.D{{Key: beyond(o.keys[0].desc) + "e", Value: o.keys[0].bson(last.Keys[0])}}}}
	}
	for i, k := range o.keys {
		if last.Keys[i].None() {
			equal = append(equal, exists(k.path, false))
			continue
		}
		v := k.bson(last.Keys[i])
		either = append(either, append(slices.Clone(equal), bson.E{Key: k.path, Value: bson.D{{Key: beyond(k.desc), Value: v}}}))
		if i > 0 && k.optional {
			either = append(either, append(slices.Clone(equal), exists(k.path, false)))
		}
		equal = append(equal, bson.E{Key: k.path, Value: v})
	}
	either = append(either, append(equal, bson.E{Key: "_id", Value: bson.D{{Key: beyond(o.idDesc), Value: id}}}))
	return append(from, bson.E{Key: "$or", Value: either})
}

func beyond(desc bool) string {
	if desc {
		return "$lt"
	}
	return "$gt"
}
