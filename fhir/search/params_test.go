package search

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryTypeHasTheParametersThatBookingAndReferralNeed(t *testing.T) {
	needed := map[string]string{
		"Slot":                  "schedule start status identifier service-category service-type appointment-type specialty",
		"Schedule":              "actor active date identifier",
		"Appointment":           "actor patient date status identifier slot service-category based-on",
		"ServiceRequest":        "subject patient encounter status intent category code identifier authored occurrence requester performer based-on requisition priority",
		"Patient":               "identifier family given name birthdate gender address-postalcode active general-practitioner",
		"HealthcareService":     "identifier active name organization location",
		"Organization":          "identifier name active",
		"Practitioner":          "identifier family given name active",
		"Location":              "identifier name status",
		"Encounter":             "identifier status class subject patient date service-provider",
		"CarePlan":              "identifier status subject patient encounter category date",
		"DocumentReference":     "identifier patient subject status type date related encounter",
		"Condition":             "code clinical-status encounter subject patient identifier",
		"Observation":           "code status date patient subject encounter identifier",
		"Consent":               "status patient date identifier",
		"Flag":                  "identifier patient subject date",
		"Task":                  "status patient subject code focus identifier owner requester based-on",
		"QuestionnaireResponse": "identifier patient subject encounter status questionnaire",
		"Questionnaire":         "status identifier url",
		"Endpoint":              "identifier status name organization",
		"PractitionerRole":      "identifier practitioner organization active",
		"RelatedPerson":         "identifier patient active",
		"Communication":         "identifier patient subject status sent received",
		"Device":                "identifier patient status type",
		"Procedure":             "identifier patient subject status code date",
		"MedicationStatement":   "identifier patient subject status code effective",
		"AllergyIntolerance":    "identifier patient clinical-status code date",
		"Binary":                "",
		"Subscription":          "contact criteria payload status type url",
	}
	require.Len(t, Types(), len(needed))
	for typ, names := range needed {
		require.Contains(t, Types(), typ)
		for _, name := range append(strings.Fields(names), "_id", "_lastUpdated", "_tag") {
			require.NotNil(t, paramOf(typ, name), "%s.%s", typ, name)
		}
	}
}

func TestEveryParameterIsWellFormed(t *testing.T) {
	name := regexp.MustCompile(`^_?[a-z][A-Za-z-]+$`)
	path := regexp.MustCompile(`^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)*(\[[a-z]+=[a-z]+\])?$`)
	types := []Type{TokenType, StringType, ReferenceType, DateType, URIType, QuantityType, CompositeType}
	for _, typ := range Types() {
		list := ParamsOf(typ)
		for i, p := range list {
			require.Regexp(t, name, p.Name, typ)
			require.Contains(t, types, p.Type, "%s.%s", typ, p.Name)
			require.Len(t, p.steps, len(p.Paths), "%s.%s", typ, p.Name)
			require.Equal(t, p.Name == "_id" || p.Name == "_lastUpdated", len(p.Paths) == 0, "%s.%s", typ, p.Name)
			for _, one := range p.Paths {
				require.Regexp(t, path, one, "%s.%s", typ, p.Name)
			}
			if i > 0 {
				require.Less(t, list[i-1].Name, p.Name, typ)
			}
			if p.Type != ReferenceType {
				require.Nil(t, p.Targets, "%s.%s", typ, p.Name)
			}
			if p.narrow {
				require.Len(t, p.Targets, 1, "%s.%s", typ, p.Name)
			}
		}
	}
}

func TestATypeOutsideTheTableHasTheCommonParametersOnly(t *testing.T) {
	require.Equal(t, ParamsOf("Binary"), ParamsOf("MessageHeader"))
}
