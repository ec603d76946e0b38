package nhs111

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/nhs"
)

func testClient(message *fhir.Resource) *Client {
	_, sender, _ := strings.Cut(message.Get("entry").At(0).Get("resource").Dig("source", "endpoint").Text(), "|")
	return &Client{Sender: nhs.ODSCode(sender), Clock: func() time.Time { return testNow }}
}

// again sends a mapped referral out and takes it in as another receiver would.
func again(t testing.TB, message *fhir.Resource) (*Mapped, []byte) {
	t.Helper()
	c := testClient(message)
	out, err := c.Compose(message, Revision{Number: 2})
	require.NoError(t, err)
	body := c.SOAP("https://receiver.test/report", out)
	mapped, _, err := through(body, "", strictRules())
	require.NoError(t, err)
	require.Empty(t, mapped.Warnings)
	return mapped, body
}

func TestRoundTripOfEveryReferralLosesNothingThatTheDocumentCanHold(t *testing.T) {
	messages := map[string]*fhir.Resource{"of another kind": plainReferral(t)}
	for name, body := range referralBodies(t) {
		first, _, err := through(body, "", compatRules())
		require.NoError(t, err)
		messages[name] = first.Bundle
	}
	shown := map[string]bool{}
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			second, _ := again(t, message)
			before := readBundle(t, message.JSON()).byType()
			after := readBundle(t, wordsOnly.ReplaceAll(second.Bundle.JSON(), nil)).byType()
			for _, line := range differences(before.flat(nil), after.flat(nil)) {
				path, value, _ := strings.Cut(line[len("only theirs: "):], " = ")
				path = strings.TrimSuffix(ordinals.ReplaceAllString(path, "$1"), " is there")
				if path == "QuestionnaireResponse.questionnaire" || path == "Questionnaire.url" {
					continue // each reading names its questionnaires anew
				}
				if strings.HasPrefix(line, "only ours") {
					words := strings.HasPrefix(value, `"`+remarksTitle+":") || strings.HasPrefix(value, `"`+answersTitle+":")
					changed := slices.ContainsFunc(append(lostOfReports, addedToReports...), func(lost string) bool {
						return path == lost || strings.HasPrefix(path, lost+".")
					})
					if name != "of another kind" && !words && !changed {
						t.Error(line) // of another kind: what BaRS wants and that message hasn't
					}
					continue
				}
				found := false
				for _, o := range NotWritten {
					reported := name == "of another kind" || slices.Contains(lostOfReports, o.Path)
					if reported && (path == o.Path || strings.HasPrefix(path, o.Path+".")) {
						found, shown[o.Path] = true, true
					}
				}
				if !found {
					t.Error(line)
				}
			}
		})
	}
	for _, o := range NotWritten {
		require.NotEmpty(t, o.Why)
		require.True(t, shown[o.Path], "no referral shows that %s isn't written", o.Path)
	}
}

// wordsOnly are the sections of what has only words in a report, in its narrative.
var wordsOnly = regexp.MustCompile(`<h3>(` + remarksTitle + `|` + answersTitle + `|` + furtherTitle + `)</h3><div>([^<]|<br/>)*</div>`)

// lostOfReports are the parts of NotWritten that a referral which came as a
// report can have: the rest of it comes back whole.
var lostOfReports = []string{"Flag", "ServiceRequest.supportingInfo", "CarePlan.supportingInfo", "Patient.communication.language",
	"Consent.sourceReference", "HealthcareService.name"}

// addedToReports is what reading a report adds: a journey id where it had none,
// a title where it had none, and the numbers that the patient gave as informant.
var addedToReports = []string{"Encounter.identifier", "Patient.telecom", "CarePlan.title"}

var ordinals = regexp.MustCompile(`^([A-Za-z]+) [^.]+|\[[0-9*]+]`)

// plainReferral is a referral that never was a 111 report, with things that a
// report has no place for.
func plainReferral(t testing.TB) *fhir.Resource {
	t.Helper()
	raw, err := os.ReadFile("testdata/referral.json")
	require.NoError(t, err)
	message, err := fhir.Parse(raw)
	require.NoError(t, err)
	return message
}

