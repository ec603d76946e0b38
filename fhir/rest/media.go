package rest

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// fhirVersion is the value of the MIME type parameter fhirVersion for R4.
const fhirVersion = "4.0"

// media is one media type or range of an Accept header, of _format or of a
// Content-Type.
type media struct {
	typ     string // lower case
	version string // of the parameter fhirVersion, "" without it
	charset string
	q       float64 // 0: not wanted
}

func parseMedia(text string) (media, bool) {
	typ, params, err := mime.ParseMediaType(text)
	if err != nil {
		return media{}, false
	}
	m := media{typ: typ, version: params["fhirversion"], charset: params["charset"], q: 1}
	if q, given := params["q"]; given {
		var ok bool
		if m.q, ok = quality(q); !ok {
			return media{}, false
		}
	}
	return m, true
}

// quality reads a quality value between 0 and 1 (RFC 9110, 12.4.2). More than
// three decimals and a missing 0 in front are let pass: Java's own HTTP client
// sends ".2".
func quality(text string) (q float64, ok bool) {
	if len(text) > 16 || text == "." || strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(text, 64)
	return q, err == nil && q <= 1
}

// isFHIR says whether the type is one that FHIR has for itself.
func (m media) isFHIR() bool {
	return m.typ == "application/fhir+json" || m.typ == "application/fhir+xml"
}

func (m media) isJSON() bool {
	return m.typ == "application/fhir+json" || m.typ == "application/json" || m.typ == "text/json"
}

func (m media) isXML() bool {
	return m.typ == "application/fhir+xml" || m.typ == "application/xml" || m.typ == "text/xml"
}

func (m media) isR4() bool { return m.version == "" || m.version == fhirVersion }

// bodyFormat says in which format the request's body is, by its headers (R4
// http.html, content types and versions of the MIME type).
func bodyFormat(h http.Header) (format, error) {
	m, err := contentType(h)
	switch {
	case err != nil:
		return inJSON, err
	case !m.isJSON() && !m.isXML():
		return inJSON, mediaType("the Content-Type must be application/fhir+json or application/fhir+xml, or json or xml under application or text")
	case !m.isR4():
		return inJSON, mediaType("this server takes FHIR version 4.0 only")
	case m.isXML():
		return inXML, nil
	}
	return inJSON, nil
}

// checkFormBody says whether the request's body is a search form.
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
