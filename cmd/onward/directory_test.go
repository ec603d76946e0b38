package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
)

const findPath = "/FHIR/R4/HealthcareService/$search-directory"

// triaged is what a call handler's system asks with; more parameters may be added.
func triaged(more ...string) []byte {
	parameters := append([]string{
		`{"name":"postcode","valueString":"ZZ99 3VZ"}`, `{"name":"gender","valueCode":"female"}`,
		`{"name":"age","valueAge":{"value":35,"system":"http://unitsofmeasure.org","code":"a"}}`,
		`{"name":"symptomGroup","valueCode":"SG1110"}`, `{"name":"symptomDiscriminator","valueCode":"SD4003"}`,
		`{"name":"disposition","valueCode":"Dx05"}`}, more...)
	return []byte(`{"resourceType":"Parameters","parameter":[` + strings.Join(parameters, ",") + `]}`)
}

// extension reads an extension of ours.
func extension(r fhir.Value, name string) fhir.Value {
	for x := range r.Get("extension").Items() {
		if strings.HasSuffix(x.Get("url").Text(), "/"+name) {
			return x
		}
	}
	return fhir.Value{}
}

// Ensure that the directory's services come in its order, each with how it is
// reached and, where it is ours, its next free slots, and that the answer is
// FHIR.
func TestACallHandlerFindsServicesAndSlots(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	a := s.do("POST", findPath, plain(), triaged())
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	bundle := a.resource(t)
	var ids []string
	slots := map[string]int{}
	for e := range bundle.Get("entry").Items() {
		r := e.Get("resource")
		if e.Dig("search", "mode").Text() == "match" {
			ids = append(ids, r.Get("identifier").At(0).Get("value").Text())
			require.Equal(t, "here", extension(r, "reach").Get("valueCode").Text())
			require.Equal(t, 3, r.Get("endpoint").Len())
		}
		if r.Get("resourceType").Text() == "Slot" {
			slots[r.Get("status").Text()]++
		}
	}
	require.Equal(t, []string{sandbox.UrgentTreatment, sandbox.NoSlots, sandbox.EmergencyCare, sandbox.Minimal}, ids)
	require.Equal(t, map[string]int{"free": 9}, slots, "three of each that has any")
	first := bundle.Get("entry").At(0).Get("resource")
	require.True(t, extension(first, "bookable").Get("valueBoolean").Bool())
	require.Equal(t, "HealthcareService/"+sandbox.UrgentTreatment, extension(first, "hosted-service").Dig("valueReference", "reference").Text())
	require.False(t, extension(bundle.Get("entry").At(1).Get("resource"), "bookable").Get("valueBoolean").Bool())
	checked := s.do("POST", "/FHIR/R4/HealthcareService/$validate", plain(), first.Raw())
	require.NotContains(t, string(checked.body), `"severity":"error"`)
	for e := range bundle.Get("entry").Items() {
		if e.Dig("resource", "resourceType").Text() == "Endpoint" {
			checked := s.do("POST", "/FHIR/R4/Endpoint/$validate", plain(), e.Get("resource").Raw())
			require.NotContains(t, string(checked.body), `"severity":"error"`, "%s", checked.body)
		}
	}

	none := s.do("POST", findPath, plain(), triaged(`{"name":"slots","valueUnsignedInt":0}`, `{"name":"distance","valuePositiveInt":1}`, `{"name":"forceDistance","valueBoolean":true}`))
	require.Equal(t, 200, none.status, "%s", none.body)
	require.NotContains(t, string(none.body), `"resourceType":"Slot"`)
	require.Equal(t, "1", string(none.resource(t).Get("total").Raw()))
	far := s.do("POST", findPath, plain(), []byte(strings.Replace(string(triaged()), "ZZ99 3VZ", "ZZ99 9ZZ", 1)))
	require.Equal(t, 200, far.status)
	require.Contains(t, string(far.body), "no service suits")

	xml := s.do("POST", findPath, http.Header{"Content-Type": {"application/fhir+json"}, "Accept": {"application/fhir+xml"}}, triaged())
	require.Equal(t, 200, xml.status, "%s", xml.body)
	require.Contains(t, string(xml.body), "<Bundle")
	require.NotContains(t, s.log(), "ZZ99")
}

// Ensure that what is for professionals only is told to who says that they are
// one, and to nobody else.
func TestWhatIsForProfessionalsIsOnlyToldToThem(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	r := s.do("GET", "/FHIR/R4/HealthcareService/"+sandbox.UrgentTreatment, nil, nil).resource(t)
	told, err := r.Edit().SetText(r.Root(), "extraDetails", "Ring the back door").Done()
	require.NoError(t, err)
	require.Equal(t, 200, s.do("PUT", "/FHIR/R4/HealthcareService/"+sandbox.UrgentTreatment, plain(), told.JSON()).status)
	match := func(more ...string) string {
		a := s.do("POST", findPath, plain(), triaged(more...))
		require.Equal(t, 200, a.status, "%s", a.body)
		return string(a.resource(t).Get("entry").At(0).Get("resource").Raw())
	}
	require.NotContains(t, match(), "back door")
	require.Contains(t, match(`{"name":"professional","valueBoolean":true}`), "back door")
}

