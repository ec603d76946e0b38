package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

// codeSet returns the index of the codes of an element's required binding, or
// 0 where it has none or they can't be listed from the package.
func (b *builder) codeSet(e *element) uint16 {
	if e.Binding == nil || e.Binding.Strength != "required" {
		return 0
	}
	url, _, _ := strings.Cut(e.Binding.ValueSet, "|")
	if at, ok := b.codeSets[url]; ok {
		return at
	}
	systems := b.expand(url)
	if len(systems) == 0 {
		b.codeSets[url] = 0
		return 0
	}
	at := uint16(len(b.tables.CodeSets))
	b.codeSets[url] = at
	b.tables.CodeSets = append(b.tables.CodeSets, def.CodeSet{URL: url, Systems: systems})
	return at
}

// expand lists the codes of a value set, or nothing if a part of it isn't a
// plain list or a complete code system of the package.
func (b *builder) expand(url string) []def.System {
	set := b.d.valueSets[url]
	if set == nil || len(set.Compose.Exclude) > 0 {
		return nil
	}
	codes := map[string][]string{}
	for _, in := range set.Compose.Include {
		if in.System == "" || len(in.Filter) > 0 || len(in.ValueSet) > 0 {
			return nil
		}
		list := in.Concept
		if len(list) == 0 {
			system := b.d.codeSystems[in.System]
			if system == nil || system.Content != "complete" || len(system.Concept) == 0 {
				return nil
			}
			list = system.Concept
		}
		codes[in.System] = flatten(list, codes[in.System])
	}
	systems := []def.System{}
	for _, system := range slices.Sorted(maps.Keys(codes)) {
		list := codes[system]
		slices.Sort(list)
		systems = append(systems, def.System{URL: system, Codes: slices.Compact(list)})
	}
	return systems
}

// flatten adds the codes of a hierarchy, without those that only group others.
func flatten(list []concept, codes []string) []string {
	for _, c := range list {
		abstract := false
		for _, p := range c.Property {
			abstract = abstract || p.Code == "notSelectable" && p.ValueBoolean
		}
		if !abstract {
			codes = append(codes, c.Code)
		}
		codes = flatten(c.Concept, codes)
	}
	return codes
}
