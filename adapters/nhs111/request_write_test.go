package nhs111

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
)

// ambulanceOf maps an ambulance request.
func ambulanceOf(t testing.TB, edits ...edit) *fhir.Resource {
	t.Helper()
	mapped, _, err := through(composeFrom(t, "ambulance.xml", edits...), "", strictRules())
	require.NoError(t, err)
	return mapped.Bundle
}

// againAsRequest sends a referral out as an ambulance request and takes it in.
func againAsRequest(t testing.TB, message *fhir.Resource) (*Mapped, []byte) {
	t.Helper()
	out, err := testClient(message).Compose(message, Revision{Number: 1})
	require.NoError(t, err)
	require.Equal(t, requestAmbulance, out.Service)
	body := testClient(message).SOAP("https://receiver.test/report", out)
	mapped, e, err := through(body, "", strictRules())
	require.NoError(t, err)
	require.Equal(t, ambulance, e.kind())
	require.Equal(t, requestAmbulance, e.Action)
	require.Equal(t, profileAmbulance, e.Items[0].ProfileID)
	require.Empty(t, mapped.Warnings)
	return mapped, body
}

func TestAnAmbulanceRequestIsSentOnAsOneWithTheSameContent(t *testing.T) {
	for name, edits := range map[string][]edit{
		"as it is": nil,
		"final":    {{codeInterim, codeFinal}},
		"with every flag": {{`<code code="FR"/><value value="false"/>`, `<code code="FR"/><value value="true"/>`}, {`<code code="PL"/><value value="false"/>`, `<code code="PL"/><value value="true"/>`},
			{`<code code="TR"/><value value="false"/>`, `<code code="TR"/><value value="true"/>`}, {`<code code="SC"/><value value="false"/>`, `<code code="SC"/><value value="true"/>`}},
		"with every kind of note":        {{`code="LAI"`, `code="SPN"`}, {`<text>Fall</text>`, `<text>Fall</text></pertinentAdditionalNotes></pertinentInformation7><pertinentInformation7 typeCode="PERT"><pertinentAdditionalNotes><code code="RAT" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.422"/><text>Can't be moved</text>`}},
		"with a priority of another set": {{`<value code="G2" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.329"/>`, `<value code="C3" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.539" displayName="Category 3"/>`}},
		"with a priority in words":       {{`<value code="G2" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.329"/>`, `<value nullFlavor="OTH"><originalText>as soon as you can</originalText></value>`}},
	} {
		t.Run(name, func(t *testing.T) {
			first := ambulanceOf(t, edits...)
			second, body := againAsRequest(t, first)
			requireSound(t, second)
			before, after := readBundle(t, first.JSON()).byType(), readBundle(t, second.Bundle.JSON()).byType()
			for _, line := range differences(before.flat(nil), after.flat(nil)) {
				if !strings.HasSuffix(strings.SplitN(line, " = ", 2)[0], ".identifier.value") || !strings.Contains(line, "urn:uuid:") { // the document has an id of its own
					t.Error(line)
				}
			}
			require.NotContains(t, string(body), furtherTitle)
		})
	}
}