// Ensure that each wrong question is refused with what is wrong with it, and that
// neither the question nor the directory's words are repeated.
func TestAWrongQuestionToTheDirectoryIsRefusedPrecisely(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:")
	for _, c := range []struct {
		name, from, to string
		status         int
		says           string
	}{
		{"unknown postcode", "ZZ99 3VZ", "XX1 1XX", 400, "the directory doesn't know the postcode"},
		{"no postcode", `"postcode"`, `"caseReference"`, 400, "the parameter postcode is missing"},
		{"unknown group", "SG1110", "SG9", 400, "symptom group"},
		{"unknown discriminator", "SD4003", "SD9", 400, "none of the symptom discriminators"},
		{"no number", "SG1110", "headache", 400, "symptomGroup has a wrong value"},
		{"unknown disposition", "Dx05", "Dx77", 400, "disposition"},
		{"no disposition", "Dx05", "05", 400, "a disposition is Dx and two or three digits"},
		{"age of 130", `"value":35`, `"value":130`, 400, "an age in years"},
		{"age in weeks", `"code":"a"`, `"code":"wk"`, 400, "age has a wrong value"},
		{"gender", `"female"`, `"F"`, 400, "gender has a wrong value"},
		{"unknown parameter", `{"name":"disposition"`, `{"name":"nhsNumber"`, 400, "the parameters are those of"},
		{"twice", `"disposition","valueCode":"Dx05"`, `"postcode","valueString":"ZZ99 3VZ"`, 400, "given twice"},
		{"other resource", `"Parameters"`, `"Patient"`, 400, ""},
	} {
		a := s.do("POST", findPath, plain(), []byte(strings.Replace(string(triaged()), c.from, c.to, 1)))
		require.Equal(t, c.status, a.status, "%s: %s", c.name, a.body)
		require.Contains(t, string(a.body), c.says, c.name)
		if c.to != "Dx77" {
			require.NotContains(t, string(a.body), `XX1`, c.name)
		}
	}
	require.Equal(t, 405, s.do("GET", findPath, nil, nil).status)
	require.Equal(t, 400, s.do("POST", findPath, plain(), nil).status)
	statement := s.do("GET", "/FHIR/R4/metadata", nil, nil)
	require.Contains(t, string(statement.body), "OperationDefinition/search-directory")

	bare := start(t, "--no-sandbox", "--store", "sqlite::memory:")
	require.Equal(t, 501, bare.do("POST", findPath, plain(), triaged()).status)
	require.NotContains(t, string(bare.do("GET", "/FHIR/R4/metadata", nil, nil).body), "search-directory")
}

// Ensure that the directory that is set up is asked with the account from the
// environment or a file, that the account is in no log, and that a directory that
// is away is 503.
func TestTheDirectoryIsAskedWithTheOperatorsAccount(t *testing.T) {
	directory := start(t, "--store", "sqlite::memory:")
	password := t.TempDir() + "/password"
	require.NoError(t, os.WriteFile(password, []byte("sandbox\n"), 0o600))
	args := func(user string) []string {
		return []string{"--no-sandbox", "--store", "sqlite::memory:", "--dos-url", directory.url + "/sandbox/dos/", "--dos-username", user, "--dos-password-file", password}
	}
	s := start(t, args("sandbox")...)
	a := s.do("POST", findPath, plain(), triaged())
	require.Equal(t, 200, a.status, "%s", a.body)
	first := a.resource(t).Get("entry").At(0).Get("resource")
	require.Equal(t, "bars", extension(first, "reach").Get("valueCode").Text(), "it is hosted elsewhere")
	require.False(t, extension(first, "hosted-service").Exists())

	barred := start(t, args("noperm")...)
	a = barred.do("POST", findPath, plain(), triaged())
	require.Equal(t, 500, a.status, "%s", a.body)
	require.Contains(t, string(a.body), "its operator must see to that")
	for _, server := range []*server{s, barred} {
		require.NotContains(t, server.log(), "password=")
		require.NotContains(t, server.log(), "ZZ99")
	}

	directory.stop()
	a = s.do("POST", findPath, plain(), triaged())
	require.Equal(t, 503, a.status, "%s", a.body)
	require.NotEmpty(t, a.header.Get("Retry-After"))

	require.Contains(t, refusedStart(t, "--dos-url", "http://dos.example", "--dos-username", "x"), "--dos-url")
	require.Contains(t, refusedStart(t, "--dos-url", "https://dos.example"), "ONWARD_DOS_PASSWORD")
	require.Contains(t, refusedStart(t, "--dos-username", "x"), "--dos-url")
	require.Contains(t, refusedStart(t, "--nhs111-route", "1=nowhere"), "--nhs111-route")
	require.Contains(t, refusedStart(t, "--nhs111-route", "1=https://a.example", "--bars-route", "1=https://a.example"), "both name one service")
}
