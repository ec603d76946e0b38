package nhs111

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// minimalReport has nothing that a report may do without: no encounter, no
// recipient, no consent, no sections, an author of whom only an id is known.
const minimalReport = `<Envelope xmlns="` + nsSOAP + `"><Header><MessageID xmlns="` + nsWSA + `">urn:uuid:0e1f0c52-1111-4e6b-9c55-0a1b2c3d4e5f</MessageID>` +
	`<Action xmlns="` + nsWSA + `">urn:nhs-itk:services:201005:SendNHS111Report-v2-0</Action></Header><Body>` +
	`<DistributionEnvelope xmlns="` + nsITK + `"><header service="urn:nhs-itk:services:201005:SendNHS111Report-v2-0" trackingid="0E1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F">` +
	`<addresslist><address uri="urn:nhs-uk:addressing:ods:b2002"/></addresslist><auditIdentity><id uri="urn:nhs-uk:identity:ods:a1001"/></auditIdentity>` +
	`<manifest count="1"><manifestitem id="p" mimetype="text/xml" ` + composedProfile + `/></manifest>` +
	`<handlingSpecification><spec key="` + nsITK + `:interaction" value="urn:nhs-itk:interaction:primaryGeneralPractitionerRecipientNHS111CDADocument-v2-0"/></handlingSpecification>` +
	`</header><payloads count="1"><payload id="p"><ClinicalDocument xmlns="` + nsHL7 + `"><id root="0E1F0C52-4444-4E6B-9C55-0A1B2C3D4E5F"/><effectiveTime value="20260302"/>` +
	`<recordTarget><patientRole><id nullFlavor="UNK"/><patient><name>Unknown person</name></patient></patientRole></recordTarget>` +
	`<author><assignedAuthor><id root="` + oidSDSUser + `" extension="1"/></assignedAuthor></author><custodian><assignedCustodian><representedCustodianOrganization/></assignedCustodian></custodian>` +
	`<component/></ClinicalDocument></payload></payloads></DistributionEnvelope></Body></Envelope>`

func TestAMinimalReportBecomesTheHonestMinimum(t *testing.T) {
	mapped, _, err := through([]byte(minimalReport), "", strictRules())
	require.NoError(t, err)
	requireSound(t, mapped)
	requireWhole(t, mapped, []byte(minimalReport))
	all := resourcesOf(mapped)
	require.Equal(t, "0e1f0c52-1111-4e6b-9c55-0a1b2c3d4e5f", mapped.Bundle.ID())
	require.Equal(t, "unknown", all["Patient"][0].Get("gender").Text())
	for _, absent := range []string{"identifier", "contact", "birthDate", "address"} {
		require.False(t, all["Patient"][0].Get(absent).Exists(), absent)
	}
	require.Equal(t, "Unknown person", all["Patient"][0].Get("name", "text").Text())
	require.Equal(t, "2026-03-02", all["ServiceRequest"][0].Get("authoredOn").Text())
	require.False(t, all["DocumentReference"][0].Get("date").Exists(), "a day is no instant")
	require.False(t, all["CarePlan"][0].Get("activity").Exists())
	require.True(t, strings.HasPrefix(all["Encounter"][0].Get("episodeOfCare", "reference").Text(), "EpisodeOfCare/"), "BaRS needs a journey")
	require.Equal(t, "https://fhir.nhs.uk/Id/ods-organization-code|B2002", all["MessageHeader"][0].Get("destination", "endpoint").Text())
	require.Equal(t, "https://fhir.nhs.uk/Id/ods-organization-code|A1001", all["MessageHeader"][0].Get("source", "endpoint").Text())
	require.Len(t, all["Organization"], 2)
}

// minimalAmbulance is the shortest ambulance request.
func minimalAmbulance() string {
	head, _, _ := strings.Cut(minimalReport, "<ClinicalDocument")
	return head + `<AmbulanceRequest xmlns="` + nsHL7 + `"><effectiveTime value="20260302"/><id root="0E1F0C52-4444-4E6B-9C55-0A1B2C3D4E5F"/>` +
		`<author><X.AssignedAuthor><id root="` + oidSDSUser + `" extension="1"/><representedOrganization/></X.AssignedAuthor></author>` +
		`<pertinentInformation5><pertinentEncounterEvent><recordTarget><X.PatientRole><patientPatient><name>Unknown person</name></patientPatient></X.PatientRole></recordTarget></pertinentEncounterEvent></pertinentInformation5>` +
		`<reason><justifyingTriageOutcome><value code="R1" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.329"/></justifyingTriageOutcome></reason>` +
		`</AmbulanceRequest></payload></payloads></DistributionEnvelope></Body></Envelope>`
}

func TestAMinimalAmbulanceRequestIsAReferral(t *testing.T) {
	mapped, _, err := through([]byte(minimalAmbulance()), "", strictRules())
	require.NoError(t, err)
	requireSound(t, mapped)
	all := resourcesOf(mapped)
	require.Equal(t, "stat", all["ServiceRequest"][0].Get("priority").Text())
	require.Equal(t, "Unknown person", all["Patient"][0].Get("name", "text").Text())
	require.Len(t, all["Flag"], 1, "the scene wasn't said to be safe")
}