func TestWhatHasNoPlaceInAReportStandsThereInWords(t *testing.T) {
	document, _, err := writeDocument(plainReferral(t), documentOptions{NewID: counter()})
	require.NoError(t, err)
	for _, words := range []string{"To be seen by: ", "Priority: asap", "Scene Safety: Dog on the premises",
		"<content>Place of the incident: what3words three.invented.words, longitude -1.9, latitude 52.6</content>", ">X400000,Y300000<",
		"Can the patient walk? with help", "assigningAuthorityName=\"https://supplier.example/Id/case-number\""} {
		require.Contains(t, document, words)
	}
	for title, lines := range map[string][]string{
		"Observations": {"2026-11-20T08:50:00+00:00 Heart rate 88 beats/min (final); note: Regular &amp; &lt;strong&gt;",
			"2026-11-20T08:51:00+00:00 to 2026-11-20T08:52:00+00:00 Blood pressure (preliminary); component: code Systolic, value 132 mmHg, code Diastolic, data absent reason Cuff slipped"},
		"Conditions":                 {"2015 Asthma (inactive); body site: Both lungs; note: Last attack in 2024. No spacer."},
		"Allergies and intolerances": {"2019-05-02 Penicillin (Active); criticality: high; reaction: manifestation Anaphylaxis, severity severe"},
		"Medication":                 {"2026-10 Sample medicine 5 mg tablets (active); dosage: One each morning"},
		"Procedures":                 {"2012-03 Appendicectomy (completed); outcome: No complication"},
		"Communications":             {"2026-11-20T08:55:00+00:00 (completed); payload: content Told to keep the leg up; sender: Chris Handler"},
		"Related people":             {"Nell Nearby; relationship: Neighbour with a key; telecom: 01632 960006 mobile"},
		"Tasks":                      {"2026-11-20T09:00:00+00:00 Ring back (requested); intent: order; description: Ring back before noon"},
		"Devices":                    {"(active); device name: name Cardiac pacemaker, type user-friendly-name"},
		contactsTitle: {"temp, practitioner: 01632 960004", "old, patient: 01632 960001", "temp, patient: 01632 960002",
			"temp, patient: 01632 960003", "old, organization: 01632 960005"},
	} {
		_, section, found := strings.Cut(document, "<title>"+title+"</title><text>")
		require.True(t, found, title)
		section, _, _ = strings.Cut(section, "</text>")
		for _, line := range lines {
			require.Contains(t, section, "<content>"+line+"</content>")
		}
		require.Equal(t, len(lines), strings.Count(section, "<content>"), "%s: %s", title, section)
	}
	require.NotContains(t, document, `tel:01632 960001`, "nobody is to call an old number")
	require.Contains(t, document, `<telecom value="tel:01632 960002"/>`)
}

