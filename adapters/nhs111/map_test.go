package nhs111

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is one case: changes to the composed report, and what it becomes.
type golden struct {
	What string `json:"what"`
	// Base is the composed message, report.xml where none is named; Only are the
	// resource types that the case is about, all where none is named.
	Base     string          `json:"base,omitempty"`
	Only     []string        `json:"only,omitempty"`
	Edits    [][2]string     `json:"edits"`
	Expected json.RawMessage `json:"expected"`
}

func TestReportsBecomeWhatTheGoldenFilesSay(t *testing.T) {
	eachGolden(t, "golden", func(t *testing.T, path string, g *golden) {
		if g.Base == "" {
			g.Base = "report.xml"
		}
		body := composeFrom(t, g.Base, editsOf(g.Edits)...)
		mapped, _, err := through(body, "", strictRules())
		require.NoError(t, err)
		requireSound(t, mapped)
		requireWhole(t, mapped, body)
		got := goldenOf(t, mapped, g.Only)
		if *update {
			g.Expected = got
			out, err := json.MarshalIndent(g, "", "  ")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, append(out, '\n'), 0o644))
			return
		}
		require.JSONEq(t, string(g.Expected), string(got))
	})
}

// eachGolden runs a test on every file of a folder in testdata.
func eachGolden[G any](t *testing.T, folder string, test func(t *testing.T, path string, g *G)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			var g G
			require.NoError(t, json.Unmarshal(raw, &g))
			test(t, path, &g)
		})
	}
}

func editsOf(pairs [][2]string) []edit {
	var edits []edit
	for _, e := range pairs {
		edits = append(edits, edit{e[0], e[1]})
	}
	return edits
}

// goldenOf lists the entries; what a Binary holds is checked elsewhere.
func goldenOf(t *testing.T, m *Mapped, only []string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteByte('[')
	for _, e := range entriesOf(m) {
		r := e.Resource
		if len(only) > 0 && !slices.Contains(only, r.Type()) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if r.Type() == "Binary" {
			var err error
			r, err = r.Edit().Remove(r.Root(), "data").Done()
			require.NoError(t, err)
		}
		b.Write(fhir.Obj("fullUrl", e.FullURL, "resource", r).JSON())
	}
	b.WriteByte(']')
	return b.Bytes()
}

// mapOf maps the composed report with edits and gives its resources by type.
func mapOf(t *testing.T, edits ...edit) map[string][]*fhir.Resource {
	t.Helper()
	mapped, _, err := through(compose(t, edits...), "", strictRules())
	require.NoError(t, err)
	requireSound(t, mapped)
	return resourcesOf(mapped)
}

func TestNHSNumberCarriesItsVerificationStatus(t *testing.T) {
	verified := `root="2.16.840.1.113883.2.1.4.1" extension="999 005 7699"`
	for _, c := range []struct{ name, id, system, value, status string }{
		{"verified", verified, nhs.SystemNHSNumber, "9990057699", "number-present-and-verified"},
		{"unverified", `root="` + oidUnverified + `" extension="9990057699"`, nhs.SystemNHSNumber, "9990057699", "number-present-but-not-traced"},
		{"unverified and impossible", `root="` + oidUnverified + `" extension="12345"`, "urn:oid:" + oidUnverified, "12345", ""},
		{"none", `nullFlavor="UNK"`, "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.24", "LOC-4471", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := mapOf(t, edit{verified, c.id})["Patient"][0].Get("identifier").At(0)
			require.Equal(t, c.system, id.Get("system").Text())
			require.Equal(t, c.value, id.Get("value").Text())
			require.Equal(t, c.status, id.Dig("extension", "valueCodeableConcept", "coding", "code").Text())
		})
	}
}

