package validate

import (
	"sync"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/r4"
)

// Options says how to check. The zero value is the standard's own rules.
type Options struct {
	// MaxIssues bounds the report; 0 means DefaultMaxIssues.
	MaxIssues int
	// Envelope leaves out the resources within a Bundle or Parameters, where each
	// is checked for itself.
	Envelope bool
}

// DefaultMaxIssues is how many problems a report holds at most.
const DefaultMaxIssues = 100

// Validator checks resources of one FHIR version. It never changes once made
// and can be used from many goroutines.
type Validator struct {
	plans     []plan
	resources map[string]*plan
}

// New prepares a set of tables for checking, which takes about a millisecond.
func New(t *def.Tables) *Validator { return newPlans(t) }

var ofR4 = sync.OnceValue(func() *Validator { return New(r4.Tables) })

// Resource checks a resource, and all resources in it, against FHIR R4.
func Resource(r *fhir.Resource, o Options) *Report { return ofR4().Resource(r, o) }

// Resource checks a resource and all resources in it.
func (val *Validator) Resource(r *fhir.Resource, o Options) *Report {
	c := &checker{val: val, max: o.MaxIssues, envelope: o.Envelope, root: r.Root()}
	if c.max <= 0 {
		c.max = DefaultMaxIssues
	}
	c.anchors = c.anchorSpace[:0]
	c.resource(c.root)
	return &c.report
}

// checker is one walk through a resource.
type checker struct {
	val      *Validator
	max      int
	envelope bool
	root     fhir.Value
	report   Report
	// scope is the resource that holds what is being looked at and isn't itself
	// contained: fragments ("#id") are looked up in it (R4 references.html).
	scope fhir.Value
	// inside is the number, from 1, of the contained resource that is being
	// looked at; 0 outside any.
	inside  int
	anchors []anchor
	// bundle is the innermost Bundle around what is being looked at, or nil.
	bundle *bundle
	// anchorSpace saves an allocation for resources with few contained ones.
	anchorSpace [8]anchor
}

// resource checks a resource that isn't contained in another.
func (c *checker) resource(v fhir.Value) {
	scope, inside, anchors, around := c.scope, c.inside, len(c.anchors), c.bundle
	c.scope, c.inside = v, 0
	if p := c.typeOf(v); p != nil {
		if p.name == "Bundle" {
			c.bundle = readBundle(v)
		}
		c.object(v, p)
		c.contained(v, c.anchors[anchors:])
	}
	c.scope, c.inside, c.anchors, c.bundle = scope, inside, c.anchors[:anchors], around
}

// typeOf returns the plan of a resource by its resourceType, or nil after
// noting what is wrong with it.
func (c *checker) typeOf(v fhir.Value) *plan {
	if v.Kind() != fhir.ObjectKind {
		c.structure(v, "a resource must be an object")
		return nil
	}
	name := v.Get("resourceType")
	if name.Kind() != fhir.StringKind {
		c.typeIssue(v, "every resource needs a resourceType, as a string")
		return nil
	}
	raw := name.Raw()
	p := c.val.resources[string(raw[1:len(raw)-1])]
	if p == nil {
		c.typeIssue(v, "resourceType must name a resource type of this FHIR version")
	}
	return p
}

// typeIssue notes a problem of resourceType itself. The root has no path yet,
// since its name would be the sender's own text.
func (c *checker) typeIssue(v fhir.Value, text string) {
	if v != c.root {
		c.absent(Structure, v, "resourceType", "", text)
		return
	}
	c.add(Issue{Structure, "", "resourceType", text})
}
