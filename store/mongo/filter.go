package mongo

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store/internal/kit"
)

// filter is a query as a MongoDB filter. The terms that must all hold stand in
// the order in which they are expected to be selective, because one index gives
// bounds to one entry only. No operator is used beyond $and, $or, $nor, $in,
// $elemMatch, $exists and the comparisons.
func filter(q *search.Query) bson.D {
	all := bson.D{{Key: "t", Value: q.Type}, {Key: "del", Value: false}}
	terms := kit.Flatten(q.Where, nil)
	slices.SortStableFunc(terms, func(a, b search.Node) int { return promise(a) - promise(b) })
	if len(terms) == 0 {
		return all
	}
	list := make(bson.A, len(terms))
	for i, n := range terms {
		list[i] = condition(q.Type, n)
	}
	return append(all, bson.E{Key: "$and", Value: list})
}

// promise guesses which terms have few records: ids, identifiers and references
// before dates and codes.
func promise(n search.Node) int {
	rare := func(e string) int {
		switch {
		case strings.Contains(e, "|"):
			return 1
		case strings.Contains(e, "/"):
			return 2
		}
		return 4
	}
	switch n := n.(type) {
	case search.IDs:
		return 0
	case search.Has:
		return rare(string(n))
	case search.HasAny:
		if len(n) == 0 {
			return 0
		}
		return rare(n[0])
	case search.Date:
		return 3
	}
	return 5
}

// nothing is met by no document, everything by all: every document has an _id.
var (
	nothing    = bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{}}}}}
	everything = bson.D{{Key: "_id", Value: bson.D{{Key: "$exists", Value: true}}}}
)

func condition(typ string, n search.Node) bson.D {
	switch n := n.(type) {
	case search.Has:
		return bson.D{{Key: "x", Value: valid(string(n))}}
	case search.HasAny:
		list := make(bson.A, len(n))
		for i, e := range n {
			list[i] = valid(e)
		}
		return bson.D{{Key: "x", Value: bson.D{{Key: "$in", Value: list}}}}
	case search.Prefix:
		return bson.D{{Key: "x", Value: bson.D{{Key: "$elemMatch", Value: prefixRange(valid(string(n)))}}}}
	case search.Date:
		return span(n)
	case search.IDs:
		list := make(bson.A, len(n))
		for i, id := range n {
			list[i] = typ + "/" + valid(id)
		}
		return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}}
	case search.Updated:
		return comparison(n.Op, "lu", "lu", primitive.DateTime(n.Lo), primitive.DateTime(n.Hi))
	case search.And:
		return join("$and", typ, n, everything)
	case search.Or:
		return join("$or", typ, n, nothing)
	case search.Not:
		if n.Node == nil {
			return nothing
		}
		return bson.D{{Key: "$nor", Value: bson.A{condition(typ, n.Node)}}}
	}
	return everything // nil: checkQuery has refused all others
}

func join(by, typ string, nodes []search.Node, none bson.D) bson.D {
	if len(nodes) == 0 {
		return none
	}
	list := make(bson.A, len(nodes))
	for i, n := range nodes {
		list[i] = condition(typ, n)
	}
	return bson.D{{Key: by, Value: list}}
}

// span compares the spans of a parameter. lo and hi are their hull, which the
// index knows and which decides alone where one end is asked for and any span
// may have it; where both ends must be of one span, or the greatest lo or the
// least hi is meant, the hull narrows and the list decides.
func span(n search.Date) bson.D {
	at := "d." + paramName(n.Param)
	lo, hi, all := at+".lo", at+".hi", at+".all"
	switch n.Op {
	case search.Eq, search.Ap:
		return bson.D{{Key: lo, Value: bson.D{{Key: "$lte", Value: n.Hi}}}, {Key: hi, Value: bson.D{{Key: "$gte", Value: n.Lo}}},
			{Key: all, Value: bson.D{{Key: "$elemMatch", Value: comparison(n.Op, "lo", "hi", n.Lo, n.Hi)}}}}
	case search.Sa:
		return bson.D{{Key: hi, Value: bson.D{{Key: "$gt", Value: n.Hi}}},
			{Key: all, Value: bson.D{{Key: "$elemMatch", Value: comparison(n.Op, "lo", "hi", n.Lo, n.Hi)}}}}
	case search.Eb:
		return bson.D{{Key: lo, Value: bson.D{{Key: "$lt", Value: n.Lo}}},
			{Key: all, Value: bson.D{{Key: "$elemMatch", Value: comparison(n.Op, "lo", "hi", n.Lo, n.Hi)}}}}
	}
	return comparison(n.Op, lo, hi, n.Lo, n.Hi)
}

// comparison is search.Op on two fields that hold lo and hi.
func comparison(op search.Op, lo, hi string, a, b any) bson.D {
	is := func(field, by string, v any) bson.E { return bson.E{Key: field, Value: bson.D{{Key: by, Value: v}}} }
	switch op {
	case search.Eq:
		if lo == hi {
			return bson.D{{Key: lo, Value: bson.D{{Key: "$gte", Value: a}, {Key: "$lte", Value: b}}}}
		}
		return bson.D{is(lo, "$gte", a), is(hi, "$lte", b)}
	case search.Ne:
		return bson.D{{Key: "$or", Value: bson.A{bson.D{is(lo, "$lt", a)}, bson.D{is(hi, "$gt", b)}}}}
	case search.Gt:
		return bson.D{is(hi, "$gt", b)}
	case search.Ge:
		return bson.D{is(hi, "$gte", a)}
	case search.Lt:
		return bson.D{is(lo, "$lt", a)}
	case search.Le:
		return bson.D{is(lo, "$lte", b)}
	case search.Sa:
		return bson.D{is(lo, "$gt", b)}
	case search.Eb:
		return bson.D{is(hi, "$lt", a)}
	}
	if lo == hi {
		return bson.D{{Key: lo, Value: bson.D{{Key: "$gte", Value: a}, {Key: "$lte", Value: b}}}}
	}
	return bson.D{is(lo, "$lte", b), is(hi, "$gte", a)}
}

// prefixRange holds one text to a prefix.
func prefixRange(prefix string) bson.D {
	r := bson.D{{Key: "$gte", Value: prefix}}
	if next := successor(prefix); next != "" {
		r = append(r, bson.E{Key: "$lt", Value: next})
	}
	return r
}

// successor is the first text after all that start with prefix, in the order of
// bytes, which for valid UTF-8 is that of code points; "" where there is none.
func successor(prefix string) string {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == utf8.MaxRune:
			continue
		case r == 0xD7FF: // the surrogates aren't characters
			return prefix + "\uE000"
		}
		return prefix + string(r+1)
	}
	return ""
}

// valid makes a text that was cut within a character valid UTF-8, which BSON
// demands; writes and queries do it alike.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

var paramEscapes = strings.NewReplacer("%", "%25", ".", "%2E", "$", "%24", "\x00", "%00")

// paramName makes a parameter's name one step of a path.
func paramName(p string) string {
	if p == "" {
		return "%"
	}
	return paramEscapes.Replace(valid(p))
}