// requestSchema makes the published schema of an ambulance request whole: the lists
// of the templates that each of its participations may have aren't published with
// it, so each is written here with those that the domain message names.
func requestSchema(t *testing.T, published string) string {
	t.Helper()
	dir := t.TempDir()
	published, err := filepath.Abs(published)
	require.NoError(t, err)
	for _, part := range []string{"Schemas", "dt", "VocabularySchemas", "voc"} {
		require.NoError(t, os.Symlink(filepath.Join(published, part), filepath.Join(dir, part)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "TemplateSchemas"), 0o755))
	for group, templates := range map[string][]string{
		"NPFIT-000081_Role": {"COCD_TP145200GB01", "COCD_TP145207GB01", "COCD_TP145208GB01"}, // author
		"NPFIT-100041_Role": {"COCD_TP145212GB02"},                                           // call-back contact
		"NPFIT-000080_Role": {"COCD_TP145202GB02", "COCD_TP145203GB03", "COCD_TP145204GB03"}, // recipient
		"NPFIT-000085_Role": {"COCD_TP145007UK03", "COCD_TP145210GB01"},                      // informant
		"NPFIT-000083_Role": {"COCD_TP145201GB01"},                                           // patient
		"NPFIT-000099_Role": {"COCD_TP145222GB02"},                                           // place
		"NPFIT-300007_Act":  {"COCD_TP146050GB01"},                                           // permission to view
	} {
		text := `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="` + nsHL7 + `" targetNamespace="` + nsHL7 + `" elementFormDefault="qualified">`
		choice := ""
		for _, template := range templates {
			text += `<xs:include schemaLocation="../Schemas/` + template + `.xsd"/>`
			choice += `<xs:group ref="` + template + `"/>`
		}
		text += `<xs:group name="` + group + `"><xs:choice>` + choice + `</xs:choice></xs:group></xs:schema>`
		require.NoError(t, os.WriteFile(filepath.Join(dir, "TemplateSchemas", group+".xsd"), []byte(text), 0o644))
	}
	return filepath.Join(dir, "Schemas", "REPC_MT200001GB02.xsd")
}

func TestWrittenAmbulanceRequestsAreValidAgainstThePublishedSchemas(t *testing.T) {
	lint := xmllint(t)
	published := filepath.Join(fhirtest.Published(t, "samples", "nhs111"), "schemas")
	schema := requestSchema(t, published)
	for name, message := range requestsOf(t) {
		t.Run(name, func(t *testing.T) {
			document, _, err := writeDocument(message, documentOptions{NewID: counter(), Version: 2})
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(document, "<AmbulanceRequest"))
			// The templates demand an ODS code of each organisation, which not each has.
			document = strings.ReplaceAll(document, `<id nullFlavor="NI"/><name`, `<id root="`+oidODS+`" extension="X"/><name`)
			requireValid(t, lint, schema, []byte(document))
			out, err := testClient(message).Compose(message, Revision{Number: 1})
			require.NoError(t, err)
			start, end := bytes.Index(out.Envelope, []byte("<AmbulanceRequest")), bytes.Index(out.Envelope, []byte("</AmbulanceRequest>"))
			bare := append(append([]byte(nil), out.Envelope[:start]...), out.Envelope[end+len("</AmbulanceRequest>"):]...)
			requireValid(t, lint, filepath.Join(published, "Schemas", "distributionEnvelope-v2-0.xsd"), bare)
		})
	}
}

// requestsOf are referrals that are written as ambulance requests: those that came
// as one, and every other kind made one of control room to control room.
func requestsOf(t testing.TB) map[string]*fhir.Resource {
	t.Helper()
	messages := map[string]*fhir.Resource{"ambulance": ambulanceOf(t), "of another kind": madeRequest(t, plainReferral(t))}
	raw, err := os.ReadFile("../../testdata/bars/a6-referral.json")
	require.NoError(t, err)
	messages["a6"], err = fhir.Parse(raw)
	require.NoError(t, err)
	for name, body := range referralBodies(t) {
		first, _, err := through(body, "", compatRules())
		require.NoError(t, err)
		messages["report "+name] = madeRequest(t, first.Bundle)
	}
	return messages
}

// madeRequest makes a referral one of BaRS application 6.
func madeRequest(t testing.TB, message *fhir.Resource) *fhir.Resource {
	t.Helper()
	text := strings.ReplaceAll(string(message.JSON()), `"display":"`+cameAsReport+`"`, `"display":"Made anew"`)
	for _, code := range []string{useCaseED, useCaseUTC} {
		text = strings.ReplaceAll(text, `"code":"`+code+`"`, `"code":"a6t1"`)
	}
	made, err := fhir.Parse([]byte(text))
	require.NoError(t, err)
	require.True(t, newWriter(made).isRequest())
	return made
}

