package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// conditionHeaders are the headers that make a request conditional (RFC 9110,
// 13.1 and R4 http.html), in the spelling of http.Header.
var conditionHeaders = []string{
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-None-Exist", "If-Range",
}

// refuseConditions refuses every condition but those that the interaction
// carries out. One that is passed over would let a write happen that the client
// had forbidden.
func refuseConditions(h http.Header, carriedOut ...string) error {
	for _, name := range conditionHeaders {
		if len(h[name]) > 0 && !slices.Contains(carriedOut, name) {
			return fhir.NewOutcome(fhir.KindNotImplemented, "", "the condition in the header "+name+" is not offered for this interaction")
		}
	}
	return nil
}

func formatETag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// readIfMatch reads If-Match (R4 http.html#concurrency): W/"n", or "n", for R4
// compares versions and knows no weaker or stronger tag; or *, any version as
// long as there is one. A tag that isn't a version of ours matches nothing. More
// than one tag is refused: a client that guards its write means one version.
func (c *Change) readIfMatch(values []string) error {
	if len(values) == 0 {
		return nil
	}
	text := strings.Trim(values[0], " \t")
	if c.IfLive = text == "*"; c.IfLive && len(values) == 1 {
		return nil
	}
	inner, ok := entityTag(text)
	if len(values) > 1 || !ok {
		return fhir.NewOutcome(fhir.KindValue, "", `the header If-Match must be one ETag, W/"n", or *`)
	}
	if c.IfMatch, ok = parseVersion(inner); !ok {
		c.IfMatch = 0
		return fhir.NewOutcome(fhir.KindVersion, "", "If-Match names no version of this server")
	}
	return nil
}

// entityTag reads an entity tag (RFC 9110, 8.8.3), weak or strong.
func entityTag(text string) (inner string, ok bool) {
	text = strings.TrimPrefix(text, "W/")
	inner, opened := strings.CutPrefix(text, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	for _, c := range []byte(inner) {
		if c <= 0x20 || c == '"' || c == 0x7F {
			return "", false
		}
	}
	return inner, opened && closed
}

// parseVersion reads a version number in the one spelling that we give it.
func parseVersion(text string) (int64, bool) {
	if text == "" || text[0] < '1' || text[0] > '9' {
		return 0, false
	}
	version, err := strconv.ParseInt(text, 10, 64)
	return version, err == nil
}

// notModified says whether a read may be answered with 304. If-None-Match goes
// before If-Modified-Since (RFC 9110, 13.2.2).
func notModified(h http.Header, v *Version) (bool, error) {
	if values := h.Values("If-None-Match"); len(values) > 0 {
		return noneMatch(values, v.Version)
	}
	text := h.Get("If-Modified-Since")
	if text == "" {
		return false, nil
	}
	since, err := http.ParseTime(text)
	if err != nil {
		return false, nil // RFC 9110, 13.1.3: a date that isn't one is no condition
	}
	return !v.LastUpdated.Truncate(time.Second).After(since), nil
}

// noneMatch says whether one of the listed tags names the version, by the weak
// comparison of RFC 9110, 8.8.3.2.
func noneMatch(values []string, version int64) (bool, error) {
	items := splitList(strings.Join(values, ","))
	if len(items) == 1 && items[0] == "*" {
		return true, nil
	}
	want, match := strconv.FormatInt(version, 10), false
	for _, item := range items {
		tag, ok := entityTag(item)
		if !ok {
			return false, fhir.NewOutcome(fhir.KindValue, "", "the header If-None-Match must list ETags")
		}
		match = match || tag == want
	}
	return match, nil
}

// preferences are what Prefer may ask for (RFC 7240 and R4 http.html).
type preferences struct {
	result   string // "minimal", "representation" or "OperationOutcome"
	handling string // "strict", "lenient" or "" where the client doesn't say
}

// parsePrefer reads the Prefer headers. The first value of a preference counts
// and one that isn't known is passed over, as RFC 7240, 2 says.
func parsePrefer(values []string) preferences {
	p := preferences{}
	for _, item := range splitList(strings.Join(values, ",")) {
		item, _, _ = strings.Cut(item, ";")
		name, value, _ := strings.Cut(item, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "return":
			p.result = firstKnown(p.result, value, "minimal", "representation", "OperationOutcome")
		case "handling":
			p.handling = firstKnown(p.handling, value, "strict", "lenient")
		}
	}
	if p.result == "" {
		p.result = "representation"
	}
	return p
}

func firstKnown(have, value string, known ...string) string {
	if have != "" {
		return have
	}
	for _, k := range known {
		if strings.EqualFold(k, value) {
			return k
		}
	}
	return ""
}
