package nhs111

import (
	"regexp"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// Object identifiers of identifier namespaces (ITK vocabulary).
const (
	oidVerified    = "2.16.840.1.113883.2.1.4.1"
	oidUnverified  = "2.16.840.1.113883.2.1.3.2.4.18.23"
	oidLocalPerson = "2.16.840.1.113883.2.1.3.2.4.18.24"
	oidODS         = "2.16.840.1.113883.2.1.3.2.4.19.1"
	oidODSSite     = "2.16.840.1.113883.2.1.3.2.4.19.2"
	oidCaseRef     = "2.16.840.1.113883.2.1.3.2.4.18.34"
	oidCaseID      = "2.16.840.1.113883.2.1.3.2.4.18.35"
	oidJourney     = "2.16.840.1.113883.2.1.3.2.4.18.49"
	oidSDSUser     = "1.2.826.0.1285.0.2.0.65"
	oidSDSRole     = "1.2.826.0.1285.0.2.0.67"
	oidSNOMED      = "2.16.840.1.113883.2.1.3.2.4.15"
	oidSNOMEDExpr  = "2.16.840.1.113883.2.1.3.2.4.15.1"
	oidDx          = "2.16.840.1.113883.2.1.3.2.4.17.325"
	oidDxFallback  = "2.16.840.1.113883.2.1.3.2.4.17.414"
	oidPathways    = "2.16.840.1.113883.2.1.3.2.4.24"
	oidGender      = "2.16.840.1.113883.2.1.3.2.4.16.25"
	oidLanguage    = "2.16.840.1.113883.2.1.3.2.4.17.70"
	oidRelation    = "2.16.840.1.113883.2.1.3.2.4.16.45"

	systemURI  = "urn:ietf:rfc:3986"
	relateSelf = "21" // of oidRelation
)

var (
	oidForm = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]*))+$`)
	// The schema's uid is an OID, of a looser form than FHIR's, a UUID or a name
	// that HL7 reserves; senders use names of their own.
	nameForm = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)$`)
)

// systemOf is the FHIR system of a CDA root or codeSystem, "" for a name; ok is
// false for what the schema doesn't take.
func systemOf(root string) (system string, ok bool) {
	switch root {
	case oidVerified, oidUnverified:
		return nhs.SystemNHSNumber, true
	case oidODS:
		return nhs.SystemODS, true
	case oidODSSite:
		return nhs.SystemODSSite, true
	case oidSDSUser:
		return nhs.SystemSDSUser, true
	case oidSDSRole:
		return nhs.SystemSDSRole, true
	case oidSNOMED, oidSNOMEDExpr:
		return nhs.SystemSNOMED, true
	case oidDx, oidDxFallback:
		return nhs.SystemDxCodes, true
	case oidLanguage:
		return "https://fhir.hl7.org.uk/CodeSystem/UKCore-HumanLanguage", true
	}
	switch {
	case oidForm.MatchString(root):
		return "urn:oid:" + root, true
	case fhir.ValidUUID(root):
		return "urn:uuid:" + strings.ToLower(root), true
	}
	return "", nameForm.MatchString(root)
}

// identifier maps an II; nil where it is null. A root without extension is the
// identifier itself.
func (p *problems) identifier(id *xmltree.Node, path string) *fhir.Object {
	root, extension := id.Attr("root"), strings.TrimSpace(id.Attr("extension"))
	if root == "" {
		return nil
	}
	system, ok := systemOf(root)
	if !ok {
		p.add(path+"/@root", "must be an OID, a UUID or a name")
		return nil
	}
	if system == "" && extension != "" {
		return fhir.Obj("type", fhir.Obj("text", root), "value", extension)
	}
	if system == "" {
		return fhir.Obj("value", root)
	}
	if extension == "" {
		if !strings.HasPrefix(system, "urn:") {
			return nil // a namespace that names nobody
		}
		return fhir.Obj("system", systemURI, "value", system)
	}
	o := fhir.Obj("system", system, "value", extension)
	if assigner := id.Attr("assigningAuthorityName"); assigner != "" {
		o.Set("assigner", fhir.Obj("display", assigner))
	}
	return o
}

// identifiers maps each id of a role or an act.
func (p *problems) identifiers(ids []*xmltree.Node, path string) []*fhir.Object {
	var out []*fhir.Object
	for _, id := range ids {
		if o := p.identifier(id, path); o != nil {
			out = append(out, o)
		}
	}
	return out
}

// coding maps a coded value; nil where it is null.
func (p *problems) coding(code *xmltree.Node, path string) *fhir.Object {
	value := oneLine(code.Attr("code")) // a FHIR code has single spaces
	if value == "" {
		return nil
	}
	system := ""
	if root := code.Attr("codeSystem"); root != "" {
		var ok bool
		if system, ok = systemOf(root); !ok {
			p.add(path+"/@codeSystem", "must be an OID, a UUID or a name")
			return nil
		}
	}
	return fhir.Obj("system", system, "code", value, "display", strings.TrimSpace(code.Attr("displayName")))
}

