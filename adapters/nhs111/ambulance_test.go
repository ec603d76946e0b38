package nhs111

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The participations of an AmbulanceRequest (REPC_MT200001GB02) may be of several
// templates: who told of the incident can be staff, who wrote can be software,
// and who gets it can be a person or a workgroup.
func TestAnAmbulanceRequestMayHaveParticipantsOfOtherTemplates(t *testing.T) {
	text := string(composeFrom(t, "ambulance.xml"))
	informant := cut(t, text, "<informant ", "</informant>")
	author := cut(t, text, "<COCD_TP145200GB01.AssignedAuthor", "</COCD_TP145200GB01.AssignedAuthor>")
	recipient := cut(t, text, "<COCD_TP145203GB03.IntendedRecipient>", "</COCD_TP145203GB03.IntendedRecipient>")
	organisation := `<representedOrganization><id root="` + oidODS + `" extension="%"/><name>Other %</name></representedOrganization>`
	of := func(code string) string { return strings.ReplaceAll(organisation, "%", code) }
	for name, c := range map[string]struct {
		edit  edit
		holds []string
	}{
		"staff as informant": {edit{informant, `<informant typeCode="INF"><COCD_TP145210GB01.AssignedEntity><addr>4 Station Yard</addr>` +
			`<code code="NR1690" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.124" displayName="Call Operator"/><id nullFlavor="NA"/><telecom value="tel:01632960199"/>` +
			`<assignedPerson><name>Cora Operator</name></assignedPerson>` + of("E5005") + `</COCD_TP145210GB01.AssignedEntity></informant>`},
			[]string{"4 Station Yard", "Call Operator", "01632960199", "Cora Operator", "Other E5005"}},
		"software as author": {edit{author, `<COCD_TP145207GB01.AssignedAuthorDevice><id root="` + oidLocalPerson + `" extension="engine-1"/>` +
			`<assignedAuthoringDevice><manufacturerModelName>Invented</manufacturerModelName><softwareName>Engine</softwareName></assignedAuthoringDevice>` + of("E5005") +
			`</COCD_TP145207GB01.AssignedAuthorDevice>`}, []string{"engine-1", "Other E5005"}},
		"an organisation as author": {edit{author, `<COCD_TP145208GB01.AssignedAuthor><code nullFlavor="NA"/><id nullFlavor="NA"/>` + of("E5005") + `</COCD_TP145208GB01.AssignedAuthor>`},
			[]string{"Other E5005"}},
		"a workgroup as recipient": {edit{recipient, `<COCD_TP145204GB03.RecipientWorkgroup><id nullFlavor="NA"/><telecom value="tel:01632960198"/>` + of("E5005") +
			`</COCD_TP145204GB03.RecipientWorkgroup>`}, []string{"01632960198", "Other E5005"}},
		"a person as recipient": {edit{recipient, `<COCD_TP145202GB02.IntendedRecipient><id nullFlavor="NA"/><assignedPerson><name>Rex Cipient</name></assignedPerson>` + of("E5005") +
			`</COCD_TP145202GB02.IntendedRecipient>`}, []string{"Other E5005"}},
	} {
		t.Run(name, func(t *testing.T) {
			mapped, _, err := through(composeFrom(t, "ambulance.xml", c.edit), "", strictRules())
			require.NoError(t, err)
			requireSound(t, mapped)
			for _, value := range c.holds {
				require.Contains(t, string(mapped.Bundle.JSON()), value)
			}
		})
	}
}

// Ensure that a danger is seen however a sender writes true, and that what is
// neither is told.
func TestAFlagOfAnAmbulanceRequestIsReadHoweverTrueIsWritten(t *testing.T) {
	const trapped = `<code code="TR"/><value value="false"/>`
	for value, want := range map[string]bool{"true": true, "1": true, " TRUE ": true, "false": false, "0": false, "yes": false} {
		mapped, _, err := through(composeFrom(t, "ambulance.xml", edit{trapped, strings.Replace(trapped, "false", value, 1)}), "", strictRules())
		require.NoError(t, err)
		require.Equal(t, want, strings.Contains(string(mapped.Bundle.JSON()), `"code":"TR"`), value)
		told := false
		for _, o := range mapped.Omitted {
			told = told || strings.Contains(o.Path, "pertinentTrappedFlag/value")
		}
		require.Equal(t, value == "yes", told, value)
	}
}

func TestALanguageIsPreferredHoweverTrueIsWritten(t *testing.T) {
	for _, value := range []string{"1", "True"} {
		patient := mapOf(t, edit{`<preferenceInd value="true"/>`, `<preferenceInd value="` + value + `"/>`})["Patient"][0]
		require.Contains(t, string(patient.JSON()), `"preferred":true`)
	}
}

// Ensure that the note of a desk that isn't named isn't lost unsaid.
func TestACallBackContactThatNamesNobodyIsTold(t *testing.T) {
	text := string(composeFrom(t, "ambulance.xml"))
	desk := cut(t, text, "<COCD_TP145212GB02.Workgroup", "</COCD_TP145212GB02.Workgroup>")
	mapped, _, err := through(composeFrom(t, "ambulance.xml", edit{desk, ""}), "", strictRules())
	require.NoError(t, err)
	require.Contains(t, mapped.Omitted, Omission{Path: "ClinicalDocument/participant", Why: "it says nobody"})
}
