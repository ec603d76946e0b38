package rest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// fhirVersion is the value of the MIME type parameter fhirVersion for R4.
const fhirVersion = "4.0"

// maxAccept bounds the Accept headers of a request in bytes.
const maxAccept = 4096

// media is one media type or range of an Accept header, of _format or of a
// Content-Type.
type media struct {
	typ     string // lower case
	version string // of the parameter fhirVersion, "" without it
	charset string
	wanted  bool // false: q=0
}

func parseMedia(text string) (media, bool) {
	typ, params, err := mime.ParseMediaType(text)
	if err != nil {
		return media{}, false
	}
	m := media{typ: typ, version: params["fhirversion"], charset: params["charset"], wanted: true}
	if q, given := params["q"]; given {
		var ok bool
		if m.wanted, ok = positive(q); !ok {
			return media{}, false
		}
	}
	return m, true
}

// positive reads a quality value between 0 and 1 and says whether it is above
// 0. More than three decimals and a missing 0 in front are let pass: Java's own
// HTTP client sends ".2".
func positive(q string) (above, ok bool) {
	whole, decimals, _ := strings.Cut(q, ".")
	if len(q) > 16 || q == "" || q == "." || strings.Trim(decimals, "0123456789") != "" {
		return false, false
	}
	zero := strings.Trim(decimals, "0") == ""
	switch whole {
	case "", "0":
		return !zero, true
	case "1":
		return true, zero
	}
	return false, false
}

// rank says how exactly the range names our JSON: 3 by its type, 2 by a subtype
// wildcard, 1 by */*, 0 not at all.
func (m media) rank() int {
	switch {
	case m.isJSON():
		return 3
	case m.typ == "application/*", m.typ == "text/*":
		return 2
	case m.typ == "*/*":
		return 1
	}
	return 0
}

func (m media) isJSON() bool {
	return m.typ == "application/fhir+json" || m.typ == "application/json" || m.typ == "text/json"
}

func (m media) isXML() bool {
	return m.typ == "application/fhir+xml" || m.typ == "application/xml" || m.typ == "text/xml" || m.typ == "xml"
}

func (m media) isR4() bool { return m.version == "" || m.version == fhirVersion }

// negotiate says whether the client takes FHIR R4 JSON, the only format offered
// (R4 http.html, content types and versions of the MIME type). _format, where
// it is given, overrides Accept; no Accept takes anything. The error is a
// KindNotAcceptable Outcome that says what stands in the way.
func negotiate(accept, formats []string) error {
	asked := false
	for _, format := range formats {
		if format == "" {
			continue
		}
		asked = true
		if err := negotiateFormat(format); err != nil {
			return err
		}
	}
	if asked {
		return nil
	}
	text := strings.Join(accept, ",")
	if strings.Trim(text, " \t,") == "" {
		return nil
	}
	if len(text) > maxAccept {
		return fhir.NewOutcome(fhir.KindTooComplex, "", "the Accept header is too long")
	}
	return negotiateAccept(text)
}

func negotiateFormat(format string) error {
	// A plus sign that isn't escaped in a URL arrives as a space.
	m, ok := parseMedia(strings.Replace(format, "fhir ", "fhir+", 1))
	switch {
	case !ok:
		return notAcceptable(media{})
	case m.typ != "json" && !m.isJSON() || !m.isR4():
		return notAcceptable(m)
	}
	return nil
}

// negotiateAccept lets the most exact range decide, as RFC 9110, 12.5.1 says.
func negotiateAccept(text string) error {
	best, wanted := 0, false
	var hindrance media
	for _, item := range splitList(text) {
		m, ok := parseMedia(item)
		if !ok {
			continue
		}
		rank := m.rank()
		if rank == 0 || !m.isR4() {
			if hindrance == (media{}) || m.rank() > 0 {
				hindrance = m
			}
			continue
		}
		if rank > best {
			best, wanted = rank, m.wanted
		} else if rank == best {
			wanted = wanted || m.wanted
		}
	}
	if !wanted {
		return notAcceptable(hindrance)
	}
	return nil
}

func notAcceptable(m media) *fhir.Outcome {
	text := "this server answers in application/fhir+json only"
	switch {
	case !m.isR4():
		text = "this server speaks FHIR version 4.0 only"
	case m.isXML():
		text = "XML is not offered; this server answers in application/fhir+json only"
	}
	return fhir.NewOutcome(fhir.KindNotAcceptable, "", text)
}

// checkJSONBody says whether the request's body is FHIR R4 JSON by its headers.
func checkJSONBody(h http.Header) error {
	m, err := contentType(h)
	switch {
	case err != nil:
		return err
	case m.isXML():
		return mediaType("XML is not offered; send application/fhir+json")
	case !m.isJSON():
		return mediaType("the Content-Type must be application/fhir+json, application/json or text/json")
	case !m.isR4():
		return mediaType("this server takes FHIR version 4.0 only")
	}
	return nil
}

// checkFormBody says the same of a search form.
func checkFormBody(h http.Header) error {
	m, err := contentType(h)
	switch {
	case err != nil:
		return err
	case m.typ != "application/x-www-form-urlencoded":
		return mediaType("the Content-Type of a search by POST must be application/x-www-form-urlencoded")
	}
	return nil
}

// contentType reads Content-Type and refuses what the body can't be read with.
func contentType(h http.Header) (media, error) {
	for _, encoding := range h.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(strings.TrimSpace(encoding), "identity") {
			return media{}, mediaType("compressed bodies are not taken; send the body without Content-Encoding")
		}
	}
	values := h.Values("Content-Type")
	if len(values) != 1 {
		return media{}, mediaType("one Content-Type header is required")
	}
	m, ok := parseMedia(values[0])
	if !ok {
		return media{}, mediaType("the Content-Type header is malformed")
	}
	if c := strings.ToLower(m.charset); c != "" && c != "utf-8" && c != "us-ascii" {
		return media{}, mediaType("the body's charset must be utf-8")
	}
	return m, nil
}

func mediaType(diagnostics string) *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindMediaType, "", diagnostics)
}

// splitList splits a header's list at its commas, not at those in quotes.
func splitList(text string) []string {
	var items []string
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			items = appendItem(items, text[start:i])
			start = i + 1
		}
	}
	return appendItem(items, text[start:])
}

func appendItem(items []string, item string) []string {
	if item = strings.Trim(item, " \t"); item == "" {
		return items
	}
	return append(items, item)
}