// Ensure that each value that a request doesn't hold is told by its path.
func TestWhatAnAmbulanceRequestHasNoPlaceForIsListed(t *testing.T) {
	for name, message := range requestsOf(t) {
		t.Run(name, func(t *testing.T) {
			out, err := testClient(message).Compose(message, Revision{Number: 1})
			require.NoError(t, err)
			second, _ := againAsRequest(t, message)
			requireSound(t, second)
			before, after := readBundle(t, message.JSON()).byType(), readBundle(t, second.Bundle.JSON()).byType()
			all := differences(before.flat(nil), after.flat(nil))
			unplaced := func(line string) string { return ordinals.ReplaceAllString(line[len("only theirs: "):], "$1") }
			ours := map[string]bool{}
			for _, line := range all {
				if strings.HasPrefix(line, "only ours") {
					ours[unplaced(line)] = true
				}
			}
			for _, line := range all {
				path, value, _ := strings.Cut(unplaced(line), " = ")
				if strings.HasPrefix(line, "only ours") || strings.Contains(path, ".meta.") || path == "Practitioner.identifier.value" && strings.Contains(value, "urn:uuid:") ||
					ours[unplaced(line)] {
					continue // what each reading makes anew, or it only stands elsewhere
				}
				path = strings.TrimSuffix(path, " is there")
				if !slices.ContainsFunc(out.Lost(), func(lost fhir.Issue) bool {
					return path == lost.Expression || strings.HasPrefix(path, lost.Expression+".")
				}) {
					t.Error(line)
				}
			}
		})
	}
}

func TestAReferralIsWrittenAsARequestWhereItAsksForAnAmbulance(t *testing.T) {
	const trust = `"type":[{"coding":[{"system":"urn:oid:` + oidOrgType + `","code":"018"}]}],"name":`
	plain := string(plainReferral(t).JSON())
	of := func(text string, edits ...edit) *fhir.Resource {
		for _, e := range edits {
			require.Contains(t, text, e.From)
			text = strings.ReplaceAll(text, e.From, e.To)
		}
		message, err := fhir.Parse([]byte(text))
		require.NoError(t, err)
		return message
	}
	useCase := func(code string) edit { return edit{`"code":"` + useCaseUTC + `"`, `"code":"` + code + `"`} }
	receiver := newWriter(plainReferral(t)).receiver().Get("name").Text()
	toTrust := edit{`"name":"` + receiver + `"`, trust + `"` + receiver + `"`}
	ambulance := edit{`"system":"https://fhir.nhs.uk/CodeSystem/pathways-dx-codes","code":"DX05"`, `"system":"https://fhir.nhs.uk/CodeSystem/pathways-dx-codes","code":"DX012"`}
	report, _, err := through(compose(t), "", strictRules())
	require.NoError(t, err)
	came := string(report.Bundle.JSON())
	for name, c := range map[string]struct {
		message *fhir.Resource
		want    bool
	}{
		"to urgent treatment":                          {of(plain), false},
		"to urgent treatment, with an ambulance code":  {of(plain, ambulance), false},
		"to emergency care":                            {of(plain, useCase("a1t10")), false},
		"to emergency care, with an ambulance code":    {of(plain, useCase("a1t10"), ambulance), true},
		"to emergency care at an ambulance trust":      {of(plain, useCase("a1t10"), toTrust), true},
		"from a CAS to an ambulance trust":             {of(plain, useCase("a1t11"), toTrust), true},
		"from 999 to emergency care":                   {of(plain, useCase("a1t12"), ambulance), false},
		"to an ambulance trust's urgent treatment":     {of(plain, toTrust), false},
		"control room to control room":                 {of(plain, useCase("a6t2")), true},
		"a report":                                     {of(came), false},
		"a report to a service that is for ambulances": {of(came, useCase("a1t10"), edit{`"code":"Dx06"`, `"code":"Dx012"`}), false},
		"an ambulance request":                         {ambulanceOf(t), true},
		"an ambulance request to a service for others": {of(string(ambulanceOf(t).JSON()), edit{`"code":"a1t10"`, `"code":"a1t1"`}), true},
		"one that came before its name was kept":       {of(string(ambulanceOf(t).JSON()), edit{`"display":"` + cameAsInterim + `"`, `"display":"Message"`}), true},
	} {
		out, err := testClient(c.message).Compose(c.message, Revision{Number: 1})
		require.NoError(t, err, name)
		require.Equal(t, c.want, out.Service == requestAmbulance, name)
		require.Equal(t, c.want, out.Form() == "an ambulance request", name)
		require.Equal(t, c.want, bytes.Contains(out.Envelope, []byte("<AmbulanceRequest")), name)
		require.Equal(t, c.want, bytes.Contains(out.Envelope, []byte(interactionAmbulance)), name)
		require.Equal(t, !c.want, bytes.Contains(out.Envelope, []byte("<ClinicalDocument")), name)
	}
}

