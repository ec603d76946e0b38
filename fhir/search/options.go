package search

import (
	"strings"
	"time"
)

// Options are the facts of this server that Extract and Parse must share.
type Options struct {
	// Base is the server's own absolute base URL; references below it are local.
	Base string
	// Canonical folds the spellings of a system; nil leaves them as they are.
	Canonical func(system string) string
	// Now is the clock of the "ap" prefix; nil is the machine's.
	Now func() time.Time
	// Zone is the time zone of dates and times that name none; nil is UTC.
	Zone *time.Location
	// Lenient makes Parse drop what it doesn't know (Prefer: handling=lenient).
	// Extract ignores it.
	Lenient bool
	// ReverseChains, Includes and Subsets say what the caller of Parse carries
	// out: "_has" (it calls Resolve), "_include" and "_revinclude" (it calls
	// Included), "_summary" and "_elements" (it calls Shape.Of). What it doesn't
	// is refused, so that nothing is dropped silently. Extract ignores them.
	ReverseChains, Includes, Subsets bool
	// Own names parameters that the caller of Parse deals with itself, such as
	// "_include"; they are handed through in Parsed.Own. Extract ignores it.
	Own []string
}

// canonical is a system as entries spell it.
func (o Options) canonical(system string) string {
	if system == "" {
		return ""
	}
	if o.Canonical != nil {
		system = o.Canonical(system)
	}
	if strings.IndexByte(system, '|') >= 0 {
		system = strings.ReplaceAll(system, "|", "%7C")
	}
	return system
}

// stripBase makes a reference below the own base relative.
func (o Options) stripBase(url string) string {
	base := strings.TrimSuffix(o.Base, "/")
	if base == "" {
		return url
	}
	rest, found := strings.CutPrefix(url, base)
	if !found || len(rest) < 2 || rest[0] != '/' {
		return url
	}
	return rest[1:]
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}
