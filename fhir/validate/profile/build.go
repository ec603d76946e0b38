package profile

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

const (
	// maxChain bounds how many profiles build upon one another.
	maxChain = 16
	// maxElements bounds the ElementDefinitions of one profile.
	maxElements = 10_000
	// maxPath bounds the length of an element's id in bytes.
	maxPath = 1000
)

// The states of the building of a profile.
const (
	untouched uint8 = iota
	underWay
	built
	failed
)

// build makes the trees, bases first.
func (s *Set) build() (problems []error) {
	for _, url := range s.urls() {
		if err := s.buildOne(s.profiles[url], 0); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

func (s *Set) urls() []string {
	list := make([]string, 0, len(s.profiles))
	for url := range s.profiles {
		list = append(list, url)
	}
	slices.Sort(list)
	return list
}

// buildOne returns what is wrong with the profile itself; what is wrong with its
// base is reported there.
func (s *Set) buildOne(p *Profile, depth int) error {
	switch p.state {
	case built, failed:
		return nil
	case underWay:
		return &LoadError{File: p.File, Text: "baseDefinition leads round in a circle"}
	}
	if depth > maxChain {
		return &LoadError{File: p.File, Text: "too many profiles build upon one another"}
	}
	p.state = underWay
	err := s.root(p, depth)
	if err == nil {
		err = s.applyAll(p)
	}
	if err != nil {
		p.state = failed
		return err
	}
	p.state = built
	return nil
}

// root gives a profile the tree of its base to start with.
func (s *Set) root(p *Profile, depth int) error {
	typ := s.tables.Type(p.Type)
	p.root = &node{name: p.Type, types: []*def.Type{typ}}
	url, _, _ := strings.Cut(p.base, "|")
	if name, ok := strings.CutPrefix(url, core); ok && s.tables.Type(name) != nil {
		if name != p.Type && name != "Element" && name != "DomainResource" && name != "Resource" && name != "BackboneElement" {
			return &LoadError{File: p.File, Text: "type isn't that of baseDefinition"}
		}
		return nil
	}
	base := s.profiles[url]
	if base == nil {
		if p.snapshot.Len() > 0 {
			p.differential = fhir.Value{} // the snapshot has the base's rules too
		} else {
			p.skip("", "its baseDefinition isn't in the folder, so the base's rules aren't checked")
		}
		return nil
	}
	if base.Type != p.Type {
		return &LoadError{File: p.File, Text: "type isn't that of baseDefinition"}
	}
	if err := s.buildOne(base, depth+1); err != nil {
		return err
	}
	if base.state != built {
		return &LoadError{File: p.File, Text: "its base in " + base.File + " can't be used"}
	}
	p.root = base.root.clone()
	return nil
}

// applyAll adds the profile's own elements.
func (s *Set) applyAll(p *Profile) error {
	elements := p.differential
	if elements.Len() == 0 {
		elements = p.snapshot
	}
	if elements.Len() > maxElements {
		return &LoadError{File: p.File, Text: "too many elements"}
	}
	for e := range elements.Items() {
		id := e.Get("id").Text()
		if id == "" || len(id) > maxPath {
			return &LoadError{File: p.File, Element: e.Get("path").Text(), Text: "an ElementDefinition needs an id"}
		}
		if !samePath(id, e.Get("path").Text()) {
			return &LoadError{File: p.File, Element: id, Text: "the id doesn't belong to the path"}
		}
		n, wrong := p.root.descend(s.tables, p.Type, id)
		if wrong == "" {
			wrong = p.apply(s.tables, n, e)
		}
		if wrong != "" {
			return &LoadError{File: p.File, Element: id, Text: wrong}
		}
	}
	return nil
}

// samePath says whether an id, without its slice names, is the path; either may
// name a choice by one of its alternatives.
func samePath(id, path string) bool {
	ids, paths := strings.Split(id, "."), strings.Split(path, ".")
	if len(ids) != len(paths) {
		return false
	}
	for i, segment := range ids {
		name, _, _ := strings.Cut(segment, ":")
		if stem, ok := strings.CutSuffix(name, "[x]"); ok && strings.HasPrefix(paths[i], stem) {
			continue
		}
		if stem, ok := strings.CutSuffix(paths[i], "[x]"); ok && strings.HasPrefix(name, stem) {
			continue
		}
		if name != paths[i] {
			return false
		}
	}
	return true
}