// Ensure that what stands in words beside codes is written and read back.
func TestWordsBesideCodesComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		edit edit
		want string
	}{
		"a translation": {edit{`displayName="Health adviser"/>`, `displayName="Health adviser"><translation nullFlavor="OTH" displayName="Line adviser"/></code>`},
			`{"display":"Line adviser"}`},
		"a name beside the words": {edit{`code="R8003" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.196" displayName="Health adviser"/>`,
			`nullFlavor="OTH" displayName="Health adviser"><originalText>on the night desk</originalText></code>`}, `"coding":[{"display":"Health adviser"}],"text":"on the night desk"`},
		"a level of a language": {edit{`<proficiencyLevelCode code="F" displayName="Fair"/>`, `<proficiencyLevelCode nullFlavor="OTH" displayName="Middling"/>`},
			`"valueCoding":{"display":"Middling"}`},
		"a time to the millisecond": {edit{`<effectiveTime value="20260302102200"/>`, `<effectiveTime value="20260302102200.125"/>`}, `"end":"2026-03-02T16:22:00.125Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			first, _, err := through(compose(t, c.edit), "", strictRules())
			require.NoError(t, err)
			require.True(t, strings.Contains(string(first.Bundle.JSON()), c.want))
			second, _ := again(t, first.Bundle)
			text := string(second.Bundle.JSON())
			require.True(t, strings.Contains(text, c.want))
			require.NotContains(t, text, "To be seen by", "the disposition says so")
		})
	}
}

// The outcomes of a triage beside the disposition are read back as they were: the
// groups and discriminators of NHS Pathways by their codes, others in words.
func TestEveryOutcomeOfATriageIsWritten(t *testing.T) {
	const pathways = codeSystemBase + "pathways-"
	outcome := func(text string, codings ...string) string {
		return `{"coding":[` + strings.Join(codings, ",") + `]` + text + `}`
	}
	coding := func(system, code, display string) string {
		return string(fhir.Obj("system", system, "code", code, "display", display).JSON())
	}
	message := plainReferral(t)
	for entry := range message.Get("entry").Items() {
		if plan := entry.Get("resource"); plan.Get("resourceType").Text() == "CarePlan" {
			var err error
			message, err = message.Edit().Set(plan, "activity", []byte(`[{"outcomeCodeableConcept":[`+strings.Join([]string{
				outcome("", coding(pathways+"sd-codes", "SD4033", "New breathlessness")),
				outcome("", coding(pathways+"dx-codes", "Dx06", "See someone"), coding(pathways+"sg-codes", "SG1137", "")),
				outcome("", coding(pathways+"dx-codes", "Dx11", "An earlier one")),
				outcome(`,"text":"Ambulance priority"`, coding("urn:oid:2.16.840.1.113883.2.1.3.2.4.17.329", "G2", "")),
				outcome("", coding("https://a.example/outcomes", "OWN-7", "Left alone")),
			}, ",")+`]}]`)).Done()
			require.NoError(t, err)
			break
		}
	}
	second, _ := again(t, message)
	text := string(second.Bundle.JSON())
	for _, want := range []string{coding(pathways+"sd-codes", "SD4033", "New breathlessness"), coding(pathways+"sg-codes", "SG1137", ""),
		coding(pathways+"dx-codes", "Dx06", "See someone"), "Outcome: Dx11 An earlier one", "Outcome: Ambulance priority G2", "Outcome: OWN-7 Left alone"} {
		require.True(t, strings.Contains(text, want), want)
	}
	require.Equal(t, 1, strings.Count(text, "SD4033 New breathlessness")+strings.Count(text, `sd-codes","code":"SD4033"`), "by its code alone")
}

func TestWhatIsSaidInWordsIsBoundedAndSaysWhereItWasCut(t *testing.T) {
	entries, loop := []string{}, ""
	for i := range maxWordLines + 3 {
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"urn:uuid:%d","resource":{"resourceType":"Task","status":"requested","description":"%d"}}`, i, i))
	}
	for range 100 { // a name that leads back to itself, a hundred times at each step
		loop += `{"url":"https://a.example/b","valueReference":{"reference":"urn:uuid:loop"}},`
	}
	entries = append(entries, fmt.Sprintf(`{"fullUrl":"urn:uuid:long","resource":{"resourceType":"Procedure","status":"completed","code":{"text":"%s"}}}`,
		strings.Repeat("ä", maxWordLine+1)),
		`{"fullUrl":"urn:uuid:loop","resource":{"resourceType":"Device","type":{"text":"x","extension":[`+strings.TrimSuffix(loop, ",")+`]}}}`)
	text := strings.TrimSuffix(strings.TrimSpace(string(plainReferral(t).Get("entry").Raw())), "]") + "," + strings.Join(entries, ",") + "]"
	message, err := plainReferral(t).Edit().Set(plainReferral(t).Root(), "entry", []byte(text)).Done()
	require.NoError(t, err)
	document, _, err := writeDocument(message, documentOptions{NewID: counter()})
	require.NoError(t, err)
	require.Contains(t, document, "4 more are left out of this report")
	require.Contains(t, document, strings.Repeat("ä", maxWordLine-100))
	require.NotContains(t, document, strings.Repeat("ä", maxWordLine+1))
	require.Contains(t, document, cutOff)
	require.Less(t, len(document), 200_000)
	require.True(t, slices.ContainsFunc(notWrittenOf(message, document), func(i fhir.Issue) bool { return i.Expression == "Bundle.entry" }))
	require.False(t, slices.ContainsFunc(notWrittenOf(plainReferral(t), ""), func(i fhir.Issue) bool { return i.Expression == "Bundle.entry" }))
}

func TestAMessageThatIsNoReferralIsntWritten(t *testing.T) {
	for _, text := range []string{`{"resourceType":"Bundle"}`, `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest"}}]}`} {
		message, err := fhir.Parse([]byte(text))
		require.NoError(t, err)
		_, _, err = writeDocument(message, documentOptions{NewID: counter()})
		require.Equal(t, fhir.KindProcessing, fhir.AsOutcome(err).Kind)
	}
}