func TestContactsAreRankedAndTheNumberToCallBackComesFirst(t *testing.T) {
	own := `<telecom value="tel:07700 900102" use="EC"/>`
	for _, c := range []struct {
		name  string
		edits []edit
		first string
		count int
	}{
		{"the patient's emergency number", nil, "07700 900102", 2},
		{"the informant's emergency number", []edit{{own, ""}, {`value="tel:07700900104" use="MC"`, `value="tel:07700900104" use="EC"`}}, "07700900104", 2},
		{"the patient's first phone", []edit{{own, ""}}, "01632 960101", 2},
		{"the informant's phone when the patient has only mail", []edit{{own, ""}, {`<telecom value="tel:01632 960101" use="H"/>`, ""}}, "07700900104", 2},
		{"the informant is the patient", []edit{{`<code code="01" codeSystem="2.16.840.1.113883.2.1.3.2.4.16.45" displayName="Spouse"/>`, `<code code="21" codeSystem="2.16.840.1.113883.2.1.3.2.4.16.45"/>`}}, "07700 900102", 1},
		{"the same number twice", []edit{{"tel:01632 960101", "tel:07700 900102"}}, "07700 900102", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			contacts := mapOf(t, c.edits...)["Patient"][0].Get("contact")
			require.Equal(t, c.count, contacts.Len())
			require.Equal(t, c.first, contacts.At(0).Dig("telecom", "value").Text())
			rank := int64(0)
			for contact := range contacts.Items() {
				rank++
				got, _ := contact.Dig("extension", "valuePositiveInt").Int()
				require.Equal(t, rank, got)
				numbers := map[string]bool{}
				telecomRank := int64(0)
				for telecom := range contact.Get("telecom").Items() {
					telecomRank++
					got, _ := telecom.Get("rank").Int()
					require.Equal(t, telecomRank, got)
					require.False(t, numbers[telecom.Get("value").Text()])
					numbers[telecom.Get("value").Text()] = true
				}
				require.False(t, numbers["01632960106"], "the sender's desk isn't the patient's number")
			}
		})
	}
}

func TestPriorityAndTimeLimitFollowTheDisposition(t *testing.T) {
	from := `code="Dx06" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.325" displayName="To contact a local service within 6 hours"`
	for _, c := range []struct{ code, words, priority, end string }{
		{"Dx06", "To contact a local service within 6 hours", "routine", "2026-03-02T16:22:00Z"},
		{"DX02", "Attend within 1 hour", "urgent", "2026-03-02T11:22:00Z"},
		{"Dx010", "Ambulance", "stat", ""},
		{"Dx09", "Within the next few days", "routine", ""},
		{"Dx11", "Speak within 30 minutes", "urgent", "2026-03-02T10:52:00Z"},
	} {
		all := mapOf(t, edit{from, `code="` + c.code + `" codeSystem="` + oidDx + `" displayName="` + c.words + `"`})
		request := all["ServiceRequest"][0]
		require.Equal(t, c.priority, request.Get("priority").Text(), c.code)
		require.Equal(t, c.end, request.Get("occurrencePeriod", "end").Text(), c.code)
		require.Equal(t, c.code, all["CarePlan"][0].Get("activity").At(0).Dig("outcomeCodeableConcept", "coding", "code").Text(), "the code's case is kept")
	}
}

func TestUseCaseFollowsTheInteraction(t *testing.T) {
	useCase := func(r *fhir.Resource) string {
		return fhir.CodeOf(r.Get("category"), codeSystemBase+"usecases-categories-bars")
	}
	require.Equal(t, "a1t2", useCase(mapOf(t)["ServiceRequest"][0]))
	require.Equal(t, "a1t1", useCase(mapOf(t, edit{composedSpec, "primaryEmergencyDepartmentRecipientNHS111CDADocument-v2-0"})["ServiceRequest"][0]))
	require.Equal(t, "a1t1", useCase(mapOf(t, edit{composedSpec, "primaryEmergencyDepartmentRecipientIntegratedUrgentCareCDADocument-v3-0"})["ServiceRequest"][0]))
}

func TestSafeguardingDispositionRaisesAFlag(t *testing.T) {
	require.Empty(t, mapOf(t)["Flag"])
	all := mapOf(t, edit{`code="Dx06"`, `code="Dx42"`})
	require.Len(t, all["Flag"], 1)
	require.Equal(t, "SG", fhir.CodeOf(all["Flag"][0].Get("category"), codeSystemBase+"flag-categories-bars"))
	require.Contains(t, string(all["CarePlan"][0].Get("supportingInfo").Raw()), "urn:uuid:")
}

