package nhs111

import (
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

const queryProfile = "urn:nhs-en:profile:IntegratedUrgentCareRepeatCallerQuery-v2-1"

// responseProfiles are the profiles of a repeat caller query, and of its answer:
// those of Integrated Urgent Care 3.0 and of NHS 111 1.0 before it, which have the
// same messages (QUPA_MT000001GB01, PRPA_MT000001GB01).
var responseProfiles = map[string]string{
	queryProfile: "urn:nhs-en:profile:IntegratedUrgentCareRepeatCallerResponse-v2-1",
	"urn:nhs-en:profile:nhs111RepeatCallerQuery-v1-0": "urn:nhs-en:profile:nhs111RepeatCallerResponse-v1-0",
}

const (
	queryInteraction = "nhs111RepeatCallerSyncQueryResp-v1-0"
	verifiedOID      = "2.16.840.1.113883.2.1.4.1" // NHS numbers that were traced
)

// callerQuery is a RepeatCallerQuery (QUPA_MT000001GB01): who is it, and may the
// asker see what is found.
type callerQuery struct {
	root *xmltree.Node
	ID   string

	Number                         string // a verified NHS number
	Family, Given, Postcode, Birth string // Birth is YYYY-MM-DD
	MayView                        bool
}

// readQuery reads the query of a message. The fault names the element.
func readQuery(root *xmltree.Node) (*callerQuery, *fault) {
	q := &callerQuery{root: root, ID: root.Child("id").Attr("root")}
	if !fhir.ValidUUID(q.ID) {
		return nil, refuse(textSchema, "RepeatCallerQuery/id: must be a UUID")
	}
	person := root.Child("query")
	for _, name := range queryParts {
		if len(person.All("person."+name)) > 1 {
			return nil, refuse(textSchema, "RepeatCallerQuery/query/person."+name+": may stand once")
		}
	}
	value := func(name string) *xmltree.Node { return person.Child("person."+name, "value") }
	q.Family, q.Given, q.Postcode = value("familyName").Content(), value("givenName").Content(), postcode(value("postalCode").Content())
	if birth := value("birthTime").Attr("value"); birth != "" {
		date, err := birthDate(birth)
		if err != nil {
			return nil, refuse(textSchema, "RepeatCallerQuery/query/person.birthTime: must be a date")
		}
		q.Birth = date
	}
	if id := value("id"); id.Attr("root") == verifiedOID {
		number := nhs.ParseNHSNumber(id.Attr("extension"))
		if !number.Valid() {
			return nil, refuse(textSchema, "RepeatCallerQuery/query/person.id: must be an NHS number")
		}
		q.Number = string(number)
	}
	switch permission(root).Child("value").Attr("code") {
	case "01", "02": // obtained; emergency access
		q.MayView = true
	}
	return q, nil
}

var queryParts = []string{"birthTime", "familyName", "givenName", "id", "postalCode", "streetAddressLine1"}

// permission is the observation PermissionToView of a query; nil where there is
// none.
func permission(root *xmltree.Node) *xmltree.Node {
	return root.Child("pertinentInformation", "COCD_TP146050GB01.PermissionToView")
}

// postcode is how postcodes are compared.
func postcode(s string) string { return strings.ToUpper(strings.Join(strings.Fields(s), "")) }

// enough says whether a person can be looked for: by a verified NHS number, or
// by family name, date of birth and postcode.
func (q *callerQuery) enough() bool {
	return q.Number != "" || q.Family != "" && q.Birth != "" && q.Postcode != ""
}

// answerQuery answers a repeat caller query from the reports that we hold.
func (d *door) answerQuery(r *http.Request, x *exchange) error {
	e := x.envelope
	if _, f := d.sender(r, e); f != nil {
		return f
	}
	if d.Reports == nil {
		return refuseOperation("repeat caller queries")
	}
	found, f := e.payloadsNamed(x.text, "RepeatCallerQuery")
	if f != nil {
		return f
	}
	if len(found) != 1 {
		return refuse(textSchema, "payloads: a repeat caller query holds one RepeatCallerQuery")
	}
	q, f := readQuery(found[0].Root)
	if f != nil {
		return f
	}
	result, err := d.repeatCaller(r.Context(), q)
	if err != nil {
		d.Log.Error("nhs111: a repeat caller query failed", "cause", fhir.AsOutcome(err).Cause)
		result = caller{code: "ER"} // the message was right; the answer says that we failed
	}
	x.reply = d.answering(e, e.Service+successActionSuffix, queryInteraction)
	x.reply.Profile = responseProfiles[found[0].Profile]
	x.reply.Payload = d.queryResponse(q, result, x.reply)
	return nil
}

// answerNames are the repeat caller response types (2.16.840.1.113883.2.1.3.2.4.17.421).
var answerNames = map[string]string{
	"RC":  "Repeat Caller",
	"NRC": "Not Repeat Caller",
	"PRC": "Potential Repeat Caller",
	"IIQ": "Insufficient Information for Query",
	"ER":  "Repeat Caller Service Error",
}

// queryResponse is the RepeatCallerResponse (PRPA_MT000001GB01).
func (d *door) queryResponse(q *callerQuery, c caller, out *distribution) string {
	organisation := out.From.URI[strings.LastIndexByte(out.From.URI, ':')+1:]
	asker := q.root.Child("author", "COCD_TP145200GB01.AssignedAuthor")
	askers := asker.Child("representedOrganization")
	var b strings.Builder
	b.WriteString(`<RepeatCallerResponse xmlns="` + nsHL7 + `" xmlns:npfitlc="` + nsNPFIT + `" classCode="OBS" moodCode="EVN">` +
		`<code code="02" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.420"/><effectiveTime value="` + d.Clock().UTC().Format("20060102150405") + `+0000"/>` +
		`<id root="` + out.PayloadID + `"/><value code="` + c.code + `" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.421" displayName="` + answerNames[c.code] + `"/>`)
	b.WriteString(`<author typeCode="AUT" contextControlCode="OP">` + content("COCD_TP145208GB01#AssignedAuthor") +
		`<COCD_TP145208GB01.AssignedAuthor classCode="ASSIGNED"><code nullFlavor="NA"/><id nullFlavor="NA"/>` + template("COCD_TP145208GB01#AssignedAuthor") +
		organisationXML(organisation, organisation, "COCD_TP145208GB01") + `</COCD_TP145208GB01.AssignedAuthor></author>`)
	b.WriteString(`<primaryInformationRecipient typeCode="PRCP" contextControlCode="OP">` + content("COCD_TP145202GB02#IntendedRecipient") +
		`<COCD_TP145202GB02.IntendedRecipient classCode="ASSIGNED"><id nullFlavor="NA"/>` + template("COCD_TP145202GB02#IntendedRecipient") +
		organisationXML(askers.Child("id").Attr("extension"), askers.Child("name").Content(), "COCD_TP145202GB02") + `</COCD_TP145202GB02.IntendedRecipient></primaryInformationRecipient>`)
	b.WriteString(`<reference typeCode="REFR" contextConductionInd="false"><seperatableInd value="false"/><referredToRequest classCode="CACT" moodCode="EVN"><id root="` +
		strings.ToUpper(q.ID) + `"/></referredToRequest></reference>`)
	for _, document := range c.documents {
		b.WriteString(`<subject typeCode="SUBJ" contextConductionInd="false">` + content("POCD_MT200001GB02#ClinicalDocument") +
			`<seperatableInd value="true"/>` + document + `</subject>`)
	}
	b.WriteString(`</RepeatCallerResponse>`)
	return b.String()
}

func content(name string) string {
	return `<npfitlc:contentId root="` + contentRoot + `" extension="` + name + `"/>`
}

func organisationXML(code, name, of string) string {
	return `<representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="` + odsOrganisationOID + `" extension="` + xmltree.EscapeAttr(code) + `"/><name>` +
		xmltree.EscapeText(name) + `</name>` + template(of+"#representedOrganization") + `</representedOrganization>`
}
