package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

const patient = "9000000009"

// pointer is a booking's pointer with some text changed.
func pointer(id string, changes ...string) string {
	text := `{"resourceType":"DocumentReference",
		"identifier":[{"system":"https://fhir.nhs.uk/Id/BaRS-Identifier","value":"` + id + `"},
			{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000072489"},
			{"system":"https://fhir.nhs.uk/id/product-id","value":"SUPP-APP-1"}],
		"status":"current",
		"type":{"coding":[{"system":"http://snomed.info/sct","code":"749001000000101"}]},
		"category":[{"coding":[{"system":"http://snomed.info/sct","code":"419891008"}]}],
		"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + patient + `"}},
		"custodian":{"identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A1001"}},
		"content":[{"extension":[{"url":"https://fhir.nhs.uk/England/StructureDefinition/Extension-England-ContentStability","valueCodeableConcept":
				{"coding":[{"system":"https://fhir.nhs.uk/England/CodeSystem/England-NRLContentStability","code":"static"}]}}],
			"attachment":{"contentType":"application/fhir+json","url":"http://receiver.example/FHIR/R4/Appointment/` + id + `"},
			"format":{"system":"https://fhir.nhs.uk/England/CodeSystem/England-NRLFormatCode","code":"urn:nhs-ic:structured"}}],
		"context":{"period":{"start":"2026-11-21T10:00:00Z","end":"2026-11-21T10:20:00Z"}}}`
	return strings.NewReplacer(changes...).Replace(text)
}

const ofPatient = "/DocumentReference?subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" + patient

// leave creates a pointer and gives its path.
func (sc *scene) leave(body string) string {
	sc.t.Helper()
	got := sc.do("POST", "/DocumentReference", with(headerTarget+":"), body)
	require.Equal(sc.t, 201, got.status, "%s", got.body)
	path, found := strings.CutPrefix(got.header.Get("Location"), root+ProxyPath)
	require.True(sc.t, found)
	return path
}

func TestAPointerLivesFromBookingToCancellation(t *testing.T) {
	sc := newScene(t)
	created := sc.do("POST", "/DocumentReference", with(headerTarget+":"), pointer("b-1"))
	require.Equal(t, 201, created.status, "%s", created.body)
	code, issue := created.code(t)
	require.Equal(t, "RESOURCE_CREATED informational", code+" "+issue)
	path := strings.TrimPrefix(created.header.Get("Location"), root+ProxyPath)

	read := sc.do("GET", path, headers(), "")
	require.Equal(t, 200, read.status)
	require.Equal(t, pointerType, read.header.Get("Content-Type"))
	require.Equal(t, "b-1", read.json(t).Get("identifier", "value").Text())
	require.Equal(t, strings.TrimPrefix(path, "/DocumentReference/"), read.json(t).ID())

	moved := sc.do("PUT", path, headers(), pointer("b-1", "2026-11-21", "2026-11-22"))
	require.Equal(t, 200, moved.status, "%s", moved.body)
	found := sc.do("GET", ofPatient, headers(), "").json(t)
	require.Equal(t, "searchset", found.Get("type").Text())
	require.Equal(t, 1, found.Get("entry").Len())
	require.Equal(t, "2026-11-22T10:00:00Z", found.Get("entry", "resource", "context", "period", "start").Text())
	require.Equal(t, root+ProxyPath+path, found.Get("entry", "fullUrl").Text())

	gone := sc.do("DELETE", path, headers(), "")
	require.Equal(t, 200, gone.status)
	code, _ = gone.code(t)
	require.Equal(t, "RESOURCE_DELETED", code)
	require.Equal(t, 404, sc.do("GET", path, headers(), "").status)
	total, _ := sc.do("GET", ofPatient, headers(), "").json(t).Get("total").Int()
	require.Zero(t, total)
	sc.leave(pointer("b-1")) // the record may be pointed to again
}

func TestARecordHasOnePointer(t *testing.T) {
	sc := newScene(t)
	sc.leave(pointer("b-1"))
	got := sc.do("POST", "/DocumentReference", headers(), pointer("b-1"))
	require.Equal(t, 409, got.status)
	_, issue := got.code(t)
	require.Equal(t, "duplicate", issue)
	sc.leave(pointer("b-2"))
}

func TestOnlyTheCreatorChangesAPointer(t *testing.T) {
	sc := newScene(t)
	path := sc.leave(pointer("b-1"))
	other := headerOrganisation + ":" + organisationHeader("B2002")
	for _, verb := range []string{"PUT", "DELETE"} {
		got := sc.do(verb, path, with(other), pointer("b-1"))
		require.Equal(t, 403, got.status, verb)
		code, _ := got.code(t)
		require.Equal(t, "SEND_FORBIDDEN", code)
		require.Equal(t, "application/fhir+json", got.header.Get("Content-Type"))
	}
	require.Equal(t, 400, sc.do("POST", "/DocumentReference", with(other), pointer("b-2")).status, "nobody leaves pointers for another")
	require.Equal(t, 200, sc.do("GET", path, with(other), "").status, "everybody reads")
}

func TestWhatAPointerIsAboutNeverChanges(t *testing.T) {
	sc := newScene(t)
	path := sc.leave(pointer("b-1"))
	for name, body := range map[string]string{
		"id":         pointer("b-1", `"status"`, `"id":"x","status"`),
		"subject":    pointer("b-1", patient, "9000000017"),
		"custodian":  pointer("b-1", "A1001", "B2002"),
		"type":       pointer("b-1", "749001000000101", "3457005"),
		"the record": pointer("b-2"),
	} {
		got := sc.do("PUT", path, headers(), body)
		require.Equal(t, 400, got.status, "%s: %s", name, got.body)
		_, issue := got.code(t)
		require.Equal(t, "invariant", issue, name)
	}
	require.Equal(t, 200, sc.do("PUT", path, headers(), pointer("b-1", `"current"`, `"superseded"`)).status)
	require.Equal(t, 200, sc.do("GET", path, headers(), "").status, "a status doesn't delete")
}

func TestWhatAPointerMustHave(t *testing.T) {
	sc := newScene(t)
	for name, body := range map[string]string{
		"subject":        pointer("b-1", `Id/nhs-number`, `Id/other`),
		"right number":   pointer("b-1", patient, "9000000008"),
		"custodian":      pointer("b-1", `Id/ods-organization-code`, `Id/other`),
		"record":         pointer("b-1", `Id/BaRS-Identifier`, `Id/other`),
		"service":        pointer("b-1", `Id/dos-service-id`, `Id/other`),
		"product":        pointer("b-1", `id/product-id`, `id/other`),
		"type":           pointer("b-1", `749001000000101`, `1`),
		"address":        pointer("b-1", `"url"`, `"title"`),
		"period":         pointer("b-1", `"period"`, `"_period"`, `{"start":"2026-11-21T10:00:00Z","end":"2026-11-21T10:20:00Z"}`, `{"id":"x"}`),
		"category":       pointer("b-1", `"category"`, `"securityLabel"`),
		"content type":   pointer("b-1", `"application/fhir+json"`, `"application/pdf"`),
		"format":         pointer("b-1", "urn:nhs-ic:structured", "urn:nhs-ic:unstructured"),
		"format's own":   pointer("b-1", "England-NRLFormatCode", "other"),
		"stability":      pointer("b-1", `"static"`, `"dynamic"`),
		"stability's":    pointer("b-1", "Extension-England-ContentStability", "other"),
		"status":         pointer("b-1", `"current"`, `"gone"`),
		"resource":       `{"resourceType":"Patient"}`,
		"JSON":           `{`,
		"unknown member": pointer("b-1", `"status"`, `"colour":"red","status"`),
	} {
		got := sc.do("POST", "/DocumentReference", headers(), body)
		require.Equal(t, 400, got.status, "%s: %s", name, got.body)
		code, _ := got.code(t)
		require.Equal(t, "SEND_BAD_REQUEST", code, name)
		require.NotContains(t, string(got.body), patient, name)
	}
	require.Equal(t, 415, sc.do("POST", "/DocumentReference", with("Content-Type: application/fhir+xml"), "<a/>").status)
	require.Equal(t, 400, sc.do("POST", "/DocumentReference", with(headerOrganisation+":"), pointer("b-1")).status)
	require.Equal(t, 400, sc.do("POST", "/DocumentReference", with(headerOrganisation+": x"), pointer("b-1")).status)
}

func TestPointersComeTwentyAtATime(t *testing.T) {
	sc := newScene(t)
	want := map[string]bool{}
	for i := range 45 {
		want[fmt.Sprint("b-", i)] = true
		sc.leave(pointer(fmt.Sprint("b-", i)))
	}
	sc.leave(pointer("other", patient, "9000000017"))
	path, sizes := ofPatient, []int{}
	for {
		page := sc.do("GET", path, headers(), "").json(t)
		total, _ := page.Get("total").Int()
		require.EqualValues(t, 45, total)
		sizes = append(sizes, page.Get("entry").Len())
		for entry := range page.Get("entry").Items() {
			id := entry.Get("resource").Dig("identifier", "value").Text()
			require.True(t, want[id], "%s is here once", id)
			delete(want, id)
		}
		token := page.Get("meta", "tag", "code").Text()
		if token == "" {
			break
		}
		path = ofPatient + "&next-page-token=" + token
	}
	require.Equal(t, []int{20, 20, 5}, sizes)
	require.Empty(t, want)
}

func TestPointersAreFoundByCustodianAndType(t *testing.T) {
	sc := newScene(t)
	sc.leave(pointer("b-1"))
	sc.leave(pointer("r-1", "749001000000101", "3457005"))
	for query, want := range map[string]int{
		"": 2,
		"&custodian:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fods-organization-code%7CA1001": 2,
		"&custodian:identifier=https://fhir.nhs.uk/Id/ods-organization-code%7CB2002":           0,
		"&type=http://snomed.info/sct%7C749001000000101":                                       1,
		"&type=http://snomed.info/sct%7C736253002":                                             1, // the guide's code of a referral
		"&type=3457005":      1,
		"&category=12345678": 0,
	} {
		total, _ := sc.do("GET", ofPatient+query, headers(), "").json(t).Get("total").Int()
		require.EqualValues(t, want, total, query)
	}
}

func TestASearchForPointersIsChecked(t *testing.T) {
	sc := newScene(t)
	for path, issue := range map[string]string{
		"/DocumentReference": "required",
		"/DocumentReference?subject:identifier=" + patient:                                     "value",
		"/DocumentReference?subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C9000000008": "value",
		"/DocumentReference?subject:identifier=urn:x%7C" + patient:                             "value",
		ofPatient + "&colour=red":             "value",
		ofPatient + "&next-page-token=%25":    "value",
		ofPatient + "&custodian:identifier=x": "value",
		ofPatient + "&type=1&type=2":          "value",
		"/DocumentReference?subject:identifier=" + strconv.Itoa(1) + strings.Repeat("1", maxQuery): "invalid",
	} {
		got := sc.do("GET", path, headers(), "")
		require.Equal(t, 400, got.status, path)
		_, is := got.code(t)
		require.Equal(t, issue, is, path)
	}
	require.Equal(t, 400, sc.do("GET", ofPatient, with(headerOrganisation+":"), "").status)
}

func TestVerbsOfTheRegistry(t *testing.T) {
	sc := newScene(t)
	for path, allow := range map[string]string{"/DocumentReference": "GET, POST", "/DocumentReference/x": "GET, PUT, DELETE"} {
		got := sc.do("PATCH", path, headers(), "{}")
		require.Equal(t, 405, got.status)
		require.Equal(t, allow, got.header.Get("Allow"))
	}
	require.Equal(t, 404, sc.do("GET", "/DocumentReference/x/y", headers(), "").status)
}

func FuzzPointer(f *testing.F) {
	f.Add(pointer("b-1"))
	f.Add(`{"resourceType":"DocumentReference"}`)
	f.Add(`{"resourceType":"DocumentReference","type":[],"identifier":{"system":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		res, err := fhir.Parse([]byte(text))
		if err != nil {
			return
		}
		if checkPointer(res, "A1001") == nil {
			require.NotEmpty(t, pointerTerms(res)[0].value)
		}
	})
}

