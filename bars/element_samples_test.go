package bars_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
)

// publishedBreaks says which element rules each published message breaks.
var publishedBreaks = map[string][]string{
	"booking-request-cancelled":                  {"header-cdss", "organisation-ods", "telecom-first"},
	"booking-request-new":                        {"header-cdss", "organisation-ods", "telecom-first"},
	"cad-out-of-area-c1-1-initial":               {"careplan-outcome", "observation-encounter", "observation-text", "organisation-identifier", "organisation-ods"},
	"cad-out-of-area-c1-2-update":                {"careplan-outcome", "observation-encounter", "observation-text", "organisation-identifier", "organisation-ods"},
	"cad-out-of-area-c1-3-update":                {"observation-encounter", "observation-text", "organisation-identifier", "organisation-ods"},
	"cad-out-of-area-c1-4-final-update":          {"observation-encounter", "observation-text", "organisation-identifier", "organisation-ods"},
	"referral-cancel-revoked":                    {"contact-rank", "contact-relationship", "organisation-ods", "telecom-first"},
	"referral-request-111-to-ed":                 {"answers-subject", "careplan-start", "observation-subject", "observation-text", "organisation-identifier", "request-performer"},
	"referral-request-broker-ag-to-ers":          {"encounter-class-virtual", "no-id", "organisation-identifier"},
	"referral-request-cad-out-of-area":           {"no-id", "observation-encounter", "observation-text", "organisation-identifier", "organisation-ods"},
	"referral-request-pharmacy-blood-pressure":   {"careplan-start", "no-id"},
	"referral-request-pharmacy-minor-illness":    {"careplan-start", "no-id", "organisation-type"},
	"referral-response-cad-out-of-area-status":   {"organisation-ods"},
	"referral-response-safeguarding-dna":         {"flag-category", "observation-subject", "organisation-identifier"},
	"validation-http-response-planned-encounter": {"contact-rank", "contact-relationship", "observation-encounter", "observation-text", "organisation-identifier", "organisation-ods", "request-authored", "telecom-first"},
	"validation-request-999-to-cas":              {"observation-encounter", "observation-text", "organisation-identifier", "organisation-ods", "request-authored"},
	"validation-request-update":                  {"contact-rank", "contact-relationship", "flag-code", "observation-encounter", "observation-text", "organisation-identifier", "organisation-ods", "request-authored", "scene-safety-code", "telecom-first"},
	"validation-response-full-after-interim":     {"contact-rank", "contact-relationship", "organisation-identifier", "organisation-ods", "request-authored", "telecom-first"},
	"validation-response-full-new":               {"organisation-identifier", "organisation-ods", "request-authored"},
	"validation-response-interim-in-progress":    {"contact-rank", "contact-relationship", "organisation-identifier", "organisation-ods", "request-authored", "request-requester", "telecom-first"},
}

// Every published message: lenient mode warns of exactly these rules, strict
// mode refuses exactly these.
func TestThePublishedMessagesBreakTheseElementRulesAndNoOthers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fhirtest.Published(t, "samples", "bars", "bundles"), "*.xml"))
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		r, err := fhirxml.ToJSON(text, r4.Tables)
		require.NoError(t, err)
		if r.Get("type").Text() != "message" {
			continue
		}
		seen++
		name := strings.TrimSuffix(filepath.Base(file), ".xml")
		mild, harsh := bars.CheckElements(r, bars.Lenient, false), bars.CheckElements(r, bars.Strict, false)
		require.Empty(t, mild.Problems, name)
		require.Empty(t, harsh.Warnings, name)
		require.Equal(t, mild.Warnings, harsh.Problems, name)
		require.False(t, mild.More, name)
		for _, at := range mild.Broken {
			t.Logf("%s: %s", name, at)
		}
		require.Equal(t, publishedBreaks[name], compact(mild.Rules), name)
	}
	require.Equal(t, len(publishedBreaks), seen)
}

// compact sorts and takes repetitions out.
func compact(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
