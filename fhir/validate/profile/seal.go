package profile

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// seal makes the trees ready for checking, once all profiles are there: what R4
// says already is dropped, names are looked up, slices get their tests, and what
// can't be checked is listed.
func (s *Set) seal(terms *terminology) {
	s.terms = terms
	for _, url := range s.urls() {
		p := s.profiles[url]
		s.lookUp(p, p.root)
	}
	for _, url := range s.urls() {
		p := s.profiles[url]
		s.tell(p, p.root, nil)
	}
	s.extensions = map[string]*Profile{}
	for _, p := range s.profiles {
		p.root.prune()
		p.differential, p.snapshot = fhir.Value{}, fhir.Value{} // let go of the files
		if p.defines() {
			s.extensions[p.URL] = p
		}
	}
	s.gather()
	s.terms = nil
}

// defines says whether a profile is the definition of an extension, rather than
// a profile of one.
func (p *Profile) defines() bool {
	if p.Type != "Extension" {
		return false
	}
	url := p.root.ownURL()
	return url == "" || url == p.URL
}

// lookUp drops what R4 says already and looks up value sets and profiles.
func (s *Set) lookUp(p *Profile, n *node) {
	n.dropBase(s.tables)
	if n.typing != nil {
		s.lookUpTypes(p, n)
	}
	if b := n.binding; b != nil {
		bound := *b
		n.binding = &bound
		switch bound.strength {
		case "required", "extensible":
			bound.codes = s.terms.boundTo(s.tables, bound.valueSet)
			if bound.codes == nil && bound.strength == "required" {
				s.skip(p, bound.src, "the required binding isn't checked: the codes of "+orNone(bound.valueSet)+" can't be listed from the folder")
			}
		}
		if bound.codes == nil {
			n.binding = nil
		}
	}
	for i, c := range n.constraints {
		if reason := c.prepare(); reason != "" {
			s.skip(p, c.src, "the constraint "+c.key+" isn't checked: "+reason)
			n.constraints[i] = nil
		}
	}
	n.constraints = slices.DeleteFunc(n.constraints, func(c *constraint) bool { return c == nil })
	for _, c := range n.children {
		s.lookUp(p, c)
	}
	for _, slice := range n.slices {
		s.lookUp(p, slice)
	}
}

// skip lists a rule once, under the profile that makes it.
func (s *Set) skip(p *Profile, src source, reason string) {
	if src.profile != nil {
		p = src.profile
	}
	p.skip(src.element, reason)
}

func orNone(text string) string {
	if text == "" {
		return "a value set that isn't named"
	}
	return text
}

// dropBase forgets rules that only repeat those of R4.
func (n *node) dropBase(t *def.Tables) {
	if len(n.elements) == 0 {
		return
	}
	base := n.elements[0]
	if n.min != nil && n.min.n <= int(base.Min) {
		n.min = nil
	}
	if n.max != nil && n.max.n == 1 && !n.many() {
		n.max = nil
	}
	if set := t.CodesOf(base); set != nil && n.binding != nil {
		ours, _, _ := strings.Cut(n.binding.valueSet, "|")
		if theirs, _, _ := strings.Cut(set.URL, "|"); ours == theirs {
			n.binding = nil
		}
	}
}

// lookUpTypes finds the profiles and target types that an element is held to.
func (s *Set) lookUpTypes(p *Profile, n *node) {
	rule := &typing{src: n.typing.src}
	for _, one := range n.typing.types {
		// FHIRPath's own types stand for ids and urls, backbone elements can't change.
		if strings.HasPrefix(one.code, "http://hl7.org/fhirpath/") || one.code == "BackboneElement" || one.code == "Element" {
			n.typing = nil
			return
		}
		for _, canonical := range one.profiles {
			if found := s.Find(canonical); found != nil {
				one.definitions = append(one.definitions, found)
				continue
			}
			if s.isCore(canonical) {
				continue
			}
			s.skip(p, rule.src, "the profile "+canonical+" isn't in the folder, so its own rules aren't checked")
		}
		one.resources = nil
		for _, target := range one.targets {
			name := s.targetType(target)
			if name == "" && target == core+"Resource" {
				one.resources = nil
				break
			}
			if name == "" {
				s.skip(p, rule.src, "the type that a reference leads to isn't checked: "+target+" isn't in the folder")
				one.resources = nil
				break
			}
			one.resources = append(one.resources, name)
		}
		if len(one.definitions) < len(one.profiles) {
			one.definitions = nil // one that isn't here might be kept
		}
		rule.types = append(rule.types, one)
	}
	n.typing = rule
}

