package profile

import (
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

// step is one part of a discriminator's path, which is written in the subset of
// FHIRPath that R4 allows there (profiling.html, discriminator).
type step struct {
	kind stepKind
	name string // of the element, the extension's url, or the type
}

type stepKind uint8

const (
	member stepKind = iota + 1
	extension
	resolve
	ofType
)

// parseSteps reads a path; "$this" is no step at all.
func parseSteps(path string) ([]step, bool) {
	var steps []step
	for i, part := range splitPath(path) {
		name, argument, called := strings.Cut(part, "(")
		if called {
			if !strings.HasSuffix(argument, ")") {
				return nil, false
			}
			argument = strings.Trim(strings.TrimSuffix(argument, ")"), "'\"")
		}
		switch {
		case part == "$this" && i == 0:
		case called && name == "resolve" && argument == "":
			steps = append(steps, step{kind: resolve})
		case called && name == "extension" && argument != "":
			steps = append(steps, step{extension, argument})
		case called && name == "ofType" && argument != "":
			steps = append(steps, step{ofType, argument})
		case !called && plainName(name):
			steps = append(steps, step{member, name})
		default:
			return nil, false
		}
	}
	return steps, len(steps) <= 16
}

// splitPath splits at the full stops outside brackets.
func splitPath(path string) []string {
	var parts []string
	depth, start := 0, 0
	for i, c := range []byte(path) {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case '.':
			if depth == 0 {
				parts = append(parts, path[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, path[start:])
}

func plainName(name string) bool {
	if name == "" {
		return false
	}
	for _, b := range []byte(strings.TrimSuffix(name, "[x]")) {
		if letter := b|0x20 >= 'a' && b|0x20 <= 'z'; !letter && (b < '0' || b > '9') {
			return false
		}
	}
	return true
}

// walkSteps follows steps from an item. unknown says that a reference on the way
// leads to what isn't here.
func (c *checker) walkSteps(it item, steps []step) (found []item, unknown bool) {
	found = []item{it}
	for _, s := range steps {
		var next []item
		for _, at := range found {
			switch s.kind {
			case member:
				before := len(next)
				if next = children(c.set.tables, at, s.name, next); len(next) == before {
					next = children(c.set.tables, at, s.name+"[x]", next)
				}
			case extension:
				for _, ext := range children(c.set.tables, at, "extension", nil) {
					if ext.v.Get("url").Text() == s.name {
						next = append(next, ext)
					}
				}
			case ofType:
				if at.typ != nil && at.typ.Name == s.name {
					next = append(next, at)
				}
			case resolve:
				target, ok := c.resolve(at)
				if ok {
					next = append(next, target)
				} else {
					unknown = true
				}
			}
		}
		found = next
	}
	return found, unknown
}

// below follows one step in the definitions. Profiles that a type or a reference
// is held to count as part of the slice.
func (s *Set) below(n *node, at step) []*node {
	var found []*node
	switch at.kind {
	case member:
		for _, from := range s.withProfiles(n) {
			for _, name := range [...]string{at.name, at.name + "[x]"} {
				if c := from.known(name); c != nil {
					found = append(found, c)
				}
			}
		}
	case extension:
		for _, from := range s.withProfiles(n) {
			if c := from.known("extension"); c != nil {
				for _, ext := range c.slices {
					if s.extensionURL(ext) == at.name {
						found = append(found, ext)
					}
				}
			}
		}
	case ofType:
		found = append(found, n)
		for _, alternative := range n.slices {
			if len(alternative.types) == 1 && alternative.types[0].Name == at.name {
				found = append(found, alternative)
			}
		}
	case resolve:
		for _, p := range s.targetProfiles(n) {
			found = append(found, p.root)
		}
	}
	return found
}

// withProfiles is a node with the data type profiles that its one type is held
// to.
func (s *Set) withProfiles(n *node) []*node {
	list := []*node{n}
	if n.typing != nil && len(n.typing.types) == 1 && len(n.typing.types[0].profiles) == 1 {
		if p := s.Find(n.typing.types[0].profiles[0]); p != nil {
			list = append(list, p.root)
		}
	}
	return list
}

// targetProfiles are the profiles of the folder that a reference must lead to,
// where there is only one choice.
func (s *Set) targetProfiles(n *node) []*Profile {
	if n.typing == nil || len(n.typing.types) != 1 || len(n.typing.types[0].targets) != 1 {
		return nil
	}
	if p := s.Find(n.typing.types[0].targets[0]); p != nil {
		return []*Profile{p}
	}
	return nil
}

// extensionURL is the url that a slice of extensions is told by: that of its
// definition, or the fixed one.
func (s *Set) extensionURL(n *node) string {
	if n.typing != nil && len(n.typing.types) == 1 && len(n.typing.types[0].profiles) == 1 {
		url, _, _ := strings.Cut(n.typing.types[0].profiles[0], "|")
		if p := s.profiles[url]; p != nil && p.root.ownURL() != "" {
			return p.root.ownURL() // a profile of an extension keeps its url
		}
		return url
	}
	return n.ownURL()
}

// ownURL is the url that an extension must have by its own rules, or "".
func (n *node) ownURL() string {
	u := n.known("url")
	switch {
	case u != nil && u.fixed != nil:
		return u.fixed.v.Text()
	case u != nil && u.pattern != nil:
		return u.pattern.v.Text()
	}
	return ""
}

// isExtension says whether a node stands for extensions.
func (n *node) isExtension() bool {
	return len(n.types) == 1 && n.types[0].Name == "Extension" && n.types[0].Kind == def.Complex
}
