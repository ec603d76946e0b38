package nhs111

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Senders write the same report in their own ways. The files in testdata/senders
// are composed with the habits of several kinds of software; each is a proper
// message, and everything that it says must be found in the resources or among
// what isn't carried.
func TestReportsWithTheHabitsOfOtherSendersAreTakenWhole(t *testing.T) {
	device := classification + "/entry/observationMedia/participant/participantRole/playingDevice/"
	for name, c := range map[string]struct{ holds, omitted []string }{
		"prefixed": {[]string{`"identifier":[{"type":{"text":"staff"},"value":"S-4410"}]`, `{"code":"nurse-line","display":"Line nurse"}`,
			`"type":[{"coding":[{"code":"ED","display":"Emergency department"}],"text":"Emergency department"}]`,
			`{"type":{"text":"caseRef"},"value":"C-5521"}`, `"value":"EpisodeOfCare/7731"`, `"identifier":[{"value":"consent"}]`,
			`{"code":"425691002","display":"Consent given"}`, `"display":"Also sent to"`, "Second Department", "01632960143",
			"Swollen ankle", "Nothing written here", "Ward of origin", "Invented Provider Trust",
			`"identifier":[{"value":"serviceProvider"}]`, "Call Back Desk", `"code":"V","display":"very restricted"`,
			`"destination":[{"endpoint":"https://fhir.nhs.uk/Id/ods-organization-code|B2002"`},
			[]string{"//code/@codeSystem", "//standardIndustryClassCode/@codeSystem"}},
		"platform": {[]string{`"code":"000000000000000"`, "K-20391", "ZZ99 5VZ", "01632 960 171", `"given":["Ike"]`, "Invented Line", "Invented Skillset",
			"urn:uuid:8a1f0c52-8888-4e6b-9c55-0a1b2c3d4e5f", `"start":"2026-03-02T10:00:00Z"`, "line one <b>not markup</b>", `"authoredOn":"2026-03-02T10:21:30.123Z"`,
			"2000072489"}, []string{"ClinicalDocument/recordTarget/patientRole/patient/administrativeGenderCode/@displayName"}},
		"online": {[]string{"8 Invented Wharf", "una@onward.test", "07700900129", `"birthDate":"1981"`, `"family":"Sample-Onward"`, "ONLINE-7", "Online desk", "ONL-81-2",
			"778812", `"requesterCDSSVersion","valueString":"Invented Online"`, "Sore throat &amp; cough", `>https://onward.test/self-care</a>`, "Only a guide", "Answers", "None asked"},
			[]string{classification + "/entry/observationMedia/value", device + "manufacturerModelName/@code", device + "manufacturerModelName/@codeSystem",
				device + "softwareName/@code", device + "softwareName/@codeSystem",
				"ClinicalDocument/informant/relatedEntity/code", "ClinicalDocument/informant/relatedEntity/relatedPerson"}},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile("testdata/senders/" + name + ".xml")
			require.NoError(t, err)
			_, _, err = through(body, "utf-8", compatRules())
			require.NoError(t, err)
			mapped, _, err := through(body, "utf-8", strictRules())
			require.NoError(t, err)
			requireSound(t, mapped)
			requireWhole(t, mapped, body)
			said := resourcesText(mapped)
			for _, value := range c.holds {
				require.Contains(t, said, value)
			}
			distinct := map[string]bool{}
			for _, r := range resourcesOf(mapped)["Organization"] {
				require.False(t, distinct[string(r.JSON())], "each organisation is there once")
				distinct[string(r.JSON())] = true
			}
			var omitted []string
			for _, o := range mapped.Omitted {
				omitted = append(omitted, o.Path)
			}
			require.ElementsMatch(t, omitted, c.omitted, "nothing else is lost")
		})
	}
}

// resourcesText is what the resources say, without the original.
func resourcesText(m *Mapped) string {
	var b strings.Builder
	for _, entry := range entriesOf(m) {
		if entry.Resource.Type() == "Binary" {
			continue
		}
		b.Write(entry.Resource.JSON())
		b.WriteByte('\n')
	}
	return b.String()
}
