package bars_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// Real senders write the same message in other ways than our samples. What means
// the same must do the same.

// message is a conformant message of testdata/bars for a new journey.
func message(t testing.TB, name string, c ...changes) []byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/bars/" + name + ".json")
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(text, &doc))
	return apply(t, doc, append([]changes{{journey: "EpisodeOfCare/" + uuid.NewString()}}, c...)...)
}

// refusedWith checks the kind of a refusal and one of its sentences.
func refusedWith(t testing.TB, err error, kind fhir.Kind, diagnostics string) {
	t.Helper()
	refused(t, err, kind)
	require.Contains(t, err.Error()+said(err), diagnostics)
}

func said(err error) string {
	var all []string
	for _, issue := range fhir.AsOutcome(err).Issues {
		all = append(all, issue.Diagnostics)
	}
	return strings.Join(all, "; ")
}

// named are the fullUrl and type of each entry.
func named(t testing.TB, bundle string) [][2]string {
	t.Helper()
	var out [][2]string
	for e := range parse(t, bundle).Get("entry").Items() {
		out = append(out, [2]string{e.Get("fullUrl").Text(), e.Dig("resource", "resourceType").Text()})
	}
	return out
}

var urns = regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`)

// lettered gives the entries names with letters in them.
func lettered(body []byte) string {
	names := map[string]string{}
	return urns.ReplaceAllStringFunc(string(body), func(name string) string {
		if names[name] == "" {
			names[name] = "urn:uuid:" + strings.Replace(uuid.NewString(), "0", "a", 1)
		}
		return names[name]
	})
}

func TestTheCaseOfABundleLocalNameDoesNotCount(t *testing.T) {
	s := open(t)
	fullURL := regexp.MustCompile(`"fullUrl":\s*"urn:uuid:[^"]*"`)
	for name, change := range map[string]func(string) string{
		"fullUrl in capitals": func(text string) string {
			return fullURL.ReplaceAllStringFunc(text, func(m string) string {
				return strings.Replace(strings.ToUpper(m), `"FULLURL"`, `"fullUrl"`, 1)
			})
		},
		"fullUrl's UUID in capitals": func(text string) string {
			return fullURL.ReplaceAllStringFunc(text, func(m string) string {
				at := strings.Index(m, "urn:uuid:") + len("urn:uuid:")
				return m[:at] + strings.ToUpper(m[at:])
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := change(lettered(referral(t)))
			result, err := s.send([]byte(text))
			require.NoError(t, err)
			stored := s.get("ServiceRequest", focus(result))
			for _, path := range [][]string{{"subject", "reference"}, {"encounter", "reference"}, {"requester", "reference"}} {
				ref, ok := fhir.ParseReference(stored.Get(path...).Text())
				require.True(t, ok && ref.URN == "", "%v is a record of ours", path)
				s.get(ref.Type, ref.ID)
			}
			entries := result.Bundle.Get("entry")
			planned := entries.At(entries.Len() - 1).Get("resource")
			require.Equal(t, "planned", planned.Get("status").Text())
			require.Contains(t, text, `"`+planned.Dig("subject", "reference").Text()+`"`, "the answer names entries as the sender does")
			twice := strings.Replace(string(apply(t, payload(t, "refer"))), `"urn:uuid:00000003-0000-4000-8000-000000000003"`, `"URN:UUID:00000004-0000-4000-8000-000000000004"`, 1)
			_, err = s.send([]byte(twice))
			require.Error(t, err, "two names that differ in case are one")
		})
	}
}

func TestLenientModeReadsABundleOfAddresses(t *testing.T) {
	for name, reference := range map[string]string{"relative references": "", "absolute references": "https://sender.example/FHIR/R4/"} {
		t.Run(name, func(t *testing.T) {
			s := open(t, lenient)
			doc := string(referral(t))
			for _, e := range named(t, doc) {
				address := e[1] + "/" + strings.TrimPrefix(e[0], "urn:uuid:")
				doc = strings.ReplaceAll(doc, `"fullUrl":"`+e[0]+`"`, `"fullUrl":"https://sender.example/FHIR/R4/`+address+`"`)
				doc = strings.ReplaceAll(doc, `"`+e[0]+`"`, `"`+reference+address+`"`)
			}
			result, err := s.send([]byte(doc))
			require.NoError(t, err)
			stored := s.get("ServiceRequest", focus(result))
			subject, _ := fhir.ParseReference(stored.Get("subject", "reference").Text())
			require.Equal(t, "9000000009", s.get("Patient", subject.ID).Get("identifier").At(0).Get("value").Text())
			strict := open(t)
			_, err = strict.send([]byte(doc))
			refusedWith(t, err, fhir.KindInvariant, "fullUrl must be urn:uuid: and a UUID")
		})
	}
}

