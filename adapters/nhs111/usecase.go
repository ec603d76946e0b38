package nhs111

import (
	"slices"
	"strings"
)

// The use cases of BaRS application 1 that begin at 111
// (usecases-categories-bars).
const (
	useCaseED   = "a1t1"
	useCaseUTC  = "a1t2"
	useCaseSDEC = "a1t7"
	useCaseUEC  = "a1t10"
)

var useCaseNames = map[string]string{
	useCaseED: "111 to ED", useCaseUTC: "111 to UTC", useCaseSDEC: "111 to SDEC", useCaseUEC: "111 to UEC",
}

// useCase chooses the use case of a message: what its interaction says, unless
// the service offers others only; then the one that it does offer. usual is for
// interactions that don't say. offered empty means any. Where none fits, the
// interaction's own is left for the room to refuse.
func (e *envelope) useCase(usual string, offered []string) string {
	best := usual
	switch {
	case e.kind() == ambulance:
		best = useCaseUEC
	case strings.HasPrefix(strings.ToLower(e.Interaction), "primaryemergencydepartment"):
		best = useCaseED
	}
	if len(offered) == 0 {
		return best
	}
	for _, code := range []string{best, usual, useCaseUTC, useCaseUEC, useCaseSDEC, useCaseED} {
		if slices.Contains(offered, code) {
			return code
		}
	}
	return best
}
