package fhir

import (
	"strconv"
	"time"
)

// Unstamp takes meta.versionId and meta.lastUpdated out of a resource: they
// belong to the server, which keeps them beside the body (design D24). A meta
// that held nothing else goes with them; all else stays as it is. A meta that
// isn't an object is a KindStructure Outcome: Stamp could not serve it.
func Unstamp(r *Resource) (*Resource, error) { return UnstampAs(r, r.ID()) }

// UnstampAs is Unstamp for a resource that is to have this id, in one step, since every
// edit parses its result.
func UnstampAs(r *Resource, id string) (*Resource, error) {
	edit := r.Edit()
	if id != r.ID() {
		edit.SetText(r.Root(), "id", id)
	}
	meta := r.Root().Get("meta")
	if !meta.Exists() {
		return edit.Done()
	}
	if meta.Kind() != ObjectKind {
		return nil, NewOutcome(KindStructure, meta.Path(), "meta must be an object")
	}
	rest := 0
	for name := range meta.Members() {
		if name != "versionId" && name != "lastUpdated" {
			rest++
		}
	}
	if rest == meta.Len() && rest > 0 {
		return edit.Done()
	}
	if rest == 0 {
		return edit.Remove(r.Root(), "meta").Done()
	}
	return edit.Remove(meta, "versionId").Remove(meta, "lastUpdated").Done()
}

// Stamp puts meta.versionId and meta.lastUpdated into a stored body by a scan
// of its top level, without parsing it (design D25). body must be compact JSON
// as Resource.JSON gives it, without these two members (Unstamp).
func Stamp(body []byte, version int64, lastUpdated time.Time) []byte {
	stamp := make([]byte, 0, 96)
	stamp = append(stamp, `"versionId":"`...)
	stamp = strconv.AppendInt(stamp, version, 10)
	stamp = append(stamp, `","lastUpdated":"`...)
	stamp = lastUpdated.UTC().AppendFormat(stamp, instantLayout)
	stamp = append(stamp, '"')

	at, inside := metaPlace(body)
	out := make([]byte, 0, len(body)+len(stamp)+12)
	out = append(out, body[:at]...)
	switch {
	case inside && body[at] == '}':
		out = append(out, stamp...)
	case inside:
		out = append(append(out, stamp...), ',')
	case body[at] == '}':
		if at > 1 {
			out = append(out, ',')
		}
		out = append(out, `"meta":{`...)
		out = append(append(out, stamp...), '}')
	default:
		out = append(out, `"meta":{`...)
		out = append(append(out, stamp...), "},"...)
	}
	return append(out, body[at:]...)
}

// metaPlace finds where the two members go: inside an existing meta, else
// behind resourceType and id.
func metaPlace(body []byte) (at int, inside bool) {
	i, place := 1, 1
	for i < len(body) && body[i] == '"' {
		nameStart := i + 1
		i = skipString(body, i)
		name := string(body[nameStart : i-1])
		i++ // the colon
		if name == "meta" && body[i] == '{' {
			return i + 1, true
		}
		i = skipValue(body, i)
		if body[i] == ',' {
			i++
		}
		if name == "resourceType" || name == "id" {
			place = i
		}
	}
	return place, false
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(b []byte, i int) int {
	depth := 0
	for ; ; i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
}