func TestAnEntryMayBeNamedByItsOwnId(t *testing.T) {
	s := open(t, lenient)
	const patient = "00000003-0000-4000-8000-000000000003"
	doc := strings.ReplaceAll(string(referral(t, changes{"Patient.id": "p-1"})), `"reference":"urn:uuid:`+patient+`"`, `"reference":"Patient/p-1"`)
	result, err := s.send([]byte(doc))
	require.NoError(t, err)
	subject, _ := fhir.ParseReference(s.get("ServiceRequest", focus(result)).Get("subject", "reference").Text())
	require.NotEqual(t, "p-1", subject.ID, "ids are ours")
	s.get("Patient", subject.ID)
}

func TestWhatIsReferredToByIdentifierMayStandBesideAReference(t *testing.T) {
	s := open(t)
	logical := map[string]any{"type": "HealthcareService", "identifier": map[string]any{"system": "https://directory.example/Id", "value": "1"}}
	performer := map[string]any{"reference": "urn:uuid:00000008-0000-4000-8000-000000000008"}
	s.accepted(message(t, "a1-referral", changes{"ServiceRequest.performer": []any{performer, logical}}))
	_, err := s.send(message(t, "a1-referral", changes{"ServiceRequest.performer": []any{logical}}))
	refusedWith(t, err, fhir.KindInvariant, "performer must refer to a HealthcareService")
}

func TestLenientModeFindsTheUseCaseOfAMessageThatNamesNone(t *testing.T) {
	s := open(t, lenient)
	result := s.accepted(booking(t, 0, changes{"Appointment.serviceCategory": nil}))
	require.Contains(t, result.Warnings, fhir.Issue{Expression: first + ".serviceCategory", Diagnostics: "a code of " + bars.SystemUseCases + " is needed"})
	category := []any{map[string]any{"coding": []any{map[string]any{"system": bars.SystemCategories, "code": "validation"}}}}
	_, err := s.sendTo(hospital, message(t, "a4-validation", changes{"ServiceRequest.category": category}))
	require.NoError(t, err)

	referral := []any{map[string]any{"coding": []any{map[string]any{"system": bars.SystemCategories, "code": "referral"}}}}
	_, err = s.send(message(t, "a1-referral", changes{"ServiceRequest.category": referral}))
	refusedWith(t, err, fhir.KindInvariant, "a code of "+bars.SystemUseCases+" is needed") // of two applications with rules of their own
	strict := open(t)
	_, err = strict.send(booking(t, 0, changes{"Appointment.serviceCategory": nil}))
	refusedWith(t, err, fhir.KindInvariant, "a code of "+bars.SystemUseCases+" is needed")
}

func TestAnNHSNumberWithBlanksIsFoundAndRefusedInStrictModeOnly(t *testing.T) {
	blanks := changes{"Patient.identifier[0].value": "900 000 0009"}
	_, err := open(t).send(referral(t, blanks))
	refusedWith(t, err, fhir.KindInvariant, "an NHS number is written in ten digits without blanks")
	s := open(t, lenient)
	s.accepted(referral(t, blanks))
	for _, entry := range []string{"identifier=https://fhir.nhs.uk/Id/nhs-number|9000000009", "identifier:9000000009"} {
		page, err := s.store.Search(s.ctx, &search.Query{Type: "Patient", Where: search.Has(entry), Count: 2})
		require.NoError(t, err)
		require.Len(t, page.Records, 1, entry)
	}
}

func TestACancellationMayNameItsRecordAsOurAnswersDo(t *testing.T) {
	s := open(t, lenient)
	id := focus(s.accepted(referral(t)))
	cancel := referralCancel(t, id, changes{"ServiceRequest.id": nil})
	for _, e := range named(t, string(cancel)) {
		if e[1] == "ServiceRequest" {
			cancel = []byte(strings.ReplaceAll(string(cancel), e[0], "urn:uuid:"+id))
		}
	}
	s.accepted(cancel)
	require.Equal(t, "revoked", s.get("ServiceRequest", id).Get("status").Text())
}

func TestALinkMayBeAnAddressOfOurs(t *testing.T) {
	s := open(t, lenient)
	booked := focus(s.accepted(booking(t, 0)))
	result := s.accepted(referral(t, changes{"ServiceRequest.supportingInfo": []any{map[string]any{"reference": base + "/Appointment/" + booked}}}))
	require.NotEmpty(t, focus(result))
	_, err := s.send(referral(t, changes{"ServiceRequest.supportingInfo": []any{map[string]any{"reference": base + "/Appointment/" + uuid.NewString()}}}))
	refusedWith(t, err, fhir.KindConflict, "the patient's booking with this service is another one")
}
