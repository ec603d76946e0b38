package nhs111

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/internal/xmltree"
)

// composedQuery is a RepeatCallerQuery of our own.
const composedQuery = `<RepeatCallerQuery xmlns="urn:hl7-org:v3" classCode="CACT" moodCode="EVN"><code code="01" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.420"/>` +
	`<effectiveTime value="202603021025"/><id root="8A1F0C52-9999-4E6B-9C55-0A1B2C3D4E5F"/>` +
	`<author typeCode="AUT"><COCD_TP145200GB01.AssignedAuthor classCode="ASSIGNED"><id root="1.2.826.0.1285.0.2.0.65" extension="555001"/>` +
	`<representedOrganization classCode="ORG"><id root="2.16.840.1.113883.2.1.3.2.4.19.2" extension="A1001"/><name>Invented &amp; Sons</name></representedOrganization></COCD_TP145200GB01.AssignedAuthor></author>` +
	`<pertinentInformation typeCode="PERT"><COCD_TP146050GB01.PermissionToView classCode="OBS"><value code="01"/></COCD_TP146050GB01.PermissionToView></pertinentInformation>` +
	`<query><person.birthTime><value value="19810629"/></person.birthTime><person.familyName><value>O'Sample</value></person.familyName>` +
	`<person.givenName><value>Ada</value></person.givenName><person.id><value root="2.16.840.1.113883.2.1.4.1" extension="9990057699"/></person.id>` +
	`<person.postalCode><value>zz99 3vz</value></person.postalCode></query></RepeatCallerQuery>`

// asking is the composed report's envelope around a query.
func asking(t *testing.T, edits ...edit) []byte {
	t.Helper()
	text := string(compose(t, edit{"SendNHS111Report-v2-0", "NHS111RepeatCallerSyncQueryResp-v1-0"}, edit{composedSpec, queryInteraction},
		edit{composedProfile, `profileid="` + queryProfile + `"`}))
	text = strings.Replace(text, cut(t, text, "<ClinicalDocument ", "</ClinicalDocument>"), composedQuery, 1)
	for _, e := range edits {
		require.Contains(t, text, e.From)
		text = strings.ReplaceAll(text, e.From, e.To)
	}
	return []byte(text)
}

// fewReports answers every search with what it holds of the type.
type fewReports struct {
	records map[string][]string // by type, JSON
	fail    error
	asked   []string
}

func (f *fewReports) Taken(context.Context, string, string) ([]bars.Taken, error) { return nil, f.fail }

func (f *fewReports) Read(_ context.Context, typ, id string) (*rest.Version, error) {
	for _, text := range f.records[typ] {
		if strings.Contains(text, `"id":"`+id+`"`) {
			return &rest.Version{Type: typ, ID: id, Body: []byte(text)}, nil
		}
	}
	return nil, fhir.NewOutcome(fhir.KindNotFound, "", "there is no such record")
}

func (f *fewReports) Search(_ context.Context, q *search.Query, _ bool) (*rest.Page, error) {
	f.asked = append(f.asked, q.Type)
	page := &rest.Page{}
	for i, text := range f.records[q.Type] {
		page.Versions = append(page.Versions, &rest.Version{Type: q.Type, ID: string(rune('a' + i)), Body: []byte(text)})
	}
	return page, f.fail
}

func patientJSON(id, number, status, family, birth, postcode string) string {
	return `{"resourceType":"Patient","id":"` + id + `","identifier":[{"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus","code":"` + status + `"}]}}],` +
		`"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + number + `"}],"name":[{"family":"` + family + `","given":["Ada"]}],"birthDate":"` + birth + `","address":[{"postalCode":"` + postcode + `"}]}`
}

func documentJSON(patient, binary, label string) string {
	return `{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/` + patient + `"},` +
		`"securityLabel":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"` + label + `"}]}],` +
		`"content":[{"attachment":{"contentType":"application/hl7-cda+xml","url":"Binary/` + binary + `"}},{"attachment":{"contentType":"text/xml","url":"Binary/z"}}]}`
}

func binaryJSON(id string) string {
	cda := `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"><title>Kept report</title></ClinicalDocument>`
	return `{"resourceType":"Binary","id":"` + id + `","contentType":"application/hl7-cda+xml","data":"` + base64.StdEncoding.EncodeToString([]byte(cda)) + `"}`
}

const verifiedStatus = "number-present-and-verified"