// targetType is the resource type of a target profile, or "".
func (s *Set) targetType(canonical string) string {
	url, _, _ := strings.Cut(canonical, "|")
	if name, ok := strings.CutPrefix(url, core); ok && s.tables.Resource(name) != nil {
		return name
	}
	if p := s.Find(canonical); p != nil {
		return p.Type
	}
	return ""
}

// tell gives the slices their tests. layers are other nodes of the profile that
// stand for the same element: a slice's own elements repeat those of the element
// that it slices.
func (s *Set) tell(p *Profile, n *node, layers []*node) {
	if len(n.slices) > 0 {
		s.settle(p, n, layers)
	}
	for _, slice := range n.slices {
		var twins []*node
		for _, layer := range layers {
			if twin := layer.knownSlice(slice.name); twin != nil {
				twins = append(twins, twin)
			}
		}
		switch {
		case n.slicing == nil || slice.name == defaultSlice:
		case !s.compile(slice, twins, n.slicing):
			slice.untold = true
			if !slice.hasRules() {
				break
			}
			s.skip(p, source{slice.owner, slice.idOr(n)}, "the slice can't be told from the others: there is no fixed value, pattern, enumerated required binding, type or profile for the discriminator")
		}
		if definition := s.Find(s.extensionURL(slice)); definition != nil && slice.isExtension() {
			twins = append(twins, definition.root)
		}
		s.tell(p, slice, slices.Concat(layers, []*node{n}, twins))
	}
	for _, c := range n.children {
		var same []*node
		for _, layer := range layers {
			if other := layer.known(c.name); other != nil {
				same = append(same, other)
			}
		}
		s.tell(p, c, same)
	}
}

// defaultSlice is the slice of the values that belong to no other.
const defaultSlice = "@default"

// settle finds how a node is sliced. Extensions are by url and choices by type
// where nothing is said (R4 profiling.html).
func (s *Set) settle(p *Profile, n *node, layers []*node) {
	for _, layer := range layers {
		if n.slicing == nil && layer.slicing != nil {
			// What else the slicing says is held to where it stands.
			n.slicing = &slicing{discriminators: layer.slicing.discriminators, src: layer.slicing.src}
		}
	}
	switch {
	case n.slicing != nil && len(n.slicing.discriminators) > 0:
		return
	case n.isExtension():
		n.slicing = n.slicing.or(discriminator{"value", "url", []step{{member, "url"}}})
	case strings.HasSuffix(n.name, "[x]"):
		n.slicing = n.slicing.or(discriminator{"type", "$this", nil})
	default:
		n.slicing = nil
		for _, slice := range n.slices {
			slice.untold = true
		}
		s.skip(p, source{n.owner, n.idOr(n)}, "the slices aren't checked: there is no discriminator")
	}
}

// or is the slicing with a discriminator where it has none.
func (s *slicing) or(d discriminator) *slicing {
	made := slicing{}
	if s != nil {
		made = *s
	}
	made.discriminators = []discriminator{d}
	return &made
}

// idOr is the id of a node, else what is known of its name.
func (n *node) idOr(whole *node) string {
	switch {
	case n.id != "":
		return n.id
	case whole.id != "" && n.isSlice:
		return whole.id + ":" + n.name
	}
	return n.name
}

// hasRules says whether a node or one below it makes a rule.
func (n *node) hasRules() bool {
	return n.clone().prune()
}

// prune takes out what makes no rule, and says whether anything is left. Slices
// that only stand in an open slicing need no look at the values.
func (n *node) prune() bool {
	n.children = slices.DeleteFunc(n.children, func(c *node) bool { return !c.prune() })
	some := false
	for _, slice := range n.slices {
		if slice.prune() && !slice.untold {
			some = true
		}
	}
	strict := n.slicing != nil && (n.slicing.closed || n.slicing.atEnd || n.slicing.ordered)
	if !some && !strict {
		n.slices = nil
	}
	rules := n.min != nil || n.max != nil || n.maxLength != nil || n.fixed != nil || n.pattern != nil || n.typing != nil ||
		n.binding != nil || len(n.constraints) > 0 || strict
	return rules || len(n.children) > 0 || len(n.slices) > 0
}
