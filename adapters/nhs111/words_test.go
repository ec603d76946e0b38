package nhs111

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each way of saying something that the schema allows is carried, or named among
// what only the document holds.
func TestWhatSendersSayInOtherWaysIsCarriedOrNamed(t *testing.T) {
	const (
		visit     = `<effectiveTime><low value="202603021000+00"/><high value="202603091000+00"/></effectiveTime><value xsi:type="CV" code="01"`
		adviser   = `displayName="Health adviser"/>`
		secret    = `<confidentialityCode code="R" codeSystem="2.16.840.1.113883.1.11.16926"/>`
		contentAt = `<loc:contentId root="2.16.840.1.113883.2.1.3.2.4.18.16" extension="COCD_TP146092GB01#ClinicalDiscriminator"/><observation>`
	)
	for name, c := range map[string]struct {
		edit    edit
		said    string // in the resources
		omitted string // else the path that is named
	}{
		"a translation in words": {edit{adviser, `displayName="Health adviser"><translation nullFlavor="OTH" displayName="Line adviser"/></code>`}, `{"display":"Line adviser"}`, ""},
		"a translation's own words": {edit{adviser, `displayName="Health adviser"><translation code="T1" codeSystem="1.2.3"><originalText>Desk adviser</originalText></translation></code>`},
			`{"display":"Desk adviser"}`, ""},
		"a translation of a translation": {edit{adviser, `displayName="Health adviser"><translation code="T1" codeSystem="1.2.3"><translation code="T2" codeSystem="1.2.3"/></translation></code>`},
			`"code":"T2"`, ""},
		"a name beside the words": {edit{`code="R8003" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.196" ` + adviser,
			`nullFlavor="OTH" displayName="Health adviser"><originalText>on the night desk</originalText></code>`}, `{"display":"Health adviser"}`, ""},
		"a level of a language in words": {edit{`<proficiencyLevelCode code="F" displayName="Fair"/>`, `<proficiencyLevelCode nullFlavor="OTH" displayName="Middling"/>`}, "Middling", ""},
		"more of a level of a language": {edit{`<proficiencyLevelCode code="F" displayName="Fair"/>`,
			`<proficiencyLevelCode code="F" displayName="Fair"><originalText>gets by</originalText></proficiencyLevelCode>`}, "",
			"ClinicalDocument/recordTarget/patientRole/patient/languageCommunication/proficiencyLevelCode/originalText"},
		"a translated marital status": {edit{`<maritalStatusCode code="M" displayName="MaritalMarker"/>`,
			`<maritalStatusCode code="M"><translation code="MS4" codeSystem="1.2.3" displayName="Wed twice"/></maritalStatusCode>`}, "Wed twice", ""},
		"a name of a confidentiality":  {edit{secret, secret[:len(secret)-2] + ` displayName="for the team only"/>`}, "for the team only", ""},
		"a translated confidentiality": {edit{secret, secret[:len(secret)-2] + `><translation code="SENS" codeSystem="1.2.3"/></confidentialityCode>`}, `"code":"SENS"`, ""},
		"a permission of one day": {edit{visit, strings.Replace(visit, `<effectiveTime><low value="202603021000+00"/><high value="202603091000+00"/></effectiveTime>`,
			`<effectiveTime value="20190102"/>`, 1)}, `"period":{"start":"2019-01-02"}`, ""},
		"an hour of birth":     {edit{`<birthTime value="19810629"/>`, `<birthTime value="198106290312"/>`}, "", "ClinicalDocument/recordTarget/patientRole/patient/birthTime/@value"},
		"an answering machine": {edit{`value="tel:07700 900102" use="EC"`, `value="tel:07700 900102" use="EC AS"`}, "", "//telecom/@use"},
		"a religious name":     {edit{`<name><prefix>Ms`, `<name use="R"><prefix>Ms`}, "", "//name/@use"},
		"an address that is wrong": {edit{`<addr use="H"><streetAddressLine>3 Invented Row`, `<addr use="H BAD"><streetAddressLine>3 Invented Row`},
			`{"use":"old","text":"blue gate","line":["3 Invented Row"`, ""},
		"an e-mail address without scheme": {edit{`value="mailto:someone@onward.test"`, `value="someone@onward.test"`}, `{"system":"email","value":"someone@onward.test"`, ""},
		"a section known by its code":      {edit{`<section><title>Pathways Disposition</title>`, `<section><code code="X1" displayName="What was decided"/>`}, "What was decided", ""},
		"an entry known by its own template": {edit{contentAt, `<observation><templateId root="2.16.840.1.113883.2.1.3.2.4.18.2" extension="COCD_TP146092GB01#ClinicalDiscriminator"/>`},
			`"code":"271807003"`, ""},
		"who assigned an id that is a root alone": {edit{`<consent><id root="8A1F0C52-7777-4E6B-9C55-0A1B2C3D4E5F"/>`, `<consent><id root="8A1F0C52-7777-4E6B-9C55-0A1B2C3D4E5F" assigningAuthorityName="Consent desk"/>`},
			"Consent desk", ""},
		"a text beside a device's name": {edit{`<softwareName displayName="40.1"/>`, `<softwareName displayName="40.1">build 7</softwareName>`}, "",
			classification + "/entry/observationMedia/participant/participantRole/playingDevice/softwareName/text()"},
		"an extension of the document's id": {edit{`<id root="8A1F0C52-4444-4E6B-9C55-0A1B2C3D4E5F"/>`, `<id root="8A1F0C52-4444-4E6B-9C55-0A1B2C3D4E5F" extension="E7"/>`}, "", "ClinicalDocument/id/@extension"},
	} {
		t.Run(name, func(t *testing.T) {
			mapped, _, err := through(compose(t, c.edit), "", strictRules())
			require.NoError(t, err)
			requireSound(t, mapped)
			require.True(t, strings.Contains(said(mapped), c.said), "%s isn't said", c.said)
			if c.omitted == "" {
				return
			}
			var paths []string
			for _, o := range mapped.Omitted {
				paths = append(paths, o.Path)
			}
			require.Contains(t, paths, c.omitted)
		})
	}
}

