package nhs111

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// A BaRS message of some MiB holds thousands of parts: what is looked up
// for each must not be looked for among all. Searching took half a minute.
func TestAReferralOfManyPartsIsWrittenInTime(t *testing.T) {
	const many = 8_000
	each := func(form string) string {
		all := make([]string, many)
		for i := range all {
			all[i] = strings.ReplaceAll(form, "%", fmt.Sprint(i))
		}
		return strings.Join(all, ",")
	}
	plain := plainReferral(t)
	w := newWriter(plain)
	for name, entries := range map[string]string{
		"observations": each(`{"fullUrl":"urn:uuid:o%","resource":{"resourceType":"Observation","status":"final","code":{"text":"x%"}}}`),
		"answers": each(`{"fullUrl":"urn:uuid:q%","resource":{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"q%",
			"extension":[{"url":"x","valueCodeableConcept":{"text":"NHS Pathways triage"}}],"item":[{"linkId":"1","text":"a"}]}},
			{"fullUrl":"urn:uuid:z%","resource":{"resourceType":"Questionnaire","url":"q%"}}`),
		"places": each(`{"fullUrl":"urn:uuid:l%","resource":{"resourceType":"Location","telecom":[{"value":"%"}]}}`),
	} {
		edited, err := plain.Edit().Set(w.plan, "activity", []byte(`[{"outcomeCodeableConcept":[`+each(`{"text":"t%:\nword %"}`)+`]}]`)).
			Set(w.patient, "telecom", []byte("["+each(`{"system":"phone","value":"%"}`)+"]")).Done()
		require.NoError(t, err)
		text := strings.TrimSuffix(strings.TrimSpace(string(edited.JSON())), "]}")
		message, err := fhir.Parse([]byte(text + "," + entries + "]}"))
		require.NoError(t, err)
		for _, message := range []*fhir.Resource{message, madeRequest(t, message)} {
			started := time.Now()
			document, _, err := writeDocument(message, documentOptions{NewID: counter()})
			require.NoError(t, err)
			notWrittenOf(message, document)
			require.Less(t, time.Since(started), 3*time.Second, name)
		}
	}
}
