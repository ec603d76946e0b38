package main

import (
	"encoding/base64"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
)

// publishedLike reads a message with the features of published ones.
func publishedLike(t testing.TB, name string, fill ...string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../testdata/bars/published/" + name)
	require.NoError(t, err)
	return []byte(strings.NewReplacer(fill...).Replace(string(text)))
}

// sendPublished sends such a message to a service.
func (s *server) sendPublished(name, service string, body []byte, fromB2002 bool) *answer {
	s.t.Helper()
	h := speaking(service)
	if fromB2002 {
		organisation := `{"resourceType":"Organization","identifier":[{"value":"B2002","system":"https://fhir.nhs.uk/id/ods-organization-code"}],"name":"Test"}`
		h["Nhsd-End-User-Organisation"] = []string{base64.StdEncoding.EncodeToString([]byte(organisation))}
	}
	if strings.HasSuffix(name, ".xml") {
		h = inXML(h)
	}
	h["Accept"] = []string{"application/fhir+json;version=1.1.0"}
	return s.do("POST", messagePath, h, body)
}

// one finds the one record of a search by plain FHIR.
func (s *server) one(query string) fhir.Value {
	s.t.Helper()
	a := s.do("GET", "/FHIR/R4/"+query, nil, nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	found := a.resource(s.t)
	require.Equal(s.t, 1, found.Get("entry").Len(), "%s: %s", query, a.body)
	return found.Get("entry").At(0).Get("resource")
}

// Ensure that lenient mode takes what published messages hold, that what was sent
// is found again with its links, and that strict mode names what is wrong.
func TestMessagesWithTheFeaturesOfPublishedOnes(t *testing.T) {
	mild := start(t, "--store", "sqlite::memory:", "--bars-mode", "lenient")
	strict := start(t, "--store", "sqlite::memory:")
	refused := func(t *testing.T, name, service, issue, at string, body []byte, fromB2002 bool) {
		t.Helper()
		a := strict.sendPublished(name, service, body, fromB2002)
		require.Equal(t, 400, a.status, "%s", a.body)
		code, word, _ := a.issue(t)
		require.Equal(t, []string{issue, "REC_BAD_REQUEST"}, []string{code, word})
		require.Equal(t, at, a.resource(t).Get("issue").At(0).Get("expression").At(0).Text())
	}
	taken := func(t *testing.T, name, service string, body []byte, fromB2002 bool) *fhir.Resource {
		t.Helper()
		a := mild.sendPublished(name, service, body, fromB2002)
		require.Equal(t, 200, a.status, "%s", a.body)
		return a.resource(t)
	}

	t.Run("mutual aid between control rooms", func(t *testing.T) {
		body := publishedLike(t, "cad-mutual-aid.xml")
		refused(t, "cad-mutual-aid.xml", sandbox.EmergencyCare, "structure", "Bundle.entry[3].resource.author", body, false)
		bundle := taken(t, "cad-mutual-aid.xml", sandbox.EmergencyCare, body, false)
		referral := entryOf(bundle, "ServiceRequest").Get("id").Text()
		patient := mild.one("ServiceRequest?_id="+referral).Dig("subject", "reference").Text()
		for _, answers := range []string{"NOC", "PTS"} {
			r := mild.one("QuestionnaireResponse?questionnaire=" + url.QueryEscape("https://fhir.nhs.uk/Questionnaire/"+answers) + "&subject=" + patient)
			require.Equal(t, "A1", r.Get("item").At(0).Get("answer").At(0).Dig("valueCoding", "code").Text())
			require.Equal(t, "First > second ", mild.one("Questionnaire?name="+answers).Get("item").At(0).Get("answerOption").At(0).Dig("valueCoding", "display").Text())
		}
		plan := mild.one("CarePlan?subject=" + patient)
		require.True(t, strings.HasPrefix(plan.Dig("author", "reference").Text(), "Practitioner/"))
		require.Equal(t, "Sieve: breathing, awake", plan.Get("activity").At(0).Get("outcomeCodeableConcept").At(plan.Get("activity").At(0).Get("outcomeCodeableConcept").Len()-1).Get("text").Text())
		require.Equal(t, "ILOC", mild.one("Location?_id="+strings.TrimPrefix(mild.one("ServiceRequest?_id="+referral).Get("locationReference").At(0).Get("reference").Text(), "Location/")).Get("type").At(0).Get("coding").At(0).Get("code").Text())
		require.Contains(t, mild.log(), "Bundle.entry[3].resource.author", "what was let pass is noted")
	})

	t.Run("999 to a clinical assessment service, and taken back", func(t *testing.T) {
		body := publishedLike(t, "cas-referral.xml")
		refused(t, "cas-referral.xml", sandbox.EmergencyCare, "structure", "Bundle.entry[14].resource.subject", body, false)
		bundle := taken(t, "cas-referral.xml", sandbox.EmergencyCare, body, false)
		referral := entryOf(bundle, "ServiceRequest").Get("id").Text()
		age := mild.one("Observation?code:text=" + url.QueryEscape("Estimated age"))
		require.Equal(t, "15.0", string(age.Dig("valueQuantity", "value").Raw()))
		require.Equal(t, mild.one("ServiceRequest?_id="+referral).Dig("subject", "reference").Text(), age.Dig("subject", "reference").Text())

		cancelled := publishedLike(t, "referral-in-error.json", "@REFERRAL@", referral)
		refused(t, "referral-in-error.json", sandbox.EmergencyCare, "invariant", "Bundle.entry[0].resource.focus[0]", cancelled, false)
		taken(t, "referral-in-error.json", sandbox.EmergencyCare, cancelled, false)
		require.Equal(t, "entered-in-error", mild.status("ServiceRequest/"+referral))
	})

	t.Run("entries named by address", func(t *testing.T) {
		body := publishedLike(t, "referral-by-address.json")
		refused(t, "referral-by-address.json", sandbox.EmergencyCare, "invariant", "Bundle.entry[0].fullUrl", body, false)
		bundle := taken(t, "referral-by-address.json", sandbox.EmergencyCare, body, false)
		referral := mild.one("ServiceRequest?_id=" + entryOf(bundle, "ServiceRequest").Get("id").Text())
		for _, link := range []fhir.Value{referral.Get("subject"), referral.Get("encounter"), referral.Get("requester"), referral.Get("basedOn").At(0)} {
			require.Equal(t, 200, mild.do("GET", "/FHIR/R4/"+link.Get("reference").Text(), nil, nil).status)
		}
		observations := mild.do("GET", "/FHIR/R4/Observation?subject="+referral.Dig("subject", "reference").Text(), nil, nil).resource(t)
		require.Equal(t, 2, observations.Get("entry").Len(), "all of the patient's")
	})

	t.Run("the outcome of a validation", func(t *testing.T) {
		for _, s := range []*server{mild, strict} {
			s.host("https://fhir.nhs.uk/Id/dos-service-id", asking, "A1001")
		}
		a := mild.do("POST", messagePath, speaking(sandbox.EmergencyCare), []byte(conformant(t, "a4-validation")))
		require.Equal(t, 200, a.status, "%s", a.body)
		body := publishedLike(t, "validation-full.xml")
		refused(t, "validation-full.xml", asking, "structure", "Bundle.entry[0].resource.response", body, true)
		taken(t, "validation-full.xml", asking, body, true)
		require.Equal(t, "completed", mild.status("ServiceRequest/"+entryOf(a.resource(t), "ServiceRequest").Get("id").Text()))
		third := mild.one("Encounter?identifier=" + url.QueryEscape("urn:oid:2.16.840.1.113883.2.1.3.2.4.18.20|CAD-3"))
		outcomes := mild.one("CarePlan?encounter=" + mild.one("Encounter?status=finished&identifier=CASE-2").Get("id").Text())
		require.Equal(t, "Encounter/"+third.Get("id").Text(), outcomes.Get("activity").At(0).Get("outcomeReference").At(0).Get("reference").Text())
	})
	mild.checkInvariant()
}
