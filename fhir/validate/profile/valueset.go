package profile

import (
	"maps"
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// terminology is the ValueSets and CodeSystems of the folder.
type terminology struct {
	sets    map[string][]*fhir.Resource // by url
	systems map[string][]*fhir.Resource
	done    map[string]*codes // enumerated; nil: can't be
	depth   int
}

func newTerminology() *terminology {
	return &terminology{sets: map[string][]*fhir.Resource{}, systems: map[string][]*fhir.Resource{}, done: map[string]*codes{}}
}

func (t *terminology) addValueSet(r *fhir.Resource) {
	url := r.Get("url").Text()
	t.sets[url] = append(t.sets[url], r)
}

func (t *terminology) addCodeSystem(r *fhir.Resource) {
	url := r.Get("url").Text()
	t.systems[url] = append(t.systems[url], r)
}

// codes is an enumerated value set.
type codes struct {
	url   string
	pairs map[coding]bool
	bare  map[string]bool // the codes without their systems
	// form tells a code of a value set without end; pairs is empty then.
	form   *regexp.Regexp
	system string // of form
}

// languageTag is the form of a language tag (BCP 47).
var languageTag = regexp.MustCompile(`^([A-Za-z]{2,8}|[xXiI]-[A-Za-z0-9]{1,8})(-[A-Za-z0-9]{1,8})*$`)

// boundTo are the codes of a binding, or nil where they can't be known here.
func (t *terminology) boundTo(tables *def.Tables, canonical string) *codes {
	url, _, _ := strings.Cut(canonical, "|")
	if url == "http://hl7.org/fhir/ValueSet/all-languages" && len(t.sets[url]) == 0 {
		return &codes{url: url, form: languageTag, system: "urn:ietf:bcp:47"}
	}
	return t.enumerate(tables, canonical)
}

// has says whether a code of a system is of the set.
func (c *codes) has(system, code string) bool {
	if c.form != nil {
		return system == c.system && c.form.MatchString(code)
	}
	return c.pairs[coding{system, code}]
}

// hasBare says whether a code is of the set, whatever its system.
func (c *codes) hasBare(code string) bool {
	if c.form != nil {
		return c.form.MatchString(code)
	}
	return c.bare[code]
}

type coding struct{ system, code string }

func newCodes(url string) *codes {
	return &codes{url: url, pairs: map[coding]bool{}, bare: map[string]bool{}}
}

func (c *codes) add(system, code string) {
	c.pairs[coding{system, code}] = true
}

func (c *codes) seal() *codes {
	for pair := range c.pairs {
		c.bare[pair.code] = true
	}
	return c
}

const (
	// maxCodes bounds one value set; more aren't worth the memory.
	maxCodes = 200_000
	// maxSetDepth bounds value sets that include one another.
	maxSetDepth = 16
)

// enumerate lists a value set's codes, or returns nil where they can't be known
// here: it isn't in the folder, or it selects codes by a filter and carries no
// whole expansion.
func (t *terminology) enumerate(tables *def.Tables, canonical string) *codes {
	url, _, _ := strings.Cut(canonical, "|")
	if known, ok := t.done[url]; ok {
		return known
	}
	if t.depth >= maxSetDepth {
		return nil
	}
	t.done[url] = nil // one that includes itself has no end
	t.depth++
	defer func() { t.depth-- }()
	found := t.ofTables(tables, url)
	for _, r := range t.sets[url] {
		list := newCodes(url)
		if !t.compose(tables, r.Get("compose"), list) {
			list = newCodes(url)
			if !expansion(r.Get("expansion"), list) {
				return nil
			}
		}
		if found == nil {
			found = newCodes(url)
		}
		// Where the folder has several versions, a code of any is taken.
		maps.Copy(found.pairs, list.pairs)
	}
	if found == nil || len(found.pairs) > maxCodes {
		return nil
	}
	t.done[url] = found.seal()
	return found
}

// ofTables is a value set of the standard itself.
func (t *terminology) ofTables(tables *def.Tables, url string) *codes {
	if len(t.sets[url]) > 0 {
		return nil
	}
	for i := range tables.CodeSets {
		set := &tables.CodeSets[i]
		if known, _, _ := strings.Cut(set.URL, "|"); known != url || len(set.Systems) == 0 {
			continue
		}
		list := newCodes(url)
		for _, system := range set.Systems {
			for _, code := range system.Codes {
				list.add(system.URL, code)
			}
		}
		return list
	}
	return nil
}

// compose lists the codes of a definition; false: not all are known.
func (t *terminology) compose(tables *def.Tables, compose fhir.Value, list *codes) bool {
	if compose.Get("include").Len() == 0 {
		return false
	}
	for include := range compose.Get("include").Items() {
		if !t.include(tables, include, list) {
			return false
		}
	}
	without := newCodes("")
	for exclude := range compose.Get("exclude").Items() {
		if !t.include(tables, exclude, without) {
			return false
		}
	}
	for pair := range without.pairs {
		delete(list.pairs, pair)
	}
	return true
}

func (t *terminology) include(tables *def.Tables, include fhir.Value, list *codes) bool {
	if include.Get("filter").Exists() {
		return false
	}
	system, some := include.Get("system").Text(), newCodes("")
	switch {
	case include.Get("concept").Len() > 0:
		for concept := range include.Get("concept").Items() {
			some.add(system, concept.Get("code").Text())
		}
	case system != "":
		if !t.wholeSystem(system, some) {
			return false
		}
	case include.Get("valueSet").Len() == 0:
		return false
	}
	first := system == "" // only codes that are in all of the sets count
	for v := range include.Get("valueSet").Items() {
		other := t.enumerate(tables, v.Text())
		if other == nil {
			return false
		}
		if first {
			maps.Copy(some.pairs, other.pairs)
			first = false
		}
		for pair := range some.pairs {
			if !other.pairs[pair] {
				delete(some.pairs, pair)
			}
		}
	}
	maps.Copy(list.pairs, some.pairs)
	return true
}

// wholeSystem lists all codes of a code system that is in the folder.
func (t *terminology) wholeSystem(url string, list *codes) bool {
	for _, r := range t.systems[url] {
		if r.Get("content").Text() != "complete" {
			return false
		}
		concepts(url, r.Get("concept"), list)
	}
	return len(t.systems[url]) > 0
}

func concepts(system string, concept fhir.Value, list *codes) {
	for c := range concept.Items() {
		list.add(system, c.Get("code").Text())
		concepts(system, c.Get("concept"), list)
	}
}

// expansion lists the codes of an expansion, if it is whole.
func expansion(v fhir.Value, list *codes) bool {
	if v.Get("contains").Len() == 0 {
		return false
	}
	if offset, _ := v.Get("offset").Int(); offset > 0 {
		return false
	}
	contains(v.Get("contains"), list)
	if total, ok := v.Get("total").Int(); ok && int(total) > len(list.pairs) {
		return false
	}
	return true
}

func contains(list fhir.Value, to *codes) {
	for c := range list.Items() {
		if code := c.Get("code").Text(); code != "" && !c.Get("abstract").Bool() {
			to.add(c.Get("system").Text(), code)
		}
		contains(c.Get("contains"), to)
	}
}