// concept is coding as a CodeableConcept with its text.
func (p *problems) concept(code *xmltree.Node, path string) *fhir.Object {
	coding := p.coding(code, path)
	text := code.Child("originalText").Content()
	if text == "" {
		text = strings.TrimSpace(code.Attr("displayName"))
	}
	if coding == nil && text == "" {
		return nil
	}
	return fhir.Obj("coding", list(coding), "text", text)
}

// list makes a slice of one, or none where o is nil.
func list(o *fhir.Object) []*fhir.Object {
	if o.Empty() {
		return nil
	}
	return []*fhir.Object{o}
}

// name maps a person's name: its parts, or the plain text that senders use.
func name(n *xmltree.Node, use string) *fhir.Object {
	if n == nil {
		return nil
	}
	o := &fhir.Object{}
	family := strings.Join(contents(n.All("family")), " ")
	given := contents(n.All("given"))
	o.Set("use", use)
	o.Set("text", oneLine(n.Content()))
	o.Set("family", family).Set("given", given)
	o.Set("prefix", contents(n.All("prefix"))).Set("suffix", contents(n.All("suffix")))
	if family == "" && len(given) == 0 && oneLine(n.Content()) == "" {
		return nil
	}
	return o
}

func contents(nodes []*xmltree.Node) []string {
	var out []string
	for _, n := range nodes {
		if text := oneLine(n.Content()); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// telecom is a contact point without its URI scheme.
type telecom struct{ System, Value, Use, sent string }

// emergency says whether the sender marked the number for emergencies, which
// 111 uses for the number to call back.
func (t telecom) emergency() bool { return t.sent == "EC" }

func (t telecom) phone() bool { return t.System == "phone" }

func (t telecom) object(rank int) *fhir.Object {
	o := fhir.Obj("system", t.System, "value", t.Value, "use", t.Use)
	if rank > 0 {
		o.Set("rank", rank)
	}
	return o
}

// telecoms maps each TEL of a role.
func telecoms(nodes []*xmltree.Node) []telecom {
	var out []telecom
	for _, n := range nodes {
		value := strings.TrimSpace(n.Attr("value"))
		t := telecom{System: "other", Value: value, sent: n.Attr("use")}
		if scheme, rest, found := strings.Cut(value, ":"); found {
			switch strings.ToLower(scheme) {
			case "tel":
				t.System, t.Value = "phone", rest
			case "fax", "x-fax":
				t.System, t.Value = "fax", rest
			case "mailto":
				t.System, t.Value = "email", rest
			case "sms":
				t.System, t.Value = "sms", rest
			case "http", "https":
				t.System = "url"
			}
		} else if value != "" {
			t.System = "phone"
		}
		if t.Value = strings.TrimSpace(t.Value); t.Value == "" {
			continue
		}
		switch t.sent {
		case "H", "HV", "HP":
			t.Use = "home"
		case "MC":
			t.Use = "mobile"
		case "WP":
			t.Use = "work"
		}
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

// address maps an AD; nil where it is null or empty.
func address(n *xmltree.Node) *fhir.Object {
	if n == nil {
		return nil
	}
	lines := contents(n.All("streetAddressLine"))
	for _, part := range []string{"houseNumber", "streetName"} {
		lines = append(lines, contents(n.All(part))...)
	}
	o := &fhir.Object{}
	switch n.Attr("use") {
	case "H", "HP":
		o.Set("use", "home")
	case "WP":
		o.Set("use", "work")
	case "TMP":
		o.Set("use", "temp")
	case "PHYS":
		o.Set("type", "physical")
	}
	text := oneLine(n.Content())
	if desc := n.Child("desc").Content(); desc != "" {
		text = desc
	}
	body := fhir.Obj("text", text, "line", lines, "city", n.Child("city").Content(),
		"district", n.Child("county").Content(), "state", n.Child("state").Content(),
		"postalCode", n.Child("postalCode").Content(), "country", n.Child("country").Content())
	if body.Empty() {
		return nil
	}
	o.Set("text", text).Set("line", lines).Set("city", n.Child("city").Content())
	o.Set("district", n.Child("county").Content()).Set("state", n.Child("state").Content())
	return o.Set("postalCode", n.Child("postalCode").Content()).Set("country", n.Child("country").Content())
}

func addresses(nodes []*xmltree.Node) []*fhir.Object {
	var out []*fhir.Object
	for _, n := range nodes {
		if o := address(n); o != nil {
			out = append(out, o)
		}
	}
	return out
}