// An id that is null in a namespace names nobody (HL7 v3, II with a nullFlavor).
func TestANullIDInANamespaceIsNoIdentifier(t *testing.T) {
	local := `<id root="2.16.840.1.113883.2.1.3.2.4.18.24" extension="LOC-4471" assigningAuthorityName="A1001:Call centre"/>`
	mapped, _, err := through(compose(t, edit{local, `<id root="2.16.840.1.113883.2.1.3.2.4.18.24" nullFlavor="UNK"/>`}), "", strictRules())
	require.NoError(t, err)
	require.Equal(t, 1, resourcesOf(mapped)["Patient"][0].Get("identifier").Len(), "the NHS number alone")
}

func TestAPriorityOfAnAmbulanceKeepsItsWords(t *testing.T) {
	const value = `<value code="R1" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.329"/>`
	body := strings.Replace(minimalAmbulance(), value, value[:len(value)-2]+`><originalText>blue lights</originalText><translation code="C1" codeSystem="1.2.3"/></value>`, 1)
	mapped, _, err := through([]byte(body), "", strictRules())
	require.NoError(t, err)
	requireSound(t, mapped)
	require.True(t, strings.Contains(said(mapped), "blue lights"))
	require.True(t, strings.Contains(said(mapped), `"code":"C1"`))
}

// The list of what only the document holds is bounded, and says where it ends.
func TestALongListOfWhatIsNotCarriedSaysThatThereIsMore(t *testing.T) {
	odd := func(name string) (all string) {
		for i := range 60 {
			all += fmt.Sprintf("<%s%d/>", name, i)
		}
		return all
	}
	mapped, _, err := through(compose(t, edit{`<patientRole classCode="PAT">`, `<patientRole classCode="PAT">` + odd("a")},
		edit{`<patient classCode="PSN">`, `<patient classCode="PSN">` + odd("b")}), "", strictRules())
	require.NoError(t, err)
	require.Len(t, mapped.Omitted, maxOmitted)
	require.Contains(t, mapped.Omitted[maxOmitted-1].Why, "more than this list can name")
}

// A setId that is null is none: the document is its own set.
func TestANullSetIsNone(t *testing.T) {
	mapped, _, err := through(compose(t, edit{`<setId root="8A1F0C52-5555-4E6B-9C55-0A1B2C3D4E5F"/>
<versionNumber value="2"/>`, `<setId nullFlavor="NA"/><versionNumber nullFlavor="NA"/>`}), "", strictRules())
	require.NoError(t, err)
	require.Equal(t, "urn:uuid:8a1f0c52-4444-4e6b-9c55-0a1b2c3d4e5f", mapped.Document.Set)
	require.Equal(t, 1, mapped.Document.Version)
}
