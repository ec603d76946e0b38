package nhs111

import (
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

var safeguardingForm = regexp.MustCompile(`(?i)^dx0?42$`)

// addFlags raises what the receiver must see: a safeguarding disposition and a
// repeat caller.
func (m *mapper) addFlags(kind interactionKind) {
	if safeguardingForm.MatchString(strings.TrimSpace(m.report.encounter.Child("dischargeDispositionCode").Attr("code"))) {
		m.flag("SG", "Safeguarding Concern",
			conceptOf(codeSystemBase+"safeguarding-codes-bars", "U", "Unspecified Safeguarding Concern Identified"))
	}
	if kind == documentSet {
		m.flag("RC", "Repeat Caller", fhir.Obj("text", "Repeat caller"))
	}
	m.sceneFlags()
	m.triageFlags()
}

// triageFlags raises the system flags of the triages (PathwaysCase 2.4,
// systemFlag), each once. Categories of ambulance calls aren't flags: the
// disposition says as much.
func (m *mapper) triageFlags() {
	seen := map[string]bool{}
	for _, t := range m.triages {
		for _, flag := range t.node.Child("systemFlags").All("systemFlag") {
			name := flag.Content()
			if seen[name] {
				continue
			}
			seen[name] = true
			switch name {
			case "SceneSafe":
				m.sceneFlag("S", "The Scene is safe", nil)
			case "SceneUnsafe":
				m.sceneFlag("U", "The Scene is unsafe", nil)
			case "Fire":
				m.hazard("FR", name)
			case "Trauma":
				m.hazard("TM", name)
			case "Police":
				m.hazard("PL", name)
			case "Trapped":
				m.hazard("TR", name)
			}
		}
	}
}

// flag raises a Flag about the patient.
func (m *mapper) flag(category, display string, code *fhir.Object) {
	m.addFlag(nhs.ProfileBase+"Flag", m.patient, conceptOf(codeSystemBase+"flag-categories-bars", category, display), code)
}

func (m *mapper) addFlag(profile, subject string, category, code *fhir.Object) {
	url := m.url()
	m.flags = append(m.flags, url)
	m.add(url, m.resource("Flag", profile).Set("status", "active").
		Set("category", list(category)).
		Set("code", code).Set("subject", ref(subject)).
		Set("period", fhir.Obj("start", m.report.Effective.dateTime())).
		Set("encounter", ref(m.encounterURL)))
}
