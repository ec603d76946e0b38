package profile

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// The constraints of profiles are written in FHIRPath. What stands here is the
// small part of it that most of them need; parseExpression refuses all else, so
// that a constraint is either evaluated as written or listed as not enforced.

// operand is one member of a collection: an element, or a literal.
type operand struct {
	it      item
	literal any // string, bool or int64
}

type collection []operand

// expression evaluates to a collection in a focus.
type expression func(t *def.Tables, focus collection) collection

// ternary is FHIRPath's logic: an empty operand is unknown.
type ternary uint8

const (
	unknown ternary = iota
	isFalse
	isTrue
)

func boolean(b bool) collection { return collection{{literal: b}} }

func of(t ternary) collection {
	if t == unknown {
		return nil
	}
	return boolean(t == isTrue)
}

// truth is a collection as a boolean: one element that is no boolean counts as
// true, several as unknown (FHIRPath, singleton evaluation of collections).
func truth(c collection) ternary {
	if len(c) != 1 {
		return unknown
	}
	b, ok := c[0].value().(bool)
	if ok && !b {
		return isFalse
	}
	return isTrue
}

// value is an operand as string, bool or int64 where it is one of these.
func (o operand) value() any {
	if o.literal != nil {
		return o.literal
	}
	switch v := o.it.v; v.Kind() {
	case fhir.StringKind:
		return v.Text()
	case fhir.BoolKind:
		return v.Bool()
	case fhir.NumberKind:
		if n, ok := v.Int(); ok {
			return n
		}
	}
	return nil
}

func equal(a, b operand) bool {
	x, y := a.value(), b.value()
	if x != nil && y != nil {
		return x == y
	}
	return a.literal == nil && b.literal == nil && a.it.v.Exists() && fhir.Equal(a.it.v, b.it.v)
}

// same compares collections; an empty one makes the answer unknown.
func same(a, b collection) ternary {
	if len(a) == 0 || len(b) == 0 {
		return unknown
	}
	if len(a) != len(b) {
		return isFalse
	}
	for i := range a {
		if !equal(a[i], b[i]) {
			return isFalse
		}
	}
	return isTrue
}

func not(t ternary) ternary {
	switch t {
	case isTrue:
		return isFalse
	case isFalse:
		return isTrue
	}
	return unknown
}

func and(a, b ternary) ternary {
	switch {
	case a == isFalse || b == isFalse:
		return isFalse
	case a == isTrue && b == isTrue:
		return isTrue
	}
	return unknown
}

func or(a, b ternary) ternary { return not(and(not(a), not(b))) }

func xor(a, b ternary) ternary {
	if a == unknown || b == unknown {
		return unknown
	}
	if a == b {
		return isFalse
	}
	return isTrue
}

// elements are the children of a name of everything in the focus. The name of
// the focus's own type means the focus itself, where an expression begins so.
func elements(name string, first bool) expression {
	return func(t *def.Tables, focus collection) collection {
		var found []item
		for _, o := range focus {
			if first && o.it.typ != nil && o.it.typ.Name == name {
				found = append(found, o.it)
				continue
			}
			before := len(found)
			if found = children(t, o.it, name, found); len(found) == before {
				found = children(t, o.it, name+"[x]", found)
			}
		}
		return operands(found)
	}
}

func operands(found []item) collection {
	list := make(collection, len(found))
	for i, it := range found {
		list[i] = operand{it: it}
	}
	return list
}

// where keeps the operands for which a criterion is true.
func where(criterion expression) func(t *def.Tables, in collection) collection {
	return func(t *def.Tables, in collection) collection {
		return slices.DeleteFunc(slices.Clone(in), func(o operand) bool { return truth(criterion(t, collection{o})) != isTrue })
	}
}

// function makes the evaluation of a function on its input, or nil where this
// server doesn't know it. text is the argument where it is a string.
func function(name string, argument expression, text string) expression {
	if argument == nil {
		switch name {
		case "exists":
			return func(_ *def.Tables, in collection) collection { return boolean(len(in) > 0) }
		case "empty":
			return func(_ *def.Tables, in collection) collection { return boolean(len(in) == 0) }
		case "not":
			return func(_ *def.Tables, in collection) collection { return of(not(truth(in))) }
		case "count":
			return func(_ *def.Tables, in collection) collection { return collection{{literal: int64(len(in))}} }
		case "first":
			return func(_ *def.Tables, in collection) collection { return in[:min(1, len(in))] }
		case "hasValue":
			return func(_ *def.Tables, in collection) collection {
				return boolean(len(in) == 1 && in[0].value() != nil)
			}
		case "length":
			return func(_ *def.Tables, in collection) collection {
				if s, ok := onlyString(in); ok {
					return collection{{literal: int64(utf8.RuneCountInString(s))}}
				}
				return nil
			}
		}
		return nil
	}
	switch name {
	case "where":
		return where(argument)
	case "exists":
		keep := where(argument)
		return func(t *def.Tables, in collection) collection { return boolean(len(keep(t, in)) > 0) }
	case "all":
		keep := where(argument)
		return func(t *def.Tables, in collection) collection { return boolean(len(keep(t, in)) == len(in)) }
	case "extension":
		if text == "" {
			return nil
		}
		return func(t *def.Tables, in collection) collection {
			return slices.DeleteFunc(elements("extension", false)(t, in), func(o operand) bool { return o.it.v.Get("url").Text() != text })
		}
	case "startsWith":
		return ofString(text, func(s string) bool { return strings.HasPrefix(s, text) })
	case "matches":
		pattern, err := regexp.Compile(text)
		if err != nil {
			return nil
		}
		return ofString(text, pattern.MatchString)
	}
	return nil
}

// ofString is a function of one string with a string argument.
func ofString(text string, holds func(string) bool) expression {
	if text == "" {
		return nil
	}
	return func(_ *def.Tables, in collection) collection {
		if s, ok := onlyString(in); ok {
			return boolean(holds(s))
		}
		return nil
	}
}

func onlyString(in collection) (string, bool) {
	if len(in) != 1 {
		return "", false
	}
	s, ok := in[0].value().(string)
	return s, ok
}

// union is both collections without duplicates.
func union(a, b collection) collection {
	seen := map[string]bool{}
	var list collection
	for _, o := range slices.Concat(a, b) {
		if key := o.key(); !seen[key] {
			seen[key] = true
			list = append(list, o)
		}
	}
	return list
}

func (o operand) key() string {
	switch v := o.value().(type) {
	case string:
		return "s" + v
	case bool:
		return "b" + strconv.FormatBool(v)
	case int64:
		return "i" + strconv.FormatInt(v, 10)
	}
	return "j" + string(o.it.v.Raw()) + "\x00" + string(o.it.beside.Raw())
}

// in says whether the one operand is in a collection.
func in(a, b collection) ternary {
	if len(a) != 1 {
		return unknown
	}
	if slices.ContainsFunc(b, func(o operand) bool { return equal(a[0], o) }) {
		return isTrue
	}
	return isFalse
}

// compare orders two whole numbers.
func compare(symbol string, a, b collection) ternary {
	if len(a) != 1 || len(b) != 1 {
		return unknown
	}
	x, ok1 := a[0].value().(int64)
	y, ok2 := b[0].value().(int64)
	if !ok1 || !ok2 {
		return unknown
	}
	holds := map[string]bool{"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[symbol]
	return truth(boolean(holds))
}