func TestARepeatCallerQueryIsAnsweredFromTheReportsThatAreHeld(t *testing.T) {
	me := patientJSON("a", "9990057699", verifiedStatus, "O'Sample", "1981-06-29", "ZZ99 3VZ")
	withoutNumber := edit{`<person.id><value root="2.16.840.1.113883.2.1.4.1" extension="9990057699"/></person.id>`, ""}
	held := func(patients ...string) *fewReports {
		return &fewReports{records: map[string][]string{"Patient": patients, "Binary": {binaryJSON("r1")},
			"DocumentReference": {documentJSON("a", "r1", "N")}}}
	}
	for _, c := range []struct {
		name      string
		edits     []edit
		reports   *fewReports
		code      string
		documents int
	}{
		{"by number, with a report", nil, held(me), "RC", 1},
		{"by number, nobody", nil, &fewReports{}, "NRC", 0},
		{"by number, without a report", nil, &fewReports{records: map[string][]string{"Patient": {me}}}, "NRC", 0},
		{"a number that wasn't traced doesn't count", nil, held(patientJSON("a", "9990057699", "number-present-but-not-traced", "O'Sample", "1981-06-29", "ZZ993VZ")), "NRC", 0},
		{"by name, birth and postcode", []edit{withoutNumber}, held(me), "RC", 1},
		{"another postcode", []edit{withoutNumber, {"zz99 3vz", "zz99 3vx"}}, held(me), "NRC", 0},
		{"another given name", []edit{withoutNumber, {"<value>Ada<", "<value>Eve<"}}, held(me), "NRC", 0},
		{"too little is said", []edit{withoutNumber, {"O'Sample", ""}}, held(me), "IIQ", 0},
		{"two people fit", []edit{withoutNumber}, &fewReports{records: map[string][]string{
			"Patient":           {me, patientJSON("b", "9476719931", verifiedStatus, "O'Sample", "1981-06-29", "ZZ99 3VZ")},
			"DocumentReference": {documentJSON("a", "r1", "N"), documentJSON("b", "r1", "N")}, "Binary": {binaryJSON("r1")}}}, "PRC", 0},
		{"no permission to view", []edit{{`<value code="01"/>`, `<value code="03"/>`}}, held(me), "PRC", 0},
		{"very restricted", nil, &fewReports{records: map[string][]string{"Patient": {me},
			"DocumentReference": {documentJSON("a", "r1", "V")}, "Binary": {binaryJSON("r1")}}}, "PRC", 0},
		{"our fault", nil, &fewReports{fail: errors.New("disk 7 is gone")}, "ER", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			desk := &recordingDesk{}
			o := testOptions()
			o.Reports = c.reports
			w := send(New(desk, o), reportPath, "text/xml", asking(t, c.edits...))
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			require.Equal(t, "urn:nhs-itk:services:201005:NHS111RepeatCallerSyncQueryResp-v1-0Response", read(t, w).action)
			answer := readDistribution(t, w.Body.Bytes())
			require.Equal(t, responseProfiles[queryProfile], answer.Items[0].ProfileID)
			require.Equal(t, read(t, w).action, answer.Service, "ITK: Action and service are one")
			response := payloadElement(answer.Payloads[0])
			require.True(t, response.Is(nsHL7, "RepeatCallerResponse"))
			require.Equal(t, c.code, response.Child("value").Attr("code"))
			require.Equal(t, answerNames[c.code], response.Child("value").Attr("displayName"))
			require.Equal(t, "8A1F0C52-9999-4E6B-9C55-0A1B2C3D4E5F", response.Child("reference", "referredToRequest", "id").Attr("root"))
			require.Equal(t, "Invented & Sons", response.Child("primaryInformationRecipient", "COCD_TP145202GB02.IntendedRecipient", "representedOrganization", "name").Content())
			require.Len(t, response.All("subject"), c.documents)
			for _, subject := range response.All("subject") {
				require.Equal(t, "Kept report", subject.Child("ClinicalDocument", "title").Content())
			}
			require.NotContains(t, w.Body.String(), "disk")
			require.Empty(t, desk.messages)
		})
	}
}

func TestAQueryThatCantBeReadIsRefused(t *testing.T) {
	for name, e := range map[string]edit{
		"no id":        {"8A1F0C52-9999-4E6B-9C55-0A1B2C3D4E5F", "x"},
		"wrong number": {"9990057699", "9990057698"},
		"wrong date":   {"19810629", "yesterday"},
		"a part twice": {"<query>", "<query><person.familyName><value>X</value></person.familyName>"},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions()
			o.Reports = &fewReports{}
			p := read(t, send(New(&recordingDesk{}, o), reportPath, "text/xml", asking(t, e)))
			require.Equal(t, textSchema, p.text)
			require.NotContains(t, p.diag, e.To+"!")
		})
	}
	o := testOptions()
	p := read(t, send(New(&recordingDesk{}, o), reportPath, "text/xml", asking(t)))
	require.Equal(t, textNotOffered, p.text, "without records there is nothing to ask")
	o.Reports = &fewReports{}
	p = read(t, send(New(&recordingDesk{}, o), reportPath, "text/xml", asking(t, edit{queryProfile, "urn:nhs-en:profile:nhs111CDADocument-v2-0"})))
	require.Equal(t, textNotSupported, p.text)
}

// NHS 111 1.0 has the same messages under other profiles; its senders read the
// answer by theirs.
func TestAQueryOfNHS111VersionOneIsAnsweredInItsOwnProfile(t *testing.T) {
	o := testOptions()
	o.Reports = &fewReports{}
	w := send(New(&recordingDesk{}, o), reportPath, "text/xml", asking(t,
		edit{queryProfile, "urn:nhs-en:profile:nhs111RepeatCallerQuery-v1-0"}, edit{`mimetype="text/xml"`, `mimetype="application/cda+xml"`}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "urn:nhs-en:profile:nhs111RepeatCallerResponse-v1-0", readDistribution(t, w.Body.Bytes()).Items[0].ProfileID)
}

func TestAQueryNeedsNoAddress(t *testing.T) {
	o := testOptions()
	o.Reports, o.Organisation = &fewReports{}, "B2002"
	text := string(asking(t))
	text = strings.Replace(text, cut(t, text, "<itk:addresslist>", "</itk:addresslist>"), "", 1)
	w := send(New(&recordingDesk{}, o), reportPath, "text/xml", []byte(text))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, odsURI+"B2002", readDistribution(t, w.Body.Bytes()).SenderURI)
}

func TestThePublishedQueryIsRead(t *testing.T) {
	for _, path := range sampleFiles(t, "iuc-spec-examples", "QUPA*01.xml") {
		body, err := os.ReadFile(path)
		require.NoError(t, err)
		text, err := xmltree.ToUTF8(body, "")
		require.NoError(t, err)
		root, err := xmltree.Read(text, xmltree.Rules{Instructions: true})
		require.NoError(t, err)
		q, f := readQuery(root)
		if f != nil { // its NHS number is made up
			require.Contains(t, f.Diag, "person.id")
			continue
		}
		require.True(t, q.enough())
		require.True(t, q.MayView)
	}
}
