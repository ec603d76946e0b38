package rest

import "strings"

// maxParts is of how many parts the longest path is: Type/id/_history/version.
const maxParts = 4

// names says what a path names.
type names uint8

const (
	typeName names = 1 << iota
	idName
	versionName
	innerName
)

// part is one of the parts of a path: a fixed text, or any but an empty one.
type part struct {
	text string
	is   names // 0: text itself
}

// route is a shape of paths with what such a path takes.
type route struct {
	pattern string
	parts   []part
	names   names
	verbs   verbs
}

// route adds a shape of paths. A part in braces stands for any text. Of two
// shapes that a path has, the one that was added first counts.
func (h *Handler) route(path string, v verbs) {
	to := &route{pattern: path, verbs: v}
	for _, text := range strings.FieldsFunc(path, func(c rune) bool { return c == '/' }) {
		p := part{text: text}
		switch text {
		case "{type}":
			p.is = typeName
		case "{id}":
			p.is = idName
		case "{version}":
			p.is = versionName
		case "{inner}":
			p.is = innerName
		}
		to.parts = append(to.parts, p)
		to.names |= p.is
	}
	h.routes[len(to.parts)] = append(h.routes[len(to.parts)], to)
}

// Pattern is the shape of a path relative to the base, as it is written: such as
// "/{type}/{id}", "" for a path that is none of the API's. It holds nothing of the
// path, so that logs and metrics may.
func (h *Handler) Pattern(path string) string {
	if to, _, found := h.routeOf(path); found {
		return to.pattern
	}
	return ""
}

// routeOf finds what a path takes and what it names, as it is written. A path
// with an empty part, such as one that ends in a slash, is none.
func (h *Handler) routeOf(path string) (to *route, at place, found bool) {
	rest, rooted := strings.CutPrefix(path, "/")
	if !rooted {
		return nil, place{}, false
	}
	var parts [maxParts]string
	n := 0
	for more := rest != ""; more; n++ {
		if n == maxParts {
			return nil, place{}, false
		}
		if parts[n], rest, more = strings.Cut(rest, "/"); parts[n] == "" {
			return nil, place{}, false
		}
	}
	for _, to := range h.routes[n] {
		if at, fits := to.fits(parts[:n]); fits {
			return to, at, true
		}
	}
	return nil, place{}, false
}

// fits says whether a path of as many parts has the route's shape, and what it
// names.
func (to *route) fits(parts []string) (at place, ok bool) {
	for i, p := range to.parts {
		switch p.is {
		case typeName:
			at.typ = parts[i]
		case idName:
			at.id = parts[i]
		case versionName:
			at.version = parts[i]
		case innerName:
			at.inner = parts[i]
		default:
			if p.text != parts[i] {
				return place{}, false
			}
		}
	}
	return at, true
}
