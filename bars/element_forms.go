package bars

import (
	"net/url"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// The forms that most element rules have.

// present asks for the element.
func present(x *elements, r *elementRule, v fhir.Value) {
	if !some(v, r.path) {
		x.fail(r, v, r.path)
	}
}

// eachWith holds each value at a path to the presence of the members below it:
// "identifier" with "system" and "value".
func eachWith(members ...string) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		for item := range values(v, r.path) {
			for _, member := range members {
				if !some(item, member) {
					x.fail(r, item, member)
				}
			}
		}
	}
}

// someWith asks for the element, and for the members in each of its values.
func someWith(members ...string) elementCheck {
	each := eachWith(members...)
	return func(x *elements, r *elementRule, v fhir.Value) {
		if !some(v, r.path) {
			x.fail(r, v, r.path)
			return
		}
		each(x, r, v)
	}
}

func some(v fhir.Value, path string) bool {
	for range values(v, path) {
		return true
	}
	return false
}

// fixed asks for the element with one of the texts.
func fixed(allowed ...string) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		given := false
		for item := range values(v, r.path) {
			given = true
			if !slices.Contains(allowed, item.Text()) {
				x.fail(r, item, "")
			}
		}
		if !given {
			x.fail(r, v, r.path)
		}
	}
}

// coded asks for a coding of the system, with one of the codes where any are
// named.
func coded(system string, codes ...string) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		for item := range values(v, r.path) {
			for c := range fhir.Codings(item) {
				if c.System == system && c.Code != "" && (len(codes) == 0 || slices.Contains(codes, c.Code)) {
					return
				}
			}
		}
		x.fail(r, v, r.path)
	}
}

// codedAnyhow asks for a coding with a system and a code, whichever.
func codedAnyhow(x *elements, r *elementRule, v fhir.Value) {
	for item := range values(v, r.path) {
		for c := range fhir.Codings(item) {
			if c.System != "" && c.Code != "" {
				return
			}
		}
	}
	x.fail(r, v, r.path)
}

// refersTo asks for the element, and that each of its references names an entry
// of one of the types, or by a relative reference a record of such a type that
// the other side holds. What is referred to by an identifier alone may stand
// beside it.
func refersTo(types ...string) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		given := false
		for item := range values(v, r.path) {
			if !item.Get("reference").Exists() && item.Get("identifier").Exists() {
				continue
			}
			given = true
			if !x.names(item, types) {
				x.fail(r, item, "")
			}
		}
		if !given {
			x.fail(r, v, r.path)
		}
	}
}

// names says whether a reference leads to one of the types. One that names an
// entry which isn't there counts: that is refused, once, where the message's
// references are followed.
func (x *elements) names(reference fhir.Value, types []string) bool {
	if e := x.target(reference); e != nil {
		return slices.Contains(types, e.typ)
	}
	ref, ok := fhir.ParseReference(localName(reference.Get("reference").Text()))
	return ok && ref.Base == "" && (ref.URN != "" || slices.Contains(types, ref.Type))
}

// serviceEndpoint asks for "system|value", which can be used as a target
// identifier.
func serviceEndpoint(x *elements, r *elementRule, v fhir.Value) {
	for item := range values(v, r.path) {
		system, value, _ := nhs.CutServiceID(item.Text())
		u, err := url.Parse(system)
		if err != nil || !u.IsAbs() || value == "" || strings.ContainsAny(value, "| \t\r\n") {
			x.fail(r, item, "")
		}
	}
}

// when narrows a check to the resources for which the condition holds.
func when(holds func(x *elements, v fhir.Value) bool, check elementCheck) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		if holds(x, v) {
			check(x, r, v)
		}
	}
}
