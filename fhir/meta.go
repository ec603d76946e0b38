package fhir

import (
	"bytes"
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
// as Resource.JSON gives it, without these two members (Unstamp). One in which there
// is no place for them, because the disk has damaged it, stays as it is.
func Stamp(body []byte, version int64, lastUpdated time.Time) []byte {
	stamped, _ := AppendStamp(make([]byte, 0, len(body)+StampSize), body, version, lastUpdated)
	return stamped
}

// StampSize is what a stamp makes a body longer by at most, with a meta of its own.
const StampSize = 96

// AppendStamp is Stamp behind what stands in out; ok is false where the body is
// damaged.
func AppendStamp(out, body []byte, version int64, lastUpdated time.Time) (stamped []byte, ok bool) {
	at, inside := metaPlace(body)
	if at >= len(body) {
		return append(out, body...), false
	}
	out = append(out, body[:at]...)
	switch {
	case inside && body[at] == '}':
		out = appendStamp(out, version, lastUpdated)
	case inside:
		out = append(appendStamp(out, version, lastUpdated), ',')
	case body[at] == '}':
		if at > 1 {
			out = append(out, ',')
		}
		out = append(appendStamp(append(out, `"meta":{`...), version, lastUpdated), '}')
	default:
		out = append(appendStamp(append(out, `"meta":{`...), version, lastUpdated), "},"...)
	}
	return append(out, body[at:]...), true
}

func appendStamp(out []byte, version int64, lastUpdated time.Time) []byte {
	out = append(out, `"versionId":"`...)
	out = strconv.AppendInt(out, version, 10)
	out = append(out, `","lastUpdated":"`...)
	out = appendInstant(out, lastUpdated)
	return append(out, '"')
}

// metaPlace finds where the two members go: inside an existing meta, else
// behind resourceType and id. A place behind the body is none.
func metaPlace(body []byte) (at int, inside bool) {
	i, place := 1, 1
	for i < len(body) && body[i] == '"' {
		nameStart := i + 1
		i = skipString(body, i)
		name := string(body[nameStart:max(nameStart, i-1)])
		i++ // the colon
		if name == "meta" && i < len(body) && body[i] == '{' {
			return i + 1, true
		}
		i = skipValue(body, i)
		if i >= len(body) {
			return i, false
		}
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
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

func skipValue(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
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
	return i
}
