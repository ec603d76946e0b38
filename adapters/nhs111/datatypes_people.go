package nhs111

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// uses are the codes of a use attribute, which is a set (HL7 v3, SET<CS>).
func uses(n *xmltree.Node) []string { return strings.Fields(n.Attr("use")) }

// useOf gives the first code that has a FHIR use.
func useOf(n *xmltree.Node, known map[string]string) string {
	for _, code := range uses(n) {
		if use := known[code]; use != "" {
			return use
		}
	}
	return ""
}

// usesSaid notes the codes that FHIR has no use for. kinds are what else is read of
// them; how a name or an address is written (ABC, SYL, IDE) can be seen.
func (m *mapper) usesSaid(n *xmltree.Node, known, kinds map[string]string) {
	for _, code := range uses(n) {
		if known[code] == "" && kinds[code] == "" && code != "ABC" && code != "SYL" && code != "IDE" {
			m.omit("//"+n.Local+"/@use", "FHIR has no such use")
		}
	}
}

// nameUses are EntityNameUse codes.
var nameUses = map[string]string{"L": "official", "PREFERRED": "usual", "A": "nickname", "PREVIOUS": "old",
	"PREVIOUS-BIRTH": "old", "PREVIOUS-BACHELOR": "old", "PREVIOUS-MAIDEN": "maiden"}

// name maps a person's name: its parts, or the plain text that senders use. use
// is for a name that doesn't say its own.
func (m *mapper) name(n *xmltree.Node, use, path string) *fhir.Object {
	if n == nil {
		return nil
	}
	parts := []any{"text", oneLine(n.Content()), "family", strings.Join(contents(n.All("family")), " "), "given", contents(n.All("given")),
		"prefix", contents(n.All("prefix")), "suffix", contents(n.All("suffix"))}
	if fhir.Obj(parts...).Empty() {
		return nil
	}
	m.usesSaid(n, nameUses, nil)
	parts = append([]any{"use", orElse(useOf(n, nameUses), use)}, parts...)
	return fhir.Obj(parts...).Set("period", m.interval(n.Child("validTime"), path+"/validTime"))
}

// interval maps an IVL_TS; one that gives a point only begins there. A
// useablePeriod or validTime that can't be read is no reason to refuse a report.
func (m *mapper) interval(n *xmltree.Node, path string) *fhir.Object {
	if n == nil {
		return nil
	}
	read := func(part *xmltree.Node, name string) hl7Time {
		value := strings.TrimSpace(part.Attr("value"))
		if value == "" {
			return hl7Time{}
		}
		t, err := parseHL7Time(value)
		if err != nil {
			m.omit(path+name+"/@value", "it can't be read")
		}
		return t
	}
	low, high := read(n.Child("low"), "/low"), read(n.Child("high"), "/high")
	if low.zero() {
		low = read(n, "")
	}
	if low.zero() && high.zero() {
		return nil
	}
	return m.period(low, high, path)
}

// telecom is a contact point without its URI scheme.
type telecom struct {
	System, Value, Use string
	period             *fhir.Object
	called             bool
}

// emergency says whether the sender marked the number for emergencies, which
// 111 uses for the number to call back.
func (t telecom) emergency() bool { return t.called }

func (t telecom) phone() bool { return t.System == "phone" }

func (t telecom) object(rank int) *fhir.Object {
	o := fhir.Obj("system", t.System, "value", t.Value, "use", t.Use)
	if rank > 0 {
		o.Set("rank", rank)
	}
	return o.Set("period", t.period)
}

var (
	telecomKinds = map[string]string{"tel": "phone", "fax": "fax", "x-fax": "fax", "mailto": "email", "sms": "sms"}
	telecomUse   = map[string]string{"H": "home", "HV": "home", "HP": "home", "MC": "mobile", "WP": "work"}
	telecomMarks = map[string]string{"EC": "emergency", "PG": "pager"}
)

// telecoms maps each TEL of a role.
func (m *mapper) telecoms(nodes []*xmltree.Node, path string) []telecom {
	var out []telecom
	for _, n := range nodes {
		value := strings.TrimSpace(n.Attr("value"))
		t := telecom{System: "other", Value: value, Use: useOf(n, telecomUse), called: slices.Contains(uses(n), "EC")}
		if scheme, rest, found := strings.Cut(value, ":"); !found && strings.Contains(value, "@") {
			t.System = "email"
		} else if !found {
			t.System = "phone"
		} else if kind := telecomKinds[strings.ToLower(scheme)]; kind != "" {
			t.System, t.Value = kind, strings.TrimSpace(rest)
		} else if web := strings.ToLower(scheme); web == "http" || web == "https" {
			t.System = "url"
		}
		if t.System == "phone" && slices.Contains(uses(n), "PG") {
			t.System = "pager"
		}
		if t.Value == "" {
			continue
		}
		m.usesSaid(n, telecomUse, telecomMarks)
		t.period = m.interval(n.Child("useablePeriod"), path+"/telecom/useablePeriod")
		out = append(out, t)
	}
	return out
}

func telecomObjects(all []telecom) []*fhir.Object {
	var out []*fhir.Object
	for _, t := range all {
		out = append(out, t.object(0))
	}
	return out
}

// addressUse and addressKind are PostalAddressUse codes.
var (
	addressUse  = map[string]string{"H": "home", "HP": "home", "HV": "home", "WP": "work", "TMP": "temp", "BAD": "old"}
	addressKind = map[string]string{"PHYS": "physical", "PST": "postal"}
)

// lineParts are the parts of an AD that make its lines, beside
// streetAddressLine.
var lineParts = names("houseNumber houseNumberNumeric direction streetName streetNameBase streetNameType unitType unitID carrier " +
	"additionalLocator precinct censusTract")

// address maps an AD; nil where it is null or empty. Parts without a place in
// FHIR become lines, so that nothing of where somebody is gets lost.
func (m *mapper) address(n *xmltree.Node, path string, apart ...string) *fhir.Object {
	if n == nil {
		return nil
	}
	lines := contents(n.All("streetAddressLine"))
	for _, part := range n.Elements() {
		if text := oneLine(part.Content()); text != "" && lineParts[part.Local] && part.Space == n.Space && !slices.Contains(apart, part.Local) {
			lines = append(lines, text)
		}
	}
	joined := func(part string) string { return strings.Join(contents(n.All(part)), ", ") }
	text := oneLine(n.Content())
	if desc := joined("desc"); desc != "" {
		text = strings.TrimPrefix(text+", "+desc, ", ")
	}
	parts := []any{"text", text, "line", lines, "city", joined("city"), "district", joined("county"), "state", joined("state"),
		"postalCode", joined("postalCode"), "country", joined("country")}
	if fhir.Obj(parts...).Empty() {
		return nil
	}
	m.usesSaid(n, addressUse, addressKind)
	use := useOf(n, addressUse)
	if slices.Contains(uses(n), "BAD") { // whatever it was for, nobody is there
		use = addressUse["BAD"]
	}
	parts = append([]any{"use", use, "type", useOf(n, addressKind)}, parts...)
	return fhir.Obj(parts...).Set("period", m.interval(n.Child("useablePeriod"), path+"/addr/useablePeriod"))
}

func (m *mapper) addresses(nodes []*xmltree.Node, path string) []*fhir.Object {
	var out []*fhir.Object
	for _, n := range nodes {
		if o := m.address(n, path); o != nil {
			out = append(out, o)
		}
	}
	return out
}
