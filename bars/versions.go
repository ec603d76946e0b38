package bars

import (
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// appVersions is the newest version of each Application that this receiver
// supports, by its number (BaRS, application versions). Bundle.meta.versionId
// names the one that a message complies with; only a major difference is
// incompatible, and lower majors are served too.
var appVersions = map[int]string{
	1: "2.1.0", 2: "2.1.0", 3: "2.0.0", 4: "2.0.0", 5: "1.2.0", 6: "1.0.0-beta.8", 7: "1.0.0-alpha.4", 8: "1.0.0-alpha.3",
}

// maxMajor is the highest major version of any Application.
const maxMajor = 2

func major(version string) (int, bool) {
	first, _, found := strings.Cut(version, ".")
	n, err := strconv.Atoi(first)
	return n, found && err == nil && n >= 0
}

// applications lists the applications of use cases, once each.
func applications(useCases []string) []int {
	var apps []int
	seen := map[int]bool{}
	for _, code := range useCases {
		if app := application(code); !seen[app] {
			seen[app] = true
			apps = append(apps, app)
		}
	}
	return apps
}

// oldestVersion is the lowest of the applications' versions: a definition that
// several share is served under the one that all their senders understand.
func oldestVersion(apps []int) string {
	oldest := ""
	for _, app := range apps {
		if v := appVersions[app]; oldest == "" || v < oldest {
			oldest = v
		}
	}
	return oldest
}

// checkVersion checks the Application version that the message says it complies
// with. It is asked twice: before the use case is known, and then against that
// use case's Application.
func (m *message) checkVersion() error {
	n, ok := major(m.bundle.Get("meta", "versionId").Text())
	if !ok {
		m.broken("Bundle.meta.versionId", "meta.versionId must be a version such as 1.1.0")
		return m.problems
	}
	highest := maxMajor
	if m.useCase != "" {
		highest, _ = major(appVersions[application(m.useCase)])
	}
	if n < 1 || n > highest {
		return fhir.NewOutcome(fhir.KindUnsupportedUse, "Bundle.meta.versionId", "this version of the Application is not supported")
	}
	return nil
}
