package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const (
	oidMaritalStatus = "2.16.840.1.113883.5.2"   // HL7 v3 MaritalStatus
	oidRoleCode      = "2.16.840.1.113883.5.111" // HL7 v3 RoleCode
	maritalCodes     = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
)

// rootOf is the OID or UUID of a FHIR system; "" where it has none.
func rootOf(system string) string {
	switch nhs.Canonical(system) {
	case nhs.SystemNHSNumber:
		return oidVerified
	case nhs.SystemODS:
		return oidODS
	case nhs.SystemODSSite:
		return oidODSSite
	case nhs.SystemSDSUser:
		return oidSDSUser
	case nhs.SystemSDSRole:
		return oidSDSRole
	case nhs.SystemSNOMED:
		return oidSNOMED
	case nhs.SystemDxCodes:
		return oidDx
	case systemLanguage:
		return oidLanguage
	case roleCodes:
		return oidRoleCode
	case maritalCodes:
		return oidMaritalStatus
	}
	if oid, ok := strings.CutPrefix(system, "urn:oid:"); ok && oidForm.MatchString(oid) {
		return oid
	}
	if uuid, ok := strings.CutPrefix(system, "urn:uuid:"); ok && fhir.ValidUUID(uuid) {
		return strings.ToUpper(uuid)
	}
	return ""
}

// idElement writes an identifier as II; nil where CDA can't hold it.
func idElement(id fhir.Value) *xmlElement {
	system, value := id.Get("system").Text(), id.Get("value").Text()
	if system == systemURI {
		root := rootOf(value)
		if root == "" {
			return nil
		}
		return el("id", at("root", root))
	}
	root := rootOf(system)
	if named := orElse(id.Dig("type", "text").Text(), value); system == "" && nameForm.MatchString(named) {
		if root = named; root == value {
			value = ""
		}
		return el("id", at("root", root, "extension", value))
	}
	if root == "" || value == "" {
		return nil
	}
	return el("id", at("root", root, "extension", value, "assigningAuthorityName", id.Dig("assigner", "display").Text()))
}

// idElements writes the identifiers that CDA can hold; one that says that there
// is none where need be.
func idElements(ids fhir.Value, needed bool) []*xmlElement {
	var out []*xmlElement
	for id := range ids.Items() {
		if id.Get("use").Text() == "temp" && id.Get("system").Text() == systemURI {
			continue // one that reading a report made
		}
		if e := idElement(id); e != nil {
			out = append(out, e)
		}
	}
	if len(out) == 0 && needed {
		out = append(out, unknownID())
	}
	return out
}

// organisationIDs writes the codes of an organisation: a site code stands for
// the organisation code that equals it. Further site codes are of the role.
func organisationIDs(ids fhir.Value) (own, beside []*xmlElement) {
	organisations := map[string]bool{}
	sites := map[string]bool{}
	for id := range ids.Items() {
		switch nhs.Canonical(id.Get("system").Text()) {
		case nhs.SystemODS:
			organisations[id.Get("value").Text()] = true
		case nhs.SystemODSSite:
			sites[id.Get("value").Text()] = true
		}
	}
	for id := range ids.Items() {
		e, value := idElement(id), id.Get("value").Text()
		switch system := nhs.Canonical(id.Get("system").Text()); {
		case e == nil, system == nhs.SystemODS && sites[value]:
		case system == nhs.SystemODSSite && !organisations[value] && len(organisations) > 0:
			beside = append(beside, e)
		default:
			own = append(own, e)
		}
	}
	return own, beside
}

// codeElement writes a CodeableConcept as one of CDA's coded types: its first
// coding whose system has an OID, else its words. Codings that are words alone
// become translations that are.
func codeElement(name string, concept fhir.Value) *xmlElement {
	text := concept.Get("text").Text()
	var first *xmlElement
	var display string
	var others, words []*xmlElement
	for coding := range concept.Get("coding").Items() {
		said := coding.Get("display").Text()
		switch e := codingElement("translation", coding); {
		case e == nil && coding.Get("code").Text() == "" && said != "" && said != text:
			words = append(words, wordsElement("translation", said))
		case e == nil:
			text = orElse(text, said)
		case first == nil:
			e.name = name
			first, display = e, said
		default:
			others = append(others, e)
		}
	}
	switch {
	case first != nil:
		if text != display {
			first.add(textEl("originalText", text))
		}
		return first.add(others...).add(words...)
	case text == "" && len(words) == 0:
		return nil
	case len(words) > 0: // the element's own name stands beside its words
		first, words = words[0], words[1:]
		first.name = name
	default:
		first = el(name, at("nullFlavor", "OTH"))
	}
	return first.add(textEl("originalText", text)).add(words...)
}

// wordsElement is a coded value without a code.
func wordsElement(name, words string) *xmlElement {
	return el(name, at("nullFlavor", "OTH", "displayName", words))
}

