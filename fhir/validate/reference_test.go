package validate

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReferencesAreToTypesThatTheElementTakes(t *testing.T) {
	const place = "rule Slot.schedule.reference"
	cases := []struct {
		reference string // the members of Slot.schedule
		want      []string
	}{
		{`"reference":"Schedule/1"`, nil},
		{`"reference":"Schedule/1/_history/2"`, nil},
		{`"reference":"https://a.example/fhir/Schedule/1"`, nil},
		{`"reference":"https://a.example/fhir/Schedule/1/_history/2"`, nil},
		{`"reference":"urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445566"`, nil},
		{`"reference":"https://a.example/elsewhere/1"`, nil},
		{`"reference":"https://a.example"`, nil},
		{`"identifier":{"value":"a"},"type":"Schedule"`, nil},
		{`"type":"http://a.example/LogicalModel","display":"a"`, nil},
		{`"reference":"mailto:a/b"`, nil},
		{`"reference":"https://a.example/elsewhere/1","type":"Patient"`, []string{"rule Slot.schedule.type"}},
		{`"display":"a"`, nil},
		{`"reference":"Patient/1"`, []string{place}},
		{`"reference":"Patient\/1"`, []string{place}},
		{`"reference":" Schedule/1"`, []string{place}},
		{`"reference":"Schedule/1\t"`, []string{place}},
		{`"reference":"urn:uuid: 5f2d3c1e-8a4b-4c6d-9e0f-112233445566"`, []string{place}},
		{`"reference":"Patient/1/_history/2"`, []string{place}},
		{`"reference":"https://a.example/fhir/Patient/1"`, []string{place}},
		{`"reference":"Schedul/1"`, []string{place}},
		{`"type":"Patient","identifier":{"value":"a"}`, []string{"rule Slot.schedule.type"}},
		{`"type":"Schedul","identifier":{"value":"a"}`, []string{"rule Slot.schedule.type"}},
	}
	for _, c := range cases {
		t.Run(c.reference, func(t *testing.T) {
			require.Equal(t, append([]string{}, c.want...), issues(t, `{"resourceType":"Slot","status":"free","start":"2026-01-01T10:00:00Z","end":"2026-01-01T10:10:00Z","schedule":{`+c.reference+`}}`))
		})
	}
	require.Empty(t, issues(t, `{"resourceType":"Task","status":"draft","intent":"order","focus":{"reference":"Slot/1"}}`), "any type may be meant")
	require.Equal(t, []string{"rule Task.focus.reference"}, issues(t, `{"resourceType":"Task","status":"draft","intent":"order","focus":{"reference":"Slit/1"}}`))
}

