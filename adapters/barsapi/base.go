package barsapi

import (
	"errors"
	"net/url"
	"strings"
)

// ParseBase reads a FHIR base that we call: an absolute http or https URL, without
// the closing slash.
func ParseBase(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("a FHIR base must be an absolute http or https URL without user, query and fragment")
	}
	return strings.TrimRight(u.String(), "/"), nil
}
