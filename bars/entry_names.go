package bars

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// resolve finds the entry that a reference names.
func (m *message) resolve(reference string) *entry {
	if reference == "" {
		return nil
	}
	name := localName(reference)
	for _, e := range m.entries {
		if e.fullURL == name {
			return e
		}
	}
	for _, e := range m.entries {
		if e.relative == name {
			return e
		}
	}
	return nil
}

// unnamed is the entry that a relative reference must mean where the one entry of
// its type carries no id.
func (m *message) unnamed(reference string) *entry {
	ref, ok := fhir.ParseReference(reference)
	if !ok || ref.Type == "" || ref.Base != "" {
		return nil
	}
	if all := m.all(ref.Type); len(all) == 1 && all[0].id == "" {
		return all[0]
	}
	return nil
}

// localName folds the spellings of a bundle-local name: the case of a UUID and
// of its scheme doesn't count (RFC 4122, RFC 8141), and published messages leave
// the scheme or a part of it out, which strict mode refuses where it stands.
// Anything else stays as it is.
func localName(text string) string {
	const scheme = "urn:uuid:"
	if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		return strings.ToLower(text)
	}
	if uuid := strings.TrimPrefix(text, ":uuid:"); fhir.ValidUUID(uuid) {
		return scheme + strings.ToLower(uuid)
	}
	return text
}

func relativeName(e *entry) string {
	if ref, ok := fhir.ParseReference(e.fullURL); ok && ref.Base != "" && ref.Type == e.typ {
		return ref.Type + "/" + ref.ID
	}
	if fhir.ValidID(e.id) {
		return e.typ + "/" + e.id
	}
	return ""
}
