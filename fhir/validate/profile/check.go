package profile

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// checker is one walk through a resource.
type checker struct {
	set       *Set
	root      fhir.Value
	container fhir.Value            // the resource in which fragments are looked up
	entries   map[string]fhir.Value // of the bundle; nil: not looked at yet
	report    Report
	depth     int
	kept      map[held]bool // what was found out silently
	// errorsOnly leaves out what breaks no profile, so that it can't fill the
	// report.
	errorsOnly bool
	tooDeep    bool // maxDepth was reached
}

// Validate holds a resource against the profiles that are asked for and those
// that it, or a resource in it, claims in meta.profile. Claimed profiles that
// aren't loaded are information. It is for $validate.
func (s *Set) Validate(r *fhir.Resource, asked ...*Profile) *Report {
	if s == nil {
		return &Report{}
	}
	c := &checker{set: s, root: r.Root(), container: r.Root()}
	for _, p := range asked {
		c.against(c.root, p)
	}
	c.claims(asked, true)
	c.end()
	return &c.report
}

// Check holds a resource against the loaded profiles that it, or a resource in
// it, claims in meta.profile. It returns nil where none is broken. It is for
// writes, where the operator has claims enforced.
func (s *Set) Check(r *fhir.Resource) *fhir.Outcome {
	if s == nil {
		return nil
	}
	c := &checker{set: s, root: r.Root(), container: r.Root(), errorsOnly: true}
	c.claims(nil, false)
	c.end()
	return c.report.Outcome()
}

// end reports a document that could only be checked in part.
func (c *checker) end() {
	if c.tooDeep {
		c.broken("too-costly", item{v: c.root}.path(), "profiles and references lead too deep into one another, so the check is not complete", source{})
	}
}

// claims checks every resource of the document against what it claims. An
// unknown claim is only worth a word to one who asked.
func (c *checker) claims(done []*Profile, tell bool) {
	contained := map[fhir.Value]bool{}
	fhir.Walk(c.root, func(name string, v fhir.Value) {
		if name == "contained" {
			for one := range v.Items() {
				contained[one] = true
			}
		}
		if v.Kind() != fhir.ObjectKind || c.set.tables.Resource(v.Get("resourceType").Text()) == nil {
			return
		}
		if !contained[v] {
			c.container = v
		}
		for claim := range v.Get("meta").Get("profile").Items() {
			p := c.set.Find(claim.Text())
			if p == nil && tell {
				c.say(Information, "informational", item{v: claim}.path(), "this profile isn't loaded here, so it wasn't checked", source{})
			}
			if p == nil {
				continue
			}
			if !tell {
				c.allExtensions(v)
			}
			if v != c.root || !slices.Contains(done, p) {
				c.against(v, p)
			}
		}
	})
	if tell {
		c.allExtensions(c.root)
	}
}

// against holds one resource against one profile.
func (c *checker) against(v fhir.Value, p *Profile) {
	it := item{v: v, typ: c.set.tables.Resource(v.Get("resourceType").Text())}
	if it.typ == nil || it.typ.Name != p.Type && p.Type != "Resource" && p.Type != "DomainResource" {
		c.broken("invalid", it.path(), "the profile is for another type of resource", source{profile: p})
		return
	}
	c.value(it, p.root)
}

// allExtensions holds every extension in a resource whose definition is loaded
// against it, wherever it stands.
func (c *checker) allExtensions(in fhir.Value) {
	if len(c.set.extensions) == 0 {
		return
	}
	typ := c.set.tables.Type("Extension")
	fhir.Walk(in, func(name string, v fhir.Value) {
		if name != "extension" && name != "modifierExtension" {
			return
		}
		for one := range v.Items() {
			p := c.set.extensions[one.Get("url").Text()]
			if p == nil {
				continue
			}
			it := item{v: one, typ: typ}
			c.value(it, p.root)
			src := source{p, p.Type}
			switch {
			case p.root.modifier && name == "extension":
				c.broken("extension", it.path(), "this extension is a modifier; it belongs in modifierExtension", src)
			case !p.root.modifier && name == "modifierExtension":
				c.broken("extension", it.path(), "this extension isn't a modifier; it belongs in extension", src)
			}
		}
	})
}