// Ensure that each version of a request replaces the one before, and that the
// nullification names the last one and the set that the first began.
func TestVersionsOfARequestReplaceEachOther(t *testing.T) {
	message := ambulanceOf(t)
	c := testClient(message)
	first, err := c.Compose(message, Revision{Number: 1})
	require.NoError(t, err)
	require.Contains(t, string(first.Envelope), `<id root="`+first.set+`"/><author`)
	require.NotContains(t, string(first.Envelope), "<replacementOf")
	earlier := first.set
	for number := 2; number <= 3; number++ {
		next, err := c.Compose(message, Revision{Set: first.set, Number: number})
		require.NoError(t, err)
		id := requestID(first.set, number)
		require.NotEqual(t, earlier, id)
		require.Contains(t, string(next.Envelope), `<id root="`+id+`"/><author`)
		require.Contains(t, string(next.Envelope), `<replacementOf typeCode="RPLC"><priorPreviousAmbulanceRequest classCode="PCPR" moodCode="RQO"><id root="`+earlier+`"/>`)
		earlier = id
	}
	ended, err := message.Edit().Set(referralOf(message), "status", fhir.Quote("revoked")).Done()
	require.NoError(t, err)
	withdrawal, err := c.Withdraw(ended, Revision{Set: first.set, Number: 4}, testNow)
	require.NoError(t, err)
	require.Equal(t, sendReport, withdrawal.Service)
	require.Contains(t, string(withdrawal.Envelope), `<parentDocument><id root="`+earlier+`"/><setId root="`+first.set+`"/>`)
}

// Ensure that references which lead round and round come to an end.
func TestARoleThatIsItsOwnPractitionerIsSaidOnce(t *testing.T) {
	text := string(madeRequest(t, plainReferral(t)).JSON())
	person := regexp.MustCompile(`"practitioner":\{"reference":"[^"]*"`).FindString(text)
	require.NotEmpty(t, person)
	role := newWriter(madeRequest(t, plainReferral(t))).requester()
	require.Equal(t, "PractitionerRole", role.Get("resourceType").Text())
	for url, r := range newWriter(madeRequest(t, plainReferral(t))).named {
		if r.Get("practitioner").Exists() && string(r.Raw()) == string(role.Raw()) {
			text = strings.ReplaceAll(text, person, `"practitioner":{"reference":"`+url+`"`)
			text = regexp.MustCompile(`"sender":\{"reference":"[^"]*"`).ReplaceAllString(text, `"sender":{"reference":"`+url+`"`)
		}
	}
	message, err := fhir.Parse([]byte(text))
	require.NoError(t, err)
	document, _, err := writeDocument(message, documentOptions{NewID: counter()})
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(document, "practitioner role: "))
}

// writtenGolden is one case of writing: changes to a composed message, and the
// document that its referral is written as, an element a line.
type writtenGolden struct {
	What     string      `json:"what"`
	Base     string      `json:"base"`
	Edits    [][2]string `json:"edits"`
	Expected []string    `json:"expected"`
}

func TestReferralsAreWrittenAsTheGoldenFilesSay(t *testing.T) {
	eachGolden(t, "written", func(t *testing.T, path string, g *writtenGolden) {
		mapped, _, err := through(composeFrom(t, g.Base, editsOf(g.Edits)...), "", strictRules())
		require.NoError(t, err)
		document, _, err := writeDocument(mapped.Bundle, documentOptions{NewID: counter()})
		require.NoError(t, err)
		got := strings.Split(strings.ReplaceAll(document, "><", ">\x00<"), "\x00")
		if *update {
			g.Expected = got
			var b bytes.Buffer
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "  ")
			require.NoError(t, encoder.Encode(g))
			require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
			return
		}
		require.Equal(t, g.Expected, got)
	})
}