func TestContainedResources(t *testing.T) {
	cases := []struct {
		name, members string // of a ServiceRequest
		want          []string
	}{
		{"one that is referred to", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A"}]`, nil},
		{"one that comes first", `"contained":[{"resourceType":"Organization","id":"a","name":"A"}],"performer":[{"reference":"#a"}]`, nil},
		{"one behind an escape", `"contained":[{"resourceType":"Organization","id":"a","name":"A"}],"performer":[{"reference":"\u0023a"}]`, nil},
		{"one that refers back", `"contained":[{"resourceType":"Task","id":"a","status":"draft","intent":"order","focus":{"reference":"#"}}]`, nil},
		{"one referred to by another", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A","partOf":{"reference":"#b"}},{"resourceType":"Organization","id":"b","name":"B"}]`, nil},
		{"one referred to by a canonical", `"instantiatesCanonical":["#a"],"contained":[{"resourceType":"PlanDefinition","id":"a","status":"draft"}]`, nil},
		{"one that nothing refers to", `"contained":[{"resourceType":"Organization","id":"a","name":"A"}]`, []string{"rule ServiceRequest.contained[0] dom-3"}},
		{"one whose name stands in a text only", `"note":[{"text":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A"}]`, []string{"rule ServiceRequest.contained[0] dom-3"}},
		{"one without id", `"contained":[{"resourceType":"Organization","name":"A"}]`, []string{"rule ServiceRequest.contained[0] dom-3"}},
		{"one in another", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A","contained":[{"resourceType":"Patient"}]}]`, []string{"rule ServiceRequest.contained[0].contained dom-2"}},
		{"one in another, whatever it is", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A","contained":[{"resourceType":"Patient","foo":1}],"meta":{"versionId":"1"}}]`,
			[]string{"rule ServiceRequest.contained[0].contained dom-2", "rule ServiceRequest.contained[0].meta.versionId dom-4"}},
		{"a bundle, whose resources stand for themselves", `"performer":[{"reference":"#a"}],"supportingInfo":[{"reference":"#b"}],"contained":[{"resourceType":"Bundle","id":"b","type":"collection","entry":[{"resource":{"resourceType":"Patient","meta":{"versionId":"1"},"managingOrganization":{"reference":"#a"},"contained":[{"resourceType":"Organization","id":"a","name":"A"}]}}]},{"resourceType":"Organization","id":"a","name":"A"}]`, nil},
		{"one without id beside one that refers back", `"contained":[{"resourceType":"Task","id":"a","status":"draft","intent":"order","focus":{"reference":"#"}},{"resourceType":"Organization","name":"A"}]`, []string{"rule ServiceRequest.contained[1] dom-3"}},
		{"a canonical within, which no rule binds", `"instantiatesCanonical":["#b"]`, nil},
		{"one with a version", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A","meta":{"versionId":"1","lastUpdated":"2026-01-01T10:00:00Z"}}]`,
			[]string{"rule ServiceRequest.contained[0].meta.versionId dom-4", "rule ServiceRequest.contained[0].meta.lastUpdated dom-4"}},
		{"one with a security label", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":"A","meta":{"security":[{"code":"R"}],"profile":["http://a.example"]}}]`,
			[]string{"rule ServiceRequest.contained[0].meta.security dom-5"}},
		{"one that is wrong", `"performer":[{"reference":"#a"}],"contained":[{"resourceType":"Organization","id":"a","name":1}]`, []string{"structure ServiceRequest.contained[0].name"}},
		{"one of another type than the element takes", `"encounter":{"reference":"#a"},"contained":[{"resourceType":"Organization","id":"a","name":"A"}]`, []string{"rule ServiceRequest.encounter.reference"}},
		{"one that isn't there", `"performer":[{"reference":"#b"}]`, []string{"rule ServiceRequest.performer[0].reference ref-1"}},
		{"a resource that refers to itself as a whole", `"encounter":{"reference":"#"}`, []string{"rule ServiceRequest.encounter.reference ref-1"}},
		{"no type", `"contained":[{"id":"a"}],"performer":[{"reference":"#a"}]`, []string{"structure ServiceRequest.contained[0].resourceType"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.ElementsMatch(t, append([]string{}, c.want...), issues(t, request(","+c.members)))
		})
	}
}

func TestAFragmentIsLookedForInItsOwnResource(t *testing.T) {
	contained := `"contained":[{"resourceType":"Organization","id":"a","name":"A"}]`
	bundle := func(second string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + request(`,"performer":[{"reference":"#a"}],`+contained) + `},{"resource":` + request(second) + `}]}`
	}
	require.Empty(t, issues(t, bundle(`,"performer":[{"reference":"#a"}],`+contained)))
	require.Equal(t, []string{"rule Bundle.entry[1].resource.performer[0].reference ref-1"}, issues(t, bundle(`,"performer":[{"reference":"#a"}]`)))
	require.Equal(t, []string{"rule Bundle.entry[1].resource.contained[0] dom-3"}, issues(t, bundle(","+contained)))
}

func TestManyContainedResourcesAreCheckedInReasonableTime(t *testing.T) {
	contained, performers := []string{}, []string{}
	for i := range 20_000 {
		contained = append(contained, `{"resourceType":"Organization","id":"`+strconv.Itoa(i)+`","name":"A"}`)
		performers = append(performers, `{"reference":"#`+strconv.Itoa(i)+`"}`)
	}
	require.Empty(t, issues(t, request(`,"contained":[`+strings.Join(contained, ",")+`],"performer":[`+strings.Join(performers, ",")+`]`)))
}