// codingElement writes a Coding; nil where its system has no OID.
func codingElement(name string, coding fhir.Value) *xmlElement {
	system, code := coding.Get("system").Text(), coding.Get("code").Text()
	root := rootOf(system)
	if root == "" && system != "" || code == "" {
		return nil
	}
	return el(name, at("code", code, "codeSystem", root, "codeSystemVersion", coding.Get("version").Text(), "displayName", coding.Get("display").Text()))
}

var nameUseCodes = map[string]string{"official": "L", "usual": "PREFERRED", "nickname": "A", "old": "PREVIOUS", "maiden": "PREVIOUS-MAIDEN"}

// nameElement writes a HumanName: its parts, else its text.
func nameElement(name fhir.Value) *xmlElement {
	e := el("name", at("use", nameUseCodes[name.Get("use").Text()]))
	for _, part := range []string{"prefix", "given"} {
		for v := range name.Get(part).Items() {
			e.add(textEl(part, v.Text()))
		}
	}
	e.add(textEl("family", name.Get("family").Text()))
	for v := range name.Get("suffix").Items() {
		e.add(textEl("suffix", v.Text()))
	}
	if e.text = name.Get("text").Text(); e.text == "" && len(e.children) == 0 {
		return nil
	}
	return e.add(periodElement("validTime", name.Get("period")))
}

// nameElements writes names; the first of a patient is the official one unless it
// says otherwise.
func nameElements(names fhir.Value, firstUse string) []*xmlElement {
	var out []*xmlElement
	for name := range names.Items() {
		e := nameElement(name)
		if e != nil && len(out) == 0 && firstUse != "" && name.Get("use").Text() == firstUse {
			e.attrs = nil
		}
		out = append(out, e)
	}
	return out
}

var (
	telecomSchemes = map[string]string{"phone": "tel:", "pager": "tel:", "fax": "fax:", "email": "mailto:", "sms": "sms:"}
	telecomUses    = map[string]string{"home": "H", "mobile": "MC", "work": "WP"}
	addressUses    = map[string]string{"home": "H", "work": "WP", "temp": "TMP", "old": "BAD"}
	addressKinds   = map[string]string{"physical": "PHYS", "postal": "PST"}
)

// telecomElement writes a ContactPoint. emergency marks it as the number to
// call, in place of a use. An old one is nothing to call, see oldContacts.
func telecomElement(t fhir.Value, emergency bool) *xmlElement {
	value := t.Get("value").Text()
	if value == "" || t.Get("use").Text() == "old" && !emergency {
		return nil
	}
	use := telecomUses[t.Get("use").Text()]
	if t.Get("system").Text() == "pager" {
		use = strings.TrimSpace(use + " PG")
	}
	if emergency {
		use = "EC"
	}
	return el("telecom", at("value", telecomSchemes[t.Get("system").Text()]+value, "use", use), periodElement("useablePeriod", t.Get("period")))
}

func telecomElements(telecoms fhir.Value) []*xmlElement {
	var out []*xmlElement
	for t := range telecoms.Items() {
		out = append(out, telecomElement(t, false))
	}
	return out
}

func addressElement(a fhir.Value, more ...*xmlElement) *xmlElement {
	use := strings.TrimSpace(addressUses[a.Get("use").Text()] + " " + addressKinds[a.Get("type").Text()])
	e := el("addr", at("use", use))
	for line := range a.Get("line").Items() {
		e.add(textEl("streetAddressLine", line.Text()))
	}
	e.add(textEl("city", a.Get("city").Text()), textEl("county", a.Get("district").Text()), textEl("state", a.Get("state").Text()),
		textEl("postalCode", a.Get("postalCode").Text()), textEl("country", a.Get("country").Text()))
	if len(e.children) == 0 {
		e.text = a.Get("text").Text()
	} else {
		e.add(textEl("desc", a.Get("text").Text()))
	}
	e.add(more...)
	if e.text == "" && len(e.children) == 0 {
		return nil
	}
	return e.add(periodElement("useablePeriod", a.Get("period")))
}

func addressElements(addresses fhir.Value) []*xmlElement {
	var out []*xmlElement
	for a := range addresses.Items() {
		out = append(out, addressElement(a))
	}
	return out
}

// hl7Value writes a FHIR date, dateTime or instant as TS, in UTC where it has a
// time of day; "" for what can't be read.
func hl7Value(s string) string {
	if len(s) == 4 || len(s) == 7 || len(s) == 10 {
		return strings.ReplaceAll(s, "-", "")
	}
	t, err := fhir.ParseInstant(s)
	if err != nil {
		return ""
	}
	layout := "20060102150405+0000"
	if t.Nanosecond() != 0 {
		layout = "20060102150405.000+0000"
	}
	return t.UTC().Format(layout)
}

func timeElement(name, dateTime string) *xmlElement {
	value := hl7Value(dateTime)
	if value == "" {
		return nil
	}
	return el(name, at("value", value))
}

// periodElement writes a Period as IVL_TS.
func periodElement(name string, period fhir.Value) *xmlElement {
	e := el(name, nil, timeElement("low", period.Get("start").Text()), timeElement("high", period.Get("end").Text()))
	if len(e.children) == 0 {
		return nil
	}
	return e
}
