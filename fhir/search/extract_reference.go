package search

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// reference enters a Reference or a canonical URL.
func (x *extractor) reference(v fhir.Value) {
	switch v.Kind() {
	case fhir.StringKind:
		x.present = true
		x.canonical(v.Text())
	case fhir.ObjectKind:
		x.object(v)
	}
}

func (x *extractor) canonical(url string) {
	if url == "" {
		return
	}
	url = x.o.stripBase(url)
	x.add(':', []byte(url))
	x.sortBy([]byte(url))
	if plain, _, versioned := strings.Cut(url, "|"); versioned && plain != "" {
		x.add(':', []byte(plain))
	}
}

func (x *extractor) object(v fhir.Value) {
	target := readTarget(v, x.o)
	if x.p.narrow {
		typ := target.typ
		if typ == "" {
			typ = x.typeOf(v, target)
		}
		if typ != "" && typ != x.p.Targets[0] {
			return
		}
		// A reference of unknown type can still be found by what it says, but
		// doesn't count as present.
		x.present = x.present || typ != ""
	} else {
		x.present = true
	}
	if target.text != "" {
		x.begin(':')
		x.buf = append(x.buf, target.text...)
		x.end()
		x.sortBy([]byte(target.text))
	}
	if id := v.Get("identifier"); id.Kind() == fhir.ObjectKind {
		sorted := x.sorted
		x.sorted = true // the text alone is sorted by
		x.systemToken('~', id.Get("system"), id.Get("value").TextBytes())
		x.sorted = sorted
	}
}

// target is what a Reference's text says.
type target struct {
	text   string // the entry's value, "" where there is none
	typ    string // the type in the text, "" where it names none
	anchor string // the id of a contained resource
}

func readTarget(v fhir.Value, o Options) target {
	written := v.Get("reference").Text()
	if written == "" {
		return target{}
	}
	written = o.stripBase(written)
	ref, ok := fhir.ParseReference(written)
	switch {
	case !ok || ref.URN != "":
		return target{text: written}
	case ref.Anchor != "":
		return target{anchor: ref.Anchor}
	}
	if ref.Version != "" {
		written = written[:len(written)-len("/_history/")-len(ref.Version)]
	}
	return target{text: written, typ: ref.Type}
}

// typeOf asks Reference.type and the contained resources for what the text
// doesn't say.
func (x *extractor) typeOf(v fhir.Value, t target) string {
	if typ := v.Get("type").Text(); typ != "" {
		return typ
	}
	if t.anchor == "" {
		return ""
	}
	if x.contained == nil { // once, since both lists may be long
		x.contained = map[string]string{}
		for item := range x.root.Get("contained").Items() {
			x.contained[item.Get("id").Text()] = item.Get("resourceType").Text()
		}
	}
	return x.contained[t.anchor]
}