// maxDepth bounds how deep profiles lead into one another.
const maxDepth = 64

// value holds one value against the rules of a node.
func (c *checker) value(it item, n *node) {
	if c.depth > maxDepth {
		c.tooDeep = true
	}
	if c.report.Cut || c.tooDeep {
		return
	}
	c.depth++
	defer func(container fhir.Value) { c.depth, c.container = c.depth-1, container }(c.container)
	c.enter(it)
	if k := n.fixed; k != nil && !fhir.Equal(it.v, k.v) {
		c.broken("value", it.path(), "this element has a fixed value"+shown(k.v), k.src)
	}
	if k := n.pattern; k != nil && !fits(it.v, k.v) {
		c.broken("value", it.path(), "this element must have all that the pattern of the profile has"+shown(k.v), k.src)
	}
	if b := n.maxLength; b != nil && utf8.RuneCountInString(it.v.Text()) > b.n {
		c.broken("too-long", it.path(), "at most "+strconv.Itoa(b.n)+" characters are allowed", b.src)
	}
	if n.typing != nil && !c.types(it, n.typing) {
		return // its elements are another type's
	}
	if n.binding != nil {
		c.bound(it, n.binding)
	}
	for _, k := range n.constraints {
		c.constraint(it, k)
	}
	for _, child := range n.children {
		c.element(it, child)
	}
}

// enter makes a resource the one in which fragments are looked up, unless it is
// contained in that which is.
func (c *checker) enter(it item) {
	if it.typ == nil || it.typ.Kind != def.Resource || it.v == c.container {
		return
	}
	for one := range c.container.Get("contained").Items() {
		if one == it.v {
			return
		}
	}
	c.container = it.v
}

// shown is a short fixed value of the profile, for a sentence.
func shown(v fhir.Value) string {
	if v.Kind() == fhir.StringKind && len(v.Text()) <= 100 {
		return ": " + v.Text()
	}
	return ""
}

// element holds the repetitions of one element against its node.
func (c *checker) element(parent item, n *node) {
	found := children(c.set.tables, parent, n.name, nil)
	place := func() string { return parent.path() + "." + strings.TrimSuffix(n.name, "[x]") }
	c.count(found, n, place, "")
	for _, it := range found {
		c.value(it, n)
	}
	c.sliced(found, n, place)
}

// count checks how often an element or a slice is there. place names it where
// it isn't.
func (c *checker) count(found []item, n *node, place func() string, of string) {
	if n.min != nil && len(found) < n.min.n {
		c.broken("required", place(), "at least "+strconv.Itoa(n.min.n)+of+" must be given; there are "+strconv.Itoa(len(found)), n.min.src)
	}
	if n.max != nil && len(found) > n.max.n {
		text := "at most " + strconv.Itoa(n.max.n) + of + " may be given; there are " + strconv.Itoa(len(found))
		if n.max.n == 0 {
			text = "none" + of + " may be given"
		}
		c.broken("structure", found[n.max.n].path(), text, n.max.src)
	}
}

// bound checks a binding. An extensible one allows other codes where none of the
// set fits, which only a person can say.
func (c *checker) bound(it item, b *binding) {
	if it.typ == nil || !bindable(it.typ) || !it.v.Exists() || inBinding(b.codes, it) {
		return
	}
	if b.strength == "required" {
		c.broken("code-invalid", it.path(), "the code must be one of the value set "+b.valueSet, b.src)
		return
	}
	c.say(Information, "code-invalid", it.path(), "the code is none of the value set "+b.valueSet+", which should be used where one of its codes fits", b.src)
}