func TestJourneyIsAUUIDThatIsTheSameForTheSameId(t *testing.T) {
	const id = `extension="8A1F0C52-8888-4E6B-9C55-0A1B2C3D4E5F"`
	journey := func(edits ...edit) fhir.Value {
		return mapOf(t, edits...)["Encounter"][0].Get("episodeOfCare").At(0)
	}
	require.Equal(t, "EpisodeOfCare/8a1f0c52-8888-4e6b-9c55-0a1b2c3d4e5f", journey().Get("reference").Text())
	other := journey(edit{id, `extension="LOC665"`})
	require.Equal(t, "LOC665", other.Dig("identifier", "value").Text(), "the sender's own id is kept")
	require.Equal(t, other.Get("reference").Text(), journey(edit{id, `extension="LOC665"`}, edit{"REF-7781", "REF-9"}).Get("reference").Text())
	require.NotEqual(t, other.Get("reference").Text(), journey(edit{id, `extension="LOC666"`}).Get("reference").Text())
	byCase := journey(edit{id, `extension=""`})
	require.NotEqual(t, byCase.Get("reference").Text(), journey(edit{id, `extension=""`}, edit{"REF-7781", "REF-9"}).Get("reference").Text())
	require.False(t, byCase.Get("identifier").Exists())
}

func TestConsentSaysNoMoreThanTheDocument(t *testing.T) {
	consent := mapOf(t)["Consent"][0]
	require.Equal(t, "permit", consent.Get("provision", "type").Text())
	require.Equal(t, 2, consent.Get("category").Len())
	denied := mapOf(t, edit{`xsi:type="CV" code="01"`, `xsi:type="CV" code="03"`})["Consent"][0]
	require.Equal(t, "deny", denied.Get("provision", "type").Text())
	text := string(compose(t))
	bare := mapOf(t, edit{cut(t, text, "<authorization", "</authorization>"), ""}, edit{"COCD_TP146050GB01", "COCD_TP000000GB01"})["Consent"][0]
	require.False(t, bare.Get("provision").Exists())
	require.Equal(t, 1, bare.Get("category").Len())
	require.Equal(t, "IMPLIED", fhir.CodeOf(bare.Get("policyRule"), actCodes))
}

func TestLocationOfTheReferralOnlyWhereItIsntHome(t *testing.T) {
	require.True(t, mapOf(t)["ServiceRequest"][0].Get("locationReference").Exists())
	home := mapOf(t, edit{"<streetAddressLine>1 Hall Green</streetAddressLine><postalCode>ZZ99 4VZ", "<streetAddressLine>3 invented row</streetAddressLine><streetAddressLine>Nowhere End</streetAddressLine><postalCode>ZZ99 3VZ"})
	require.False(t, home["ServiceRequest"][0].Get("locationReference").Exists())
	require.Len(t, home["Location"], 2, "the incident and the place of the appointment")
}

func TestOrganisationsAreMadeOnceForEachCode(t *testing.T) {
	codes := map[nhs.ODSCode]int{}
	for _, o := range mapOf(t)["Organization"] {
		codes[nhs.ODSOf(o)]++
	}
	require.Equal(t, map[nhs.ODSCode]int{"A1001": 1, "A1002": 1, "B2002": 1, "C3003": 1, "D4004": 1}, codes)
}

// The schema's default is PRCP; not every sender writes it.
func TestARecipientWithoutATypeIsAPrimaryOne(t *testing.T) {
	noODS := edit{`<itk:address uri="urn:nhs-uk:addressing:ods:B2002"/>`, ""} // so that the document alone says who receives it
	stated, unstated := compose(t, noODS), compose(t, noODS, edit{` typeCode="PRCP"`, ""})
	of := func(body []byte) (out []string) {
		mapped, _, err := through(body, "", strictRules())
		require.NoError(t, err)
		for _, r := range append(resourcesOf(mapped)["ServiceRequest"], resourcesOf(mapped)["Organization"]...) {
			out = append(out, string(r.JSON()))
		}
		for entry := range stu3Of(t, body).Get("entry").Items() {
			if resource := entry.Get("resource"); resource.Get("resourceType").Text() == "HealthcareService" {
				out = append(out, string(resource.Raw()))
			}
		}
		return out
	}
	require.Contains(t, strings.Join(of(stated), ""), `"resourceType":"HealthcareService"`)
	require.Equal(t, of(stated), of(unstated))
}

