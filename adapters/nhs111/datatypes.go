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

	systemURI      = "urn:ietf:rfc:3986"
	systemLanguage = "https://fhir.hl7.org.uk/CodeSystem/UKCore-HumanLanguage"
	relateSelf     = "21" // of oidRelation
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
		return systemLanguage, true
	}
	switch {
	case oidForm.MatchString(root):
		return "urn:oid:" + root, true
	case fhir.ValidUUID(root):
		return "urn:uuid:" + strings.ToLower(root), true
	}
	return "", nameForm.MatchString(root)
}

// identifier maps an II; nil where it is null, be it in a namespace. A root
// without extension is the identifier itself.
func (p *problems) identifier(id *xmltree.Node, path string) *fhir.Object {
	root, extension := id.Attr("root"), strings.TrimSpace(id.Attr("extension"))
	if root == "" || extension == "" && id.Attr("nullFlavor") != "" {
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
		system, extension = systemURI, system
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
	return fhir.Obj("system", system, "version", oneLine(code.Attr("codeSystemVersion")), "code", value,
		"display", strings.TrimSpace(code.Attr("displayName")))
}

// codings are the code and its translations, to any depth. Words that stand
// beside the code's own, or in place of a translation's code, are codings too.
func (p *problems) codings(code *xmltree.Node, path string) []*fhir.Object {
	out := list(p.coding(code, path))
	if name := strings.TrimSpace(code.Attr("displayName")); len(out) == 0 && name != codeText(code) {
		out = list(fhir.Obj("display", name))
	}
	for _, other := range code.AllIn(nsHL7, "translation") {
		path := path + "/translation"
		all := p.codings(other, path)
		if words := codeText(other); words != "" && (p.coding(other, path) == nil || words != strings.TrimSpace(other.Attr("displayName"))) {
			all = append(all, fhir.Obj("display", words))
		}
		out = append(out, all...)
	}
	return out
}

// concept is a coded value as a CodeableConcept with its text.
func (p *problems) concept(code *xmltree.Node, path string) *fhir.Object {
	codings := p.codings(code, path)
	text := codeText(code)
	if len(codings) == 0 && text == "" {
		return nil
	}
	return fhir.Obj("coding", codings, "text", text)
}

// codeText is what a coded value says in words.
func codeText(code *xmltree.Node) string {
	if all := code.AllIn(nsHL7, "originalText"); len(all) > 0 && all[0].Content() != "" {
		return all[0].Content()
	}
	return strings.TrimSpace(code.Attr("displayName"))
}

// list makes a slice of one, or none where o is nil.
func list(o *fhir.Object) []*fhir.Object {
	if o.Empty() {
		return nil
	}
	return []*fhir.Object{o}
}

// contents are the texts of elements, without empty ones.
func contents(nodes []*xmltree.Node) []string {
	var out []string
	for _, n := range nodes {
		if text := oneLine(n.Content()); text != "" {
			out = append(out, text)
		}
	}
	return out
}
