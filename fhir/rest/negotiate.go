package rest

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// maxAccept bounds the Accept headers of a request, and its Accept-Encoding
// headers, in bytes.
const maxAccept = 4096

// format is how a resource is written.
type format uint8

const (
	inJSON format = iota // what a client gets that doesn't mind
	inXML
	inRaw // a Binary's own content
)

// How exactly a range names a representation. The order settles which of two
// ranges speaks for it (RFC 9110, 12.5.1).
const (
	byNothing = iota
	byAny     // */*
	byMain    // application/*
	byAlias   // application/json, text/xml
	byOwnType // the type of a Binary's content
	byFHIR    // application/fhir+json
)

// offer is a representation that can be sent and what the Accept header says of
// it so far.
type offer struct {
	format format
	own    string // the type of a Binary's content, for inRaw
	reach  int    // how exactly the range that speaks for it names it
	exact  int    // the same, but a range with our fhirVersion is more exact
	q      float64
}

// hear lets a range speak for the offer unless a more exact one has spoken.
func (o *offer) hear(m media) {
	named := o.namedBy(m)
	if named == byNothing || o.format != inRaw && !m.isR4() {
		return
	}
	exact := 2 * named
	if m.version != "" {
		exact++
	}
	switch {
	case exact > o.exact:
		o.reach, o.exact, o.q = named, exact, m.q
	case exact == o.exact:
		o.q = max(o.q, m.q)
	}
}

func (o *offer) namedBy(m media) int {
	if o.format == inRaw {
		return rawNamedBy(m, o.own)
	}
	switch {
	case o.format == inJSON && m.isJSON(), o.format == inXML && m.isXML():
		if m.isFHIR() {
			return byFHIR
		}
		return byAlias
	case m.typ == "application/*", m.typ == "text/*":
		return byMain
	case m.typ == "*/*":
		return byAny
	}
	return byNothing
}

// rawNamedBy says how a range names a Binary's content. FHIR's own types and
// */* ask for the resource (R4 binary.html#rest, read narrowly: a client that
// doesn't say what it wants gets what every other read gives it).
func rawNamedBy(m media, own string) int {
	main, _, _ := strings.Cut(own, "/")
	switch {
	case m.isFHIR():
		return byNothing
	case m.typ == own:
		return byOwnType
	case m.typ == main+"/*":
		return byMain
	}
	return byNothing
}

// negotiate finds the format that the client takes (R4 http.html, content types
// and versions of the MIME type). _format, where it is given, overrides Accept;
// no Accept takes anything. own is the type of the content of the Binary that is
// read, else "". The error is a KindNotAcceptable Outcome that says what stands
// in the way.
func negotiate(accept, formats []string, own string) (format, error) {
	if asked, f, err := negotiateFormat(formats, own); asked {
		return f, err
	}
	text := strings.Join(accept, ",")
	if strings.Trim(text, " \t,") == "" {
		return inJSON, nil
	}
	if len(text) > maxAccept {
		return inJSON, fhir.NewOutcome(fhir.KindTooComplex, "", "the Accept header is too long")
	}
	return negotiateAccept(text, own)
}

// negotiateFormat reads _format. Given more than once it must say the same each
// time.
func negotiateFormat(formats []string, own string) (asked bool, f format, err error) {
	for _, text := range formats {
		if text == "" {
			continue
		}
		this, err := parseFormat(text, own)
		if err == nil && asked && this != f {
			err = fhir.NewOutcome(fhir.KindNotAcceptable, "", "_format is given more than once, for different formats")
		}
		if err != nil {
			return true, inJSON, err
		}
		asked, f = true, this
	}
	return asked, f, nil
}

func parseFormat(text, own string) (format, error) {
	// A plus sign that isn't escaped in a URL arrives as a space.
	m, ok := parseMedia(strings.Replace(text, "fhir ", "fhir+", 1))
	switch {
	case !ok:
		return inJSON, notAcceptable(media{})
	case !m.isR4() || m.q == 0:
		return inJSON, notAcceptable(m)
	case m.typ == "json", m.isJSON():
		return inJSON, nil
	case m.typ == "xml", m.isXML():
		return inXML, nil
	case own != "" && m.typ == own:
		return inRaw, nil
	}
	return inJSON, notAcceptable(m)
}

// negotiateAccept takes the format of the highest quality; of two alike the one
// that is named rather than covered by a wildcard, and then JSON. Against a
// Binary's own content the more exactly named one wins.
func negotiateAccept(text, own string) (format, error) {
	json, xml, raw := offer{format: inJSON}, offer{format: inXML}, offer{format: inRaw, own: own}
	var hindrance media
	for _, item := range splitList(text) {
		m, ok := parseMedia(item)
		if !ok {
			continue
		}
		if !m.isR4() {
			hindrance = m
		}
		json.hear(m)
		xml.hear(m)
		if own != "" {
			raw.hear(m)
		}
	}
	best := json
	if xml.q > best.q || xml.q == best.q && min(xml.reach, byAlias) > min(best.reach, byAlias) {
		best = xml
	}
	if raw.q > best.q || raw.q == best.q && raw.reach > best.reach {
		best = raw
	}
	if best.q == 0 {
		return inJSON, notAcceptable(hindrance)
	}
	return best.format, nil
}

func notAcceptable(m media) *fhir.Outcome {
	text := "this server answers in application/fhir+json and application/fhir+xml"
	if !m.isR4() {
		text = "this server speaks FHIR version 4.0 only"
	}
	return fhir.NewOutcome(fhir.KindNotAcceptable, "", text)
}
