package validate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	urnOfPatient = "urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445501"
	urnOfNobody  = "urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445502"
	urlOfPatient = "https://a.example/fhir/Patient/1"
)

// bundleWith is a Bundle of two Patients and a referral that refers to its
// subject and its performer.
func bundleWith(kind, request, subject, performer string) string {
	entry := func(fullURL, resource string) string {
		return `{"fullUrl":"` + fullURL + `",` + request + `"resource":` + resource + `}`
	}
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` +
		entry("urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445503", `{"resourceType":"ServiceRequest","status":"active","intent":"plan","subject":{"reference":"`+subject+`"},"performer":[{"reference":"`+performer+`"}]}`) + "," +
		entry(urnOfPatient, `{"resourceType":"Patient"}`) + "," + entry(urlOfPatient, `{"resourceType":"Location"}`) + "," +
		entry("urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445504", `{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Flag","status":"active","code":{"text":"b"},"subject":{"reference":"urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445503"}}}]}`) + `]}`
}

func TestReferencesInABundleAreJudgedByTheEntryThatTheyName(t *testing.T) {
	const (
		at   = "Bundle.entry[0].resource."
		flag = "rule Bundle.entry[3].resource.parameter[0].resource.subject.reference"
	)
	write := `"request":{"method":"POST","url":"Basic"},`
	for _, c := range []struct {
		name, kind, request, subject, performer string
		want                                    []string
	}{
		{"right types", "transaction", write, urnOfPatient, urnOfPatient, []string{flag}},
		{"an entry of the wrong type", "transaction", write, "urn:uuid:5f2d3c1e-8a4b-4c6d-9e0f-112233445503", "Organization/1", []string{"rule " + at + "subject.reference", flag}},
		{"an entry that isn't what its url says", "collection", "", urnOfPatient, urlOfPatient, []string{"rule " + at + "performer[0].reference", flag}},
		{"no entry of a transaction", "transaction", write, urnOfPatient, urnOfNobody, []string{"rule " + at + "performer[0].reference", flag}},
		{"no entry of a batch", "batch", write, urnOfPatient, urnOfNobody, []string{flag}},
		{"elsewhere", "transaction", write, "https://b.example/Patient/1", "Organization/1", []string{flag}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, issues(t, bundleWith(c.kind, c.request, c.subject, c.performer)))
		})
	}
}

func TestAnEnvelopeIsCheckedWithoutItsResources(t *testing.T) {
	r := parse(t, `{"resourceType":"Bundle","type":"batch","extra":1,"entry":[{"request":{"method":"SEND","url":"a"},"resource":{"resourceType":"Slot","x":[]}}]}`)
	var got []string
	for _, issue := range Resource(r, Options{Envelope: true}).Issues {
		got = append(got, issue.Expression)
	}
	require.Equal(t, []string{"Bundle.extra", "Bundle.entry[0].request.method"}, got)
}
