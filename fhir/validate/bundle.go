package validate

import (
	"bytes"

	"github.com/onward-health/onward/fhir"
)

// bundle is what references within a Bundle lead to (R4 bundle.html#references).
type bundle struct {
	types map[string]string // resource type by fullUrl
	// whole says that every urn reference must name an entry. A message needn't
	// hold what its receiver knows, and a batch's entries don't know one another.
	whole bool
}

func readBundle(v fhir.Value) *bundle {
	entries := v.Get("entry")
	b := &bundle{types: make(map[string]string, entries.Len()), whole: is(v.Get("type"), "transaction", "document")}
	for entry := range entries.Items() {
		name := entry.Get("fullUrl")
		if name.Kind() != fhir.StringKind {
			continue
		}
		url, typ := name.Text(), entry.Dig("resource", "resourceType").Text()
		if _, twice := b.types[url]; twice {
			typ = "" // which is meant isn't said: bdl-7 says so
		}
		b.types[url] = typ
	}
	return b
}

// typeInBundle returns the resource type of the entry that a reference names.
func (c *checker) typeInBundle(text []byte) (name []byte, found bool) {
	if c.bundle == nil {
		return nil, false
	}
	typ := c.bundle.types[string(text)]
	return []byte(typ), c.val.resources[typ] != nil
}

// dangling says whether a reference can only be to an entry of the Bundle, and
// there is none.
func (c *checker) dangling(text []byte) bool {
	if c.bundle == nil || !c.bundle.whole || !bytes.HasPrefix(text, []byte("urn:uuid:")) && !bytes.HasPrefix(text, []byte("urn:oid:")) {
		return false
	}
	_, there := c.bundle.types[string(text)]
	return !there
}