func TestTriageBecomesQuestionsAndAnswers(t *testing.T) {
	responses := mapOf(t)["QuestionnaireResponse"]
	require.Len(t, responses, 1)
	items := responses[0].Get("item")
	require.Equal(t, 2, items.Len(), "a line that isn't for the report is left out")
	require.Equal(t, "Tx1001", items.At(0).Get("linkId").Text())
	require.Equal(t, "yes, since last night", items.At(0).Dig("answer", "valueString").Text())
	require.Equal(t, "both arms", items.At(0).Dig("answer", "item", "answer", "valueString").Text(), "qrs-1: below the answer, not beside it")
	require.Equal(t, "Tx1001-2", items.At(1).Get("linkId").Text())
	require.Equal(t, "Has the rash spread? (changed later)", items.At(1).Get("text").Text())
	require.NotContains(t, string(responses[0].JSON()), "Nobody Printed")
	require.Equal(t, "2026-03-02T10:12:00Z", mapOf(t)["CarePlan"][0].Get("period", "start").Text())
}

func TestABrokenCaseIsNotedAndTheReferralGoesOn(t *testing.T) {
	text := string(compose(t))
	value := cut(t, text, `mediaType="text/xml">`, "</value>")
	for _, broken := range []string{"!!!", "bm8geG1s", "PCFET0NUWVBFIGE+PGEvPg=="} {
		mapped, _, err := through([]byte(strings.Replace(text, value, `mediaType="text/xml">`+broken+"</value>", 1)), "", strictRules())
		require.NoError(t, err)
		require.Len(t, mapped.Warnings, 1)
		require.Empty(t, resourcesOf(mapped)["QuestionnaireResponse"])
		requireSound(t, mapped)
	}
}

func TestWhatCantBeMappedIsRefusedByPathWithoutItsValue(t *testing.T) {
	for _, c := range []struct{ from, to, path string }{
		{`value="20260302102200"`, `value="SECRET"`, "ClinicalDocument/effectiveTime/@value"},
		{`birthTime value="19810629"`, `birthTime value="19810631"`, "patient/birthTime/@value"},
		{`<high value="20260302102030"/>`, `<high value="SECRET"/>`, "encompassingEncounter/effectiveTime/high/@value"},
		{`<id root="8A1F0C52-4444-4E6B-9C55-0A1B2C3D4E5F"/>`, `<id root="SECRET"/>`, "ClinicalDocument/id/@root"},
		{`root="2.16.840.1.113883.2.1.3.2.4.18.24" extension="LOC-4471"`, `root="SEC RET" extension="1"`, "patientRole/id/@root"},
		{`code="001" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.289"`, `code="001" codeSystem="https://SECRET"`, "standardIndustryClassCode/@codeSystem"},
	} {
		_, _, err := through(compose(t, edit{c.from, c.to}), "", strictRules())
		require.ErrorContains(t, err, c.path)
		require.NotContains(t, err.Error(), "SEC")
		require.NotContains(t, err.Error(), "19810631")
	}
}

func TestAPeriodThatEndsBeforeItBeginsIsNotedAndKeepsItsEnd(t *testing.T) {
	for _, e := range []edit{
		{`<low value="20260302095800"/>`, `<low value="20260302115800"/>`},
		{`<low value="202603021000+00"/>`, `<low value="202603101000+00"/>`},
	} {
		mapped, _, err := through(compose(t, e), "", strictRules())
		require.NoError(t, err)
		requireSound(t, mapped)
		require.Len(t, mapped.Warnings, 1)
		require.Contains(t, mapped.Warnings[0], "effectiveTime")
	}
}

func TestACrowdedHeaderIsRefusedBeforeItIsMapped(t *testing.T) {
	for _, c := range []struct{ from, repeat, path string }{
		{`<telecom value="tel:01632 960101" use="H"/>`, `<telecom value="tel:1"/>`, "ClinicalDocument/recordTarget/patientRole"},
		{"<dataEnterer ", "<author/>", "ClinicalDocument: holds"},
	} {
		_, _, err := through(compose(t, edit{c.from, strings.Repeat(c.repeat, 101) + c.from}), "", strictRules())
		require.ErrorContains(t, err, c.path)
		require.ErrorContains(t, err, "more than 100 elements")
	}
}