// Ensure that tokens are read that were percent-encoded twice, as the API's
// specification prints them, and that a pointer is found by its id.
func TestPointersAreFoundByEncodedTokensAndById(t *testing.T) {
	sc := newScene(t)
	id := strings.TrimPrefix(sc.leave(pointer("b-1")), "/DocumentReference/")
	sc.leave(pointer("b-2"))
	for query, want := range map[string]int{
		"subject:identifier=https%253A%252F%252Ffhir.nhs.uk%252FId%252Fnhs-number%257C" + patient:                                                                                2,
		"subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" + patient + "&custodian:identifier=https%253A%252F%252Ffhir.nhs.uk%252FId%252Fods-organization-code%257CA1001": 2,
		"subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" + patient + "&custodian:identifier=https%253A%252F%252Ffhir.nhs.uk%252FId%252Fods-organization-code%257CB2002": 0,
		"subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" + patient + "&type=http%253A%252F%252Fsnomed.info%252Fsct%257C749001000000101":                                 2,
		"subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" + patient + "&type=http%253A%252F%252Fsnomed.info%252Fsct%257C3457005":                                         0,
		"subject:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" + patient + "&_id=" + id:                                                                                       1,
	} {
		got := sc.do("GET", "/DocumentReference?"+query, headers(), "")
		require.Equal(t, 200, got.status, "%s %s", query, got.body)
		require.Equal(t, want, got.json(t).Get("entry").Len(), query)
	}
}

// Ensure that registry and catalogue refuse whoever takes no JSON.
func TestRegistryAndCatalogueAnswerInJSONOnly(t *testing.T) {
	sc := newScene(t)
	for accept, want := range map[string]int{"application/fhir+xml; version=1.5.0": 406, "text/html; version=1.5.0, application/fhir+json;version=1.5.0;q=0": 406,
		"application/json; version=1.5.0": 200, "application/fhir+xml, */*;version=1.5.0": 200} {
		for _, path := range []string{ofPatient, "/Organization?identifier=https://fhir.nhs.uk/Id/ods-organization-code%7CA1001"} {
			got := sc.do("GET", path, with(headerTarget+":", "Accept:"+accept), "")
			require.Equal(t, want, got.status, "%s: %s", accept, path)
			if want == 406 {
				code, issue := got.code(t)
				require.Equal(t, "SEND_NOT_ACCEPTABLE processing", code+" "+issue)
			}
		}
	}
}
