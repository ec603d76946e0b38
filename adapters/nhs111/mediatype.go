package nhs111

import (
	"mime"
	"net/url"
	"regexp"
	"strings"
)

// wellFormed is a Content-Type as its grammar wants it. The action of SOAP 1.2 is
// a URI, which has to stand in quotes (RFC 3902; a ":" is in no token), and many
// senders write it bare. Whatever else is wrong stays wrong.
func wellFormed(contentType string) string {
	if _, _, err := mime.ParseMediaType(contentType); err != nil {
		return quoteAction(contentType)
	}
	return contentType
}

// bareURI are the characters of a URI (RFC 3986), without those that end a
// parameter or a list of headers.
var bareURI = regexp.MustCompile(`^[A-Za-z0-9._~:/?#\[\]@!$&'()*+=%-]+$`)

// quoteAction puts an action that is a bare absolute URI into quotes.
func quoteAction(header string) string {
	parts := parametersOf(header)
	for i, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		if !strings.EqualFold(strings.TrimSpace(name), "action") || !bareURI.MatchString(value) {
			continue
		}
		if u, err := url.Parse(value); err != nil || u.Scheme == "" {
			continue
		}
		parts[i+1] = name + `="` + value + `"`
	}
	return strings.Join(parts, ";")
}

// parametersOf splits a header at each ";" that stands in no quoted string.
func parametersOf(header string) []string {
	var parts []string
	start, inside := 0, false
	for i := 0; i < len(header); i++ {
		switch c := header[i]; {
		case c == '\\' && inside:
			i++ // a quoted pair
		case c == '"':
			inside = !inside
		case c == ';' && !inside:
			parts, start = append(parts, header[start:i]), i+1
		}
	}
	return append(parts, header[start:])
}
