package config

import "strings"

// HoldsPassword says whether a value of a setting may hold a password: an address,
// or a database's that is mistyped, with something before an @, or with an option
// that is one.
func HoldsPassword(value any) bool {
	switch v := value.(type) {
	case string:
		_, rest, found := strings.Cut(strings.ToLower(v), "://")
		if !found {
			rest, found = strings.CutPrefix(strings.ToLower(v), "mongo")
		}
		// An @ anywhere: in a password that isn't encoded, / and ? end nothing.
		return found && (strings.Contains(rest, "@") || strings.Contains(rest, "password") || strings.Contains(rest, "authmechanismproperties"))
	case []any:
		for _, one := range v {
			if HoldsPassword(one) {
				return true
			}
		}
	case map[string]any:
		for _, one := range v {
			if HoldsPassword(one) {
				return true
			}
		}
	}
	return false
}

// Hide returns a text that can be shown: of an address that may hold a password
// its scheme and host only.
func Hide(text string) string {
	if !HoldsPassword(text) {
		return text
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return "***"
	}
	user, host, _ := strings.Cut(rest, "@")
	if strings.Count(rest, "@") != 1 || strings.ContainsAny(user, "/?#") {
		return scheme + "://***"
	}
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host = host[:end]
	}
	return scheme + "://***@" + host
}
