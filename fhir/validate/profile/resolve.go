package profile

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// resolve finds what a reference leads to, if it is contained or in the bundle.
func (c *checker) resolve(it item) (item, bool) {
	text := it.v.Text() // a canonical or uri
	if it.v.Kind() == fhir.ObjectKind {
		text = it.v.Get("reference").Text()
	}
	if text == "" {
		return item{}, false
	}
	var target fhir.Value
	if anchor, ok := strings.CutPrefix(text, "#"); ok {
		for one := range c.container.Get("contained").Items() {
			if anchor != "" && one.Get("id").Text() == anchor {
				target = one
				break
			}
		}
	} else {
		target = c.inBundle(text)
	}
	if !target.Exists() {
		return item{}, false
	}
	return item{v: target, typ: c.set.tables.Resource(target.Get("resourceType").Text())}, true
}

// inBundle finds an entry by its fullUrl or by type and id (R4 bundle.html,
// resolving references).
func (c *checker) inBundle(text string) fhir.Value {
	if c.entries == nil {
		c.entries = map[string]fhir.Value{}
		for entry := range c.root.Get("entry").Items() {
			r := entry.Get("resource")
			if r.Kind() != fhir.ObjectKind {
				continue
			}
			for _, name := range [...]string{entry.Get("fullUrl").Text(), r.Get("resourceType").Text() + "/" + r.Get("id").Text()} {
				if _, taken := c.entries[name]; !taken && name != "" {
					c.entries[name] = r
				}
			}
		}
	}
	if i := strings.Index(text, "/_history/"); i >= 0 {
		text = text[:i]
	}
	return c.entries[text]
}

// typeOfTarget is the resource type that a Reference leads to, or "" where its
// text doesn't tell.
func (c *checker) typeOfTarget(v fhir.Value) string {
	if target, ok := c.resolve(item{v: v}); ok {
		return target.v.Get("resourceType").Text()
	}
	ref, ok := fhir.ParseReference(v.Get("reference").Text())
	if ok && ref.Type != "" && c.set.tables.Resource(ref.Type) != nil {
		return ref.Type
	}
	if name := v.Get("type").Text(); c.set.tables.Resource(name) != nil {
		return name
	}
	return ""
}
