package search

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/r4"
)

// r4Names are R4's own search parameters of each type served (R4 4.0.1,
// searchparameter-registry.html), written beside the table and not made from it.
var r4Names = map[string]string{
	"AllergyIntolerance":    "asserter category clinical-status code criticality date identifier last-date manifestation onset patient recorder route severity type verification-status",
	"Appointment":           "actor appointment-type based-on date identifier location part-status patient practitioner reason-code reason-reference service-category service-type slot specialty status supporting-info",
	"Binary":                "",
	"CarePlan":              "activity-code activity-date activity-reference based-on care-team category condition date encounter goal identifier instantiates-canonical instantiates-uri intent part-of patient performer replaces status subject",
	"Communication":         "based-on category encounter identifier instantiates-canonical instantiates-uri medium part-of patient received recipient sender sent status subject",
	"Condition":             "abatement-age abatement-date abatement-string asserter body-site category clinical-status code encounter evidence evidence-detail identifier onset-age onset-date onset-info patient recorded-date severity stage subject verification-status",
	"Consent":               "action actor category consentor data date identifier organization patient period purpose scope security-label source-reference status",
	"Device":                "device-name identifier location manufacturer model organization patient status type udi-carrier udi-di url",
	"DocumentReference":     "authenticator author category contenttype custodian date description encounter event facility format identifier language location patient period related relatesto relation relationship security-label setting status subject type",
	"Encounter":             "account appointment based-on class date diagnosis episode-of-care identifier length location location-period part-of participant participant-type patient practitioner reason-code reason-reference service-provider special-arrangement status subject type",
	"Endpoint":              "connection-type identifier name organization payload-type status",
	"Flag":                  "author date encounter identifier patient subject",
	"HealthcareService":     "active characteristic coverage-area endpoint identifier location name organization program service-category service-type specialty",
	"Location":              "address address-city address-country address-postalcode address-state address-use endpoint identifier name near operational-status organization partof status type",
	"MedicationStatement":   "category code context effective identifier medication part-of patient source status subject",
	"Observation":           "based-on category code code-value-concept code-value-date code-value-quantity code-value-string combo-code combo-code-value-concept combo-code-value-quantity combo-data-absent-reason combo-value-concept combo-value-quantity component-code component-code-value-concept component-code-value-quantity component-data-absent-reason component-value-concept component-value-quantity data-absent-reason date derived-from device encounter focus has-member identifier method part-of patient performer specimen status subject value-concept value-date value-quantity value-string",
	"Organization":          "active address address-city address-country address-postalcode address-state address-use endpoint identifier name partof phonetic type",
	"Patient":               "active address address-city address-country address-postalcode address-state address-use birthdate death-date deceased email family gender general-practitioner given identifier language link name organization phone phonetic telecom",
	"Practitioner":          "active address address-city address-country address-postalcode address-state address-use communication email family gender given identifier name phone phonetic telecom",
	"PractitionerRole":      "active date email endpoint identifier location organization phone practitioner role service specialty telecom",
	"Procedure":             "based-on category code date encounter identifier instantiates-canonical instantiates-uri location part-of patient performer reason-code reason-reference status subject",
	"Questionnaire":         "code context context-quantity context-type context-type-quantity context-type-value date definition description effective identifier jurisdiction name publisher status subject-type title url version",
	"QuestionnaireResponse": "author authored based-on encounter identifier part-of patient questionnaire source status subject",
	"RelatedPerson":         "active address address-city address-country address-postalcode address-state address-use birthdate email gender identifier name patient phone phonetic relationship telecom",
	"Schedule":              "active actor date identifier service-category service-type specialty",
	"ServiceRequest":        "authored based-on body-site category code encounter identifier instantiates-canonical instantiates-uri intent occurrence patient performer performer-type priority replaces requester requisition specimen status subject",
	"Slot":                  "appointment-type identifier schedule service-category service-type specialty start status",
	"Subscription":          "contact criteria payload status type url",
	"Task":                  "authored-on based-on business-status code encounter focus group-identifier identifier intent modified owner part-of patient performer period priority requester status subject",
}

// common names are those of every resource; the others of Resource and
// DomainResource are refused.
const commonNames = "_id _lastUpdated _profile _security _source _tag"

func TestTheTableHoldsR4sParametersAndNoOthers(t *testing.T) {
	require.Len(t, Types(), len(r4Names))
	for typ, names := range r4Names {
		want := strings.Fields(names + " " + commonNames)
		want = slices.DeleteFunc(want, func(name string) bool { return typ == "Location" && name == "near" })
		slices.Sort(want)
		var got []string
		for _, p := range ParamsOf(typ) {
			got = append(got, p.Name)
		}
		require.Equal(t, want, got, typ)
	}
	for typ, n := range map[string]int{"ServiceRequest": 21, "Appointment": 17, "Slot": 8, "Schedule": 7, "DocumentReference": 25,
		"Patient": 23, "Task": 19, "HealthcareService": 12, "Observation": 38} {
		require.Len(t, strings.Fields(r4Names[typ]), n, typ)
	}
}

// Every path of the table leads to an element of R4, and a composite's parts to
// elements of one parent.
func TestEveryPathOfTheTableIsAnElementOfR4(t *testing.T) {
	for _, typ := range Types() {
		for _, p := range ParamsOf(typ) {
			for _, steps := range p.steps {
				at := r4.Tables.Resource(typ)
				require.NotNil(t, at, typ)
				for _, s := range steps {
					e := at.Element(s.name)
					require.NotNil(t, e, "%s.%s: %s", typ, p.Name, s.name)
					at = r4.Tables.TypeOf(e)
				}
			}
		}
	}
}