// referralBodies are the composed report and every published referral.
func referralBodies(t testing.TB) map[string][]byte {
	bodies := map[string][]byte{"composed": compose(t), "everything": composeFrom(t, "everything.xml")}
	for _, sender := range []string{"prefixed", "platform", "online"} {
		bodies[sender] = composeFrom(t, "senders/"+sender+".xml")
	}
	found, _ := filepath.Glob(fhirtest.Place("samples", "nhs111", "adaptor-pairs", "*.request.xml"))
	for _, path := range found {
		bodies[strings.TrimSuffix(filepath.Base(path), ".request.xml")] = readSample(t, path)
	}
	return bodies
}

func TestWrittenDocumentsAndEnvelopesAreValidAgainstThePublishedSchemas(t *testing.T) {
	lint := xmllint(t)
	schemas := filepath.Join(fhirtest.Published(t, "samples", "nhs111"), "schemas", "Schemas")
	messages := map[string]*fhir.Resource{"of another kind": plainReferral(t)}
	for name, body := range referralBodies(t) {
		first, _, err := through(body, "", compatRules())
		require.NoError(t, err)
		messages[name] = first.Bundle
	}
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			document, _, err := writeDocument(message, documentOptions{NewID: counter()})
			require.NoError(t, err)
			requireValid(t, lint, filepath.Join(schemas, "POCD_MT000002UK01.xsd"), []byte(document))
			document, _, err = writeDocument(message, documentOptions{NewID: counter(), Version: 2, Withdrawn: testNow})
			require.NoError(t, err)
			requireValid(t, lint, filepath.Join(schemas, "POCD_MT000002UK01.xsd"), []byte(document))
			c := testClient(message)
			out, err := c.Compose(message, Revision{Number: 1})
			require.NoError(t, err)
			// The envelope's schema doesn't know the document's types.
			start, end := bytes.Index(out.Envelope, []byte("<ClinicalDocument")), bytes.Index(out.Envelope, []byte("</ClinicalDocument>"))
			bare := append(append([]byte(nil), out.Envelope[:start]...), out.Envelope[end+len("</ClinicalDocument>"):]...)
			requireValid(t, lint, filepath.Join(schemas, "distributionEnvelope-v2-0.xsd"), bare)
		})
	}
}

func requireValid(t testing.TB, lint, schema string, document []byte) {
	t.Helper()
	command := exec.Command(lint, "--nonet", "--noout", "--schema", schema, "-")
	command.Stdin = bytes.NewReader(document)
	said, err := command.CombinedOutput()
	require.NoError(t, err, string(said))
}

// Ensure that a member that neither form has a place for is said and listed.
func TestAMemberWithoutAPlaceIsSaidInWords(t *testing.T) {
	plain := plainReferral(t)
	for _, message := range []*fhir.Resource{plain, madeRequest(t, plain)} {
		w := newWriter(message)
		edited, err := message.Edit().Set(w.request, "note", []byte(`[{"text":"Dog <bites>"}]`)).
			Set(w.patient, "deceasedBoolean", []byte(`false`)).
			Set(w.encounter, "reasonCode", []byte(`[{"text":"Fell twice"}]`)).Done()
		require.NoError(t, err)
		out, err := testClient(edited).Compose(edited, Revision{Number: 1})
		require.NoError(t, err)
		for path, words := range map[string]string{"ServiceRequest.note": "service request note: Dog &lt;bites&gt;",
			"Patient.deceasedBoolean": "patient deceased: false", "Encounter.reasonCode": "encounter reason code: Fell twice"} {
			require.Contains(t, string(out.Envelope), words)
			require.True(t, slices.ContainsFunc(out.Lost(), func(i fhir.Issue) bool { return i.Expression == path }), path)
		}
	}
}

// xmllint is the command that validates against schemas.
func xmllint(t *testing.T) string {
	t.Helper()
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is absent; install libxml2-utils to validate against the schemas")
	}
	return lint
}
