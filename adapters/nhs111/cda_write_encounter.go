package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func (w *documentWriter) componentOf() *xmlElement {
	e := el("encompassingEncounter", at("classCode", "ENC", "moodCode", "EVN"), templateID("COCD_TP146232GB01#EncompassingEncounter"))
	ids := caseIDs(w.encounter.Get("identifier"))
	if id := w.journey(); id != nil && !slices.ContainsFunc(ids, func(have *xmlElement) bool { return have.attrs[0] == id.attrs[0] }) {
		e.add(id)
	}
	e.add(ids...)
	period := periodElement("effectiveTime", w.encounter.Get("period"))
	if period == nil {
		period = el("effectiveTime", nil, timeElement("low", w.effective()))
	}
	kind := codeElement("code", w.encounter.Get("type").At(1))
	if kind == nil {
		kind = el("code", at("code", codeEncounter, "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.326"))
	}
	e.add(kind, period, w.disposition())
	attended := false
	for role := range w.taking("ATND") {
		e.add(el("responsibleParty", at("typeCode", "RESP"), contentID("COCD_TP145210GB01#AssignedEntity"),
			w.person("assignedEntity", role, "COCD_TP145210GB01#AssignedEntity")))
		attended = true
		break // the schema takes one
	}
	e.add(w.encounterParticipants(attended)...)
	e.add(w.incident())
	return el("componentOf", at("typeCode", "COMP"), contentID("COCD_TP146232GB01#EncompassingEncounter"), e)
}

// journey is the id that goes with the patient from service to service.
func (w *documentWriter) journey() *xmlElement {
	episode := w.encounter.Get("episodeOfCare").At(0)
	if id, ok := strings.CutPrefix(episode.Get("reference").Text(), "EpisodeOfCare/"); ok {
		return el("id", at("root", oidJourney, "extension", strings.ToUpper(id)))
	}
	if value := episode.Dig("identifier", "value").Text(); value != "" {
		return el("id", at("root", oidJourney, "extension", value))
	}
	return nil
}

// caseIDs writes the encounter's identifiers; those whose system has no OID as
// local case ids of whoever gave them.
func caseIDs(ids fhir.Value) []*xmlElement {
	var out []*xmlElement
	for id := range ids.Items() {
		e := idElement(id)
		if value := id.Get("value").Text(); e == nil && value != "" {
			e = el("id", at("root", oidCaseID, "extension", value,
				"assigningAuthorityName", orElse(id.Dig("assigner", "display").Text(), id.Get("system").Text())))
		}
		if e != nil {
			out = append(out, e)
		}
	}
	return out
}

// dispositionText is what mapReport says beside the code, which needs no words.
const dispositionText = "Pathways Assessment DX Code"

// disposition is the first Pathways outcome of the plan.
func (w *documentWriter) disposition() *xmlElement {
	e, _ := w.dispositionOf()
	return e
}

// dispositionOf is the disposition and the outcome that says it.
func (w *documentWriter) dispositionOf() (e *xmlElement, from fhir.Value) {
	const name = "dischargeDispositionCode"
	var other *xmlElement
	var otherFrom fhir.Value
	for activity := range w.plan.Get("activity").Items() {
		for outcome := range activity.Get("outcomeCodeableConcept").Items() {
			coding := outcome.Get("coding").At(0)
			system := coding.Get("system").Text()
			if outcome.Get("coding").Len() == 0 || beside[system] {
				continue
			}
			e := codeElement(name, outcome)
			if e == nil || len(e.attrs) == 0 || e.attrs[0].name != "code" {
				continue
			}
			e.children = slices.DeleteFunc(e.children, func(c *xmlElement) bool { return c.name == "originalText" && c.text == dispositionText })
			if system == nhs.SystemDxCodes {
				if text := outcome.Get("text").Text(); text != dispositionText && coding.Get("display").Text() == "" {
					e.attrs = append(e.attrs, at("displayName", text)...)
					e.children = slices.DeleteFunc(e.children, func(c *xmlElement) bool { return c.name == "originalText" })
				}
				return e, outcome
			}
			if other == nil {
				other, otherFrom = e, outcome
			}
		}
	}
	return other, otherFrom
}

// pathwaysValue writes a symptom group or discriminator as the value of a
// discriminator entry, which reading makes an outcome again; nil of other codes.
func pathwaysValue(coding fhir.Value) *xmlElement {
	code := coding.Get("code").Text()
	prefix := map[string]string{codeSystemBase + "pathways-sg-codes": "SG", codeSystemBase + "pathways-sd-codes": "SD"}[coding.Get("system").Text()]
	if prefix == "" || !strings.HasPrefix(strings.ToUpper(code), prefix) {
		return nil
	}
	return el("value", at("code", code, "codeSystem", oidPathways, "displayName", coding.Get("display").Text()))
}

