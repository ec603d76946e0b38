package barsapi

import (
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// stampedResource reads a stored record as the resource that a client sees.
func stampedResource(rec *store.Record) (*fhir.Resource, error) {
	return fhir.Parse(fhir.Stamp(rec.Body, rec.Version, rec.LastUpdated))
}

// fullURL is a record's bundle-local name: its id where that is a UUID, else
// one made from type and id (design D4).
func fullURL(ref store.Ref) string {
	if fhir.ValidUUID(ref.ID) {
		return "urn:uuid:" + strings.ToLower(ref.ID)
	}
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(ref.String())).String()
}

// searchset is a searchset bundle with its self link.
func (s *server) searchset(total int, self string, entries []*fhir.Object) *fhir.Resource {
	return s.page(total, self, "", entries)
}

// page is one page of a searchset; next is the link to the one after it, "" on
// the last. A total below 0 isn't known.
func (s *server) page(total int, self, next string, entries []*fhir.Object) *fhir.Resource {
	links := []*fhir.Object{fhir.Obj("relation", "self", "url", self)}
	if next != "" {
		links = append(links, fhir.Obj("relation", "next", "url", next))
	}
	o := fhir.NewObject("Bundle").
		Set("id", s.o.NewID()).
		Set("meta", fhir.Obj("lastUpdated", fhir.FormatInstant(s.o.Now()))).
		Set("type", "searchset").
		Set("timestamp", fhir.FormatInstant(s.o.Now()))
	if total >= 0 {
		o.Set("total", total)
	}
	return o.Set("link", links).Set("entry", entries).Resource()
}

// selfLink writes a path with the parameters that were applied.
func (s *server) selfLink(path string, applied [][2]string) string {
	parts := make([]string, len(applied))
	for i, p := range applied {
		parts[i] = url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1])
	}
	link := s.o.BaseURL + path
	if len(parts) > 0 {
		link += "?" + strings.Join(parts, "&")
	}
	return link
}

// localReferences rewrites references to records that stand in the same bundle
// to their bundle-local names.
func localReferences(r *fhir.Resource, names map[store.Ref]string) (*fhir.Resource, error) {
	edit := r.Edit()
	fhir.Walk(r.Root(), func(name string, v fhir.Value) {
		if name != "reference" {
			return
		}
		ref, ok := fhir.ParseReference(v.Text())
		if !ok || ref.Base != "" {
			return
		}
		if local, found := names[store.Ref{Type: ref.Type, ID: ref.ID}]; found {
			edit.Replace(v, fhir.Quote(local))
		}
	})
	return edit.Done()
}
