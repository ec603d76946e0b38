package nhs111

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/internal/xmltree"
)

// entriesOf lists the entries of a mapping, bundle first.
func entriesOf(m *Mapped) []bars.Entry {
	var out []bars.Entry
	if m.Bundle != nil {
		for e := range m.Bundle.Get("entry").Items() {
			out = append(out, bars.Entry{FullURL: e.Get("fullUrl").Text(), Resource: e.Get("resource").Resource()})
		}
	}
	return append(out, m.Attached...)
}

func resourcesOf(m *Mapped) map[string][]*fhir.Resource {
	out := map[string][]*fhir.Resource{}
	for _, e := range entriesOf(m) {
		out[e.Resource.Type()] = append(out[e.Resource.Type()], e.Resource)
	}
	return out
}

// referralDefinition is the MessageDefinition bars-message-servicerequest-
// request-referral: type, minimum, maximum (-1: any number).
var referralDefinition = map[string][2]int{
	"MessageHeader": {1, 1}, "ServiceRequest": {1, 1}, "Patient": {1, 1}, "Encounter": {1, 1}, "CarePlan": {1, 1},
	"Location": {0, -1}, "Organization": {2, -1}, "Practitioner": {1, -1}, "PractitionerRole": {1, -1},
	"HealthcareService": {1, -1}, "Consent": {1, -1}, "Observation": {0, -1}, "Flag": {0, -1},
	"Questionnaire": {0, -1}, "QuestionnaireResponse": {0, -1}, "Condition": {0, -1}, "RelatedPerson": {0, -1},
}

// requireSound checks what must hold of every mapping: each reference resolves,
// each full URL is there once, and a message keeps to its definition.
func requireSound(t *testing.T, m *Mapped) {
	t.Helper()
	urls := map[string]bool{}
	for _, e := range entriesOf(m) {
		require.False(t, urls[e.FullURL], "full URLs are distinct")
		require.True(t, strings.HasPrefix(e.FullURL, "urn:uuid:") && fhir.ValidUUID(e.FullURL[9:]))
		urls[e.FullURL] = true
		require.Empty(t, e.Resource.ID(), "the room allocates the ids")
	}
	pointed := map[string]bool{}
	for _, e := range entriesOf(m) {
		fhir.Walk(e.Resource.Root(), func(name string, v fhir.Value) {
			if name == "url" && e.Resource.Type() == "Questionnaire" {
				return // its own name
			}
			if name != "reference" && name != "url" || !strings.HasPrefix(v.Text(), "urn:uuid:") {
				return
			}
			require.True(t, urls[v.Text()], "%s of a %s points at nothing", v.Path(), e.Resource.Type())
			pointed[v.Text()] = true
		})
		for _, forbidden := range []string{`"tel:`, `"mailto:`, `"system":"2.16.`, `"system":"1.2.`} {
			require.NotContains(t, string(e.Resource.JSON()), forbidden, e.Resource.Type())
		}
	}
	for _, e := range entriesOf(m) {
		if e.Resource.Type() == "Organization" || e.Resource.Type() == "Binary" {
			require.True(t, pointed[e.FullURL], "nothing refers to a %s", e.Resource.Type())
		}
	}
	if m.Bundle != nil {
		requireDefinition(t, m.Bundle)
	}
	require.Empty(t, faults(m))
}

// faults are what is wrong with a mapping as FHIR R4. The room keeps a referral
// in spite of them, so only tests can see to it that there are none.
func faults(m *Mapped) []string {
	var all []string
	check := func(r *fhir.Resource) {
		for _, issue := range validate.Resource(r, validate.Options{}).Issues {
			all = append(all, r.Type()+": "+issue.Expression+": "+issue.Text+" "+issue.Key)
		}
	}
	if m.Bundle != nil {
		check(m.Bundle)
	}
	for _, e := range m.Attached {
		check(e.Resource)
	}
	return all
}

func requireDefinition(t *testing.T, bundle *fhir.Resource) {
	t.Helper()
	require.Equal(t, "message", bundle.Get("type").Text())
	require.Equal(t, "1.0.0", bundle.Get("meta", "versionId").Text())
	count := map[string]int{}
	for e := range bundle.Get("entry").Items() {
		r := e.Get("resource").Resource()
		if len(count) == 0 {
			require.Equal(t, "MessageHeader", r.Type())
		}
		count[r.Type()]++
		require.NotEmpty(t, r.Get("meta", "lastUpdated").Text())
		require.True(t, r.Get("meta", "profile").Exists())
		require.Contains(t, referralDefinition, r.Type())
	}
	for typ, bounds := range referralDefinition {
		require.GreaterOrEqual(t, count[typ], bounds[0], typ)
		if bounds[1] >= 0 {
			require.LessOrEqual(t, count[typ], bounds[1], typ)
		}
	}
}

// requireWhole checks that the message is kept as it came and every document as
// XML of its own, with sizes and hashes that are right.
func requireWhole(t *testing.T, m *Mapped, body []byte) {
	t.Helper()
	binaries := map[string][]byte{}
	for _, e := range m.Attached {
		if e.Resource.Type() == "Binary" {
			data, err := base64.StdEncoding.DecodeString(e.Resource.Get("data").Text())
			require.NoError(t, err)
			binaries[e.FullURL] = data
		}
	}
	messages := 0
	for _, doc := range resourcesOf(m)["DocumentReference"] {
		for content := range doc.Get("content").Items() {
			a := content.Get("attachment")
			data := binaries[a.Get("url").Text()]
			size, _ := a.Get("size").Int()
			require.EqualValues(t, len(data), size)
			sum := sha1.Sum(data)
			require.Equal(t, base64.StdEncoding.EncodeToString(sum[:]), a.Get("hash").Text())
			if a.Get("title").Text() == titleReceived {
				messages++
				require.Equal(t, body, data)
				continue
			}
			root, err := xmltree.Read(data, xmltree.Rules{Instructions: true})
			require.NoError(t, err, "a document stands on its own")
			require.True(t, root.Is(nsHL7, "ClinicalDocument") || root.Is(nsHL7, "AmbulanceRequest"))
		}
	}
	require.Equal(t, 1, messages)
}