// outcomeTexts are what mapReport says beside codes, which need no words.
var outcomeTexts = []string{"", dispositionText, "Pathways Assessment SG Code", "Pathways Assessment SD Code"}

// outcomeWords is what of an outcome has only words: all but the disposition's own
// words, which are told, and what is an entry.
func outcomeWords(outcome fhir.Value, disposition bool, told ...string) string {
	var words []string
	if text := outcome.Get("text").Text(); !slices.Contains(append(told, outcomeTexts...), text) {
		words = append(words, text)
	}
	for coding := range outcome.Get("coding").Items() {
		if pathwaysValue(coding) != nil || disposition && codingElement("code", coding) != nil {
			continue
		}
		code := strings.TrimSpace(coding.Get("code").Text() + " " + coding.Get("display").Text())
		if code != "" && !slices.Contains(words, code) {
			words = append(words, code)
		}
	}
	return strings.Join(words, " ")
}

// beside are the systems of outcomes that stand beside the disposition.
var beside = map[string]bool{codeSystemBase + "pathways-sg-codes": true, codeSystemBase + "pathways-sd-codes": true,
	"urn:oid:2.16.840.1.113883.2.1.3.2.4.17.329": true}

// incident is the place where the patient is, when the referral names one.
func (w *documentWriter) incident() *xmlElement {
	for _, place := range w.all("Location") {
		kind := place.Get("type").At(0)
		if fhir.CodeOf(kind, codeSystemBase+"location-types-bars") != "ILOC" {
			continue
		}
		facility := el("healthCareFacility", at("classCode", "ISDLOC"), templateID("COCD_TP145222GB02#HealthCareFacility"))
		facility.add(idElements(place.Get("identifier"), true)...)
		if setting := kind.Get("text").Text(); setting != "" {
			facility.add(el("code", at("nullFlavor", "OTH", "displayName", setting)))
		}
		keeper := w.follow(place.Get("managingOrganization"))
		locator := place.Get("description").Text()
		for ext := range place.Get("extension").Items() {
			if ext.Get("url").Text() == profileBase+"LocationExtension" {
				locator = strings.TrimSpace(grid(ext) + " " + locator)
			}
		}
		title := textEl("name", place.Get("name").Text())
		if title == nil {
			title = el("name", at("nullFlavor", "NI"))
		}
		facility.add(el("location", at("classCode", "PLC", "determinerCode", "INSTANCE"), title,
			addressElement(place.Get("address"), textEl("additionalLocator", locator))))
		if keeper.Exists() {
			facility.add(w.organisation("serviceProviderOrganization", keeper))
		}
		return el("location", at("typeCode", "LOC"), contentID("COCD_TP145222GB02#HealthCareFacility"), facility)
	}
	return nil
}

// placeInWords says what of the incident's place CDA has no element for: the UPRN,
// what3words, accuracy, and latitude and longitude.
func (w *documentWriter) placeInWords() string {
	var said []string
	for _, place := range w.all("Location") {
		said = append(said, w.besideGrid(place)...)
	}
	if len(said) == 0 {
		return ""
	}
	return "Place of the incident: " + strings.Join(said, ", ")
}

// besideGrid is what an incident's place says beside address and grid reference.
func (w *documentWriter) besideGrid(place fhir.Value) []string {
	if fhir.CodeOf(place.Get("type").At(0), codeSystemBase+"location-types-bars") != "ILOC" {
		return nil
	}
	speech := speaker{w: w, left: maxWordCount}
	said := []string{}
	for ext := range place.Get("extension").Items() {
		whole := grid(ext) != ""
		for part := range ext.Get("extension").Items() {
			if name := part.Get("url").Text(); !whole || name != "eastings" && name != "northings" {
				said = append(said, strings.TrimSpace(label(name)+" "+part.Get("valueString").Text()))
			}
		}
	}
	said = append(said, speech.words(place.Get("position"), 0))
	return slices.DeleteFunc(said, func(s string) bool { return s == "" })
}

// grid writes eastings and northings as the additionalLocator that 111 uses.
func grid(ext fhir.Value) string {
	parts := map[string]string{}
	for part := range ext.Get("extension").Items() {
		parts[part.Get("url").Text()] = part.Get("valueString").Text()
	}
	if parts["eastings"] == "" || parts["northings"] == "" {
		return ""
	}
	return "X" + parts["eastings"] + ",Y" + parts["northings"]
}
