package validate

import (
	"bytes"
	"slices"

	"github.com/onward-health/onward/fhir"
)

// target checks the type of what a Reference leads to, by the entry of the
// Bundle that it names or else by its text, against those that the element may
// refer to. A fragment is checked once the contained
// resources are known.
func (c *checker) target(m fhir.Value, r *row) {
	reference := m.Get("reference")
	text := reference.TextBytes()
	if bytes.ContainsAny(text, " \t\r\n") {
		c.rule(reference, "", "a reference is a URL, which has no white space") // it would lead nowhere
		return
	}
	if len(text) > 0 && text[0] == '#' {
		if n := len(c.anchors); n > 0 && c.anchors[n-1].reference == m {
			c.anchors[n-1].targets = r.targets
		}
		return
	}
	if c.dangling(text) {
		c.rule(reference, "", "the reference names no entry of this Bundle")
		return
	}
	name, sure := c.typeInBundle(text)
	if !sure {
		name, sure = c.typeInReference(text)
	}
	at := reference
	if !sure {
		at = m.Get("type")
		if name = at.TextBytes(); bytes.IndexByte(name, ':') >= 0 {
			return // an absolute URL: a logical model, which isn't one of R4's types
		}
		sure = len(name) > 0
	}
	if !sure {
		return
	}
	if c.val.resources[string(name)] == nil {
		c.rule(at, "", "a reference must be to a resource type of this FHIR version")
		return
	}
	if !allowed(r.targets, name) {
		c.rule(at, "", "this element can't refer to a resource of that type")
	}
}

func allowed(targets []string, name []byte) bool {
	if len(targets) == 0 {
		return true
	}
	for _, t := range targets {
		if t == string(name) {
			return true
		}
	}
	return false
}

// typeInReference returns the resource type in a literal reference, relative or
// absolute. sure is false where the text may be something else: an absolute URL
// needn't be that of a REST server (R4 references.html).
func (c *checker) typeInReference(text []byte) (name []byte, sure bool) {
	if i := bytes.Index(text, []byte("/_history/")); i >= 0 {
		text = text[:i]
	}
	slash := bytes.LastIndexByte(text, '/')
	if slash <= 0 || bytes.HasPrefix(text, []byte("urn:")) || !validID(text[slash+1:]) {
		return nil, false
	}
	rest := text[:slash]
	slash = bytes.LastIndexByte(rest, '/')
	if slash < 0 {
		return rest, bytes.IndexByte(rest, ':') < 0
	}
	if name = rest[slash+1:]; c.val.resources[string(name)] == nil {
		return nil, false
	}
	return name, true
}

// anchor is a reference to a contained resource, or from one to what holds it.
type anchor struct {
	text      fhir.Value // "#id" or "#"
	reference fhir.Value // the Reference, or nothing for a uri or canonical
	targets   []string
	inside    int // which contained resource it is in, from 1; 0: none
}

// anchor notes a text that begins with "#".
func (c *checker) anchor(text, reference fhir.Value) {
	if content := text.TextBytes(); len(content) > 0 && content[0] == '#' {
		c.anchors = append(c.anchors, anchor{text: text, reference: reference, inside: c.inside})
	}
}

// containedResource checks a contained resource, number from 1.
func (c *checker) containedResource(v fhir.Value, number int) {
	if c.inside > 0 {
		return // dom-2 says it all
	}
	p := c.typeOf(v)
	if p == nil {
		return
	}
	c.inside = number
	if nested := v.Get("contained"); nested.Exists() {
		c.rule(nested, "dom-2", "a contained resource can't contain others")
	}
	c.object(v, p)
	c.inside = 0
}

// containedMeta checks the meta of a contained resource.
func (c *checker) containedMeta(v fhir.Value) {
	if c.inside == 0 {
		return
	}
	for _, name := range [...]string{"versionId", "lastUpdated"} {
		if has(v, name) {
			c.absent(Rule, v, name, "dom-4", "a contained resource has no version of its own")
		}
	}
	if has(v, "security") {
		c.absent(Rule, v, "security", "dom-5", "a contained resource has no security labels of its own")
	}
}

// contained checks what ties a resource and those that it contains together:
// dom-3 and ref-1, and the targets of references to contained resources.
func (c *checker) contained(v fhir.Value, anchors []anchor) {
	list := v.Get("contained")
	if list.Kind() != fhir.ArrayKind && len(anchors) == 0 {
		return
	}
	byID := make(map[string]fhir.Value, list.Len())
	for item := range list.Items() {
		if id := item.Get("id"); id.Kind() == fhir.StringKind {
			byID["#"+id.Text()] = item
		}
	}
	used := make(map[string]bool, len(anchors))
	tied := map[int]bool{} // contained resources that refer to what holds them
	for _, a := range anchors {
		if c.full() {
			return
		}
		text := a.text.Text()
		used[text] = true
		if text == "#" && a.inside > 0 {
			tied[a.inside] = true
			continue
		}
		if a.reference.Exists() {
			c.fragment(a, byID[text])
		}
	}
	number := 0
	for item := range list.Items() {
		if number++; c.full() {
			return
		}
		if id := item.Get("id").Text(); item.Kind() == fhir.ObjectKind && !tied[number] && (id == "" || !used["#"+id]) {
			c.rule(item, "dom-3", "a contained resource must have an id and something that refers to it as # and that id")
		}
	}
}

// fragment checks a reference within the resource.
func (c *checker) fragment(a anchor, to fhir.Value) {
	if !to.Exists() {
		c.rule(a.text, "ref-1", "a reference that begins with # must name a resource that is contained in this one")
		return
	}
	if name := to.Get("resourceType").Text(); len(a.targets) > 0 && !slices.Contains(a.targets, name) && c.val.resources[name] != nil {
		c.rule(a.text, "", "this element can't refer to a resource of that type")
	}
}
