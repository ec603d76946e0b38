package search

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADescriptionNamesParametersAndNoValue(t *testing.T) {
	const secret = "9000000009"
	for want, n := range map[string]Node{
		"identifier=•":                    Has("identifier=https://fhir.nhs.uk/Id/nhs-number|" + secret),
		"status:• (one of 2)":             HasAny{"status:" + secret, "status:b"},
		"name:• (prefix)":                 Prefix("name:" + secret),
		"!status":                         Has("!status"),
		"•":                               Has(secret),
		"_id (one of 1)":                  IDs{secret},
		"birthdate ge •":                  Date{Param: "birthdate", Op: Ge, Lo: 9000000009},
		"value eq •":                      Date{Param: "value$" + secret, Op: Eq},
		"(a:• and not b:•)":               And{Has("a:" + secret), Not{Has("b:" + secret)}},
		"(a:• or everything)":             Or{Has("a:" + secret), nil},
		"_lastUpdated lt •":               Updated{Op: Lt, Lo: 9000000009},
		"patient of Patient by name:•":    Chain{"patient", &Query{Type: "Patient", Where: Has("name:" + secret)}},
		"_has Task focus by everything":   ReverseChain{"focus", &Query{Type: "Task"}},
		"nothing":                         HasAny{},
		"everything":                      nil,
		"(name~• and @org:• and nothing)": And{Has("name~" + secret), Has("@org:" + secret), Or{}},
	} {
		got := Describe(n)
		require.Equal(t, want, got)
		require.False(t, strings.Contains(got, secret))
	}
}
