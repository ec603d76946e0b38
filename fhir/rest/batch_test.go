package rest_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// entry is an entry of a batch or transaction; more are further members of its
// request, as JSON.
func entry(method, url, resource string, more ...string) string {
	request := fmt.Sprintf(`{"method":%q,"url":%q`, method, url)
	for _, m := range more {
		request += "," + m
	}
	text := `{"request":` + request + `}`
	if resource != "" {
		text += `,"resource":` + resource
	}
	return text + `}`
}

func bundleOf(kind string, entries ...string) string {
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
}

// statuses lists the status of each entry of the answer.
func (a answer) statuses(t *testing.T, kind string) []string {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, kind+"-response", a.resource(t).Get("type").Text())
	var all []string
	for e := range a.resource(t).Get("entry").Items() {
		all = append(all, e.Dig("response", "status").Text())
	}
	return all
}

// Ensure that the answer to an entry can stand in the Bundle of answers, whose
// format is the one that counts.
func TestAnEntryHasTheFormatOfItsBundle(t *testing.T) {
	s := newScene(t)
	s.patient("a", "female")
	require.Equal(t, 201, s.send("PUT", "/Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"YWJj"}`).status)
	for _, kind := range []string{"batch", "transaction"} {
		a := s.send("POST", "/", bundleOf(kind,
			entry("GET", "Patient/a?_format=xml", ""),
			entry("GET", "Patient?_format=application%2Ffhir%2Bxml&_pretty=true", ""),
			entry("GET", "Patient/none?_format=xml", ""),
			entry("GET", "Binary/b?_format=text%2Fplain", ""),
			entry("GET", "Patient/a?_format=json&_pretty=true", ""),
			entry("PUT", "Patient/c?_format=xml", `{"resourceType":"Patient","id":"c"}`),
		))
		require.Equal(t, []string{"200 OK", "200 OK", "404 Not Found", "200 OK", "200 OK"}, a.statuses(t, kind)[:5])
		entries := a.resource(t).Get("entry")
		for i, typ := range []string{"Patient", "Bundle", "", "Binary", "Patient", "Patient"} {
			require.Equal(t, typ, entries.At(i).Dig("resource", "resourceType").Text())
		}
		require.Equal(t, "OperationOutcome", entries.At(2).Dig("response", "outcome").Get("resourceType").Text())
		require.NotContains(t, a.body, "\n")
	}
}

func binary(typ, text string) string {
	return fmt.Sprintf(`{"resourceType":"Binary","contentType":%q,"data":%q}`, typ, base64.StdEncoding.EncodeToString([]byte(text)))
}

const newPatient = `{"resourceType":"Patient","gender":"male"}`

// verbs are entries of every kind, and what they are answered with.
func verbs() (entries []string, want []string) {
	for _, row := range [][2]string{
		{entry("GET", "Patient/a", ""), "200 OK"},
		{entry("POST", "Patient", newPatient), "201 Created"},
		{entry("POST", "Patient", newPatient, `"ifNoneExist":"_id=a"`), "200 OK"},
		{entry("PUT", "Patient/b", `{"resourceType":"Patient","id":"b"}`, `"ifMatch":"W/\"1\""`), "200 OK"},
		{entry("PUT", "Patient?_id=c", `{"resourceType":"Patient","id":"c"}`), "201 Created"},
		{entry("PUT", "Patient/n", `{"resourceType":"Patient","id":"n"}`, `"ifNoneMatch":"*"`), "201 Created"},
		{entry("PATCH", "Patient/e", binary("application/merge-patch+json", `{"active":true}`)), "200 OK"},
		{entry("PATCH", "Patient?_id=f", binary("application/json-patch+json", `[{"op":"add","path":"/active","value":true}]`)), "200 OK"},
		{entry("DELETE", base+"/Patient/d", ""), "204 No Content"},
		{entry("DELETE", "Patient?_id=none", ""), "204 No Content"},
		{entry("GET", "/Patient?_id=a,b", ""), "200 OK"},
		{entry("GET", "Patient/a", "", `"ifNoneMatch":"W/\"1\""`), "304 Not Modified"},
		{entry("HEAD", "Patient/b/_history/1", ""), "200 OK"},
		{entry("GET", "Patient/nobody", ""), "404 Not Found"},
	} {
		entries, want = append(entries, row[0]), append(want, row[1])
	}
	return entries, want
}

func TestABatchAndATransactionTakeEveryVerb(t *testing.T) {
	for _, kind := range []string{"batch", "transaction"} {
		t.Run(kind, func(t *testing.T) {
			s := newScene(t)
			for _, id := range []string{"a", "b", "d", "e", "f"} {
				s.patient(id, "male")
			}
			entries, want := verbs()
			a := s.send("POST", "", bundleOf(kind, entries...))
			require.Equal(t, want, a.statuses(t, kind), a.body)
			all := a.resource(t).Get("entry")
			require.Equal(t, "a", all.At(0).Dig("resource", "id").Text())
			created := all.At(1)
			require.Equal(t, base+"/Patient/new-1/_history/1", created.Dig("response", "location").Text())
			require.Equal(t, `W/"1"`, created.Dig("response", "etag").Text())
			require.Equal(t, "2026-03-01T09:35:00.250Z", created.Dig("response", "lastModified").Text(), "to the millisecond")
			require.Equal(t, "new-1", created.Dig("resource", "id").Text())
			require.True(t, all.At(6).Dig("resource", "active").Bool())
			require.Equal(t, "searchset", all.At(10).Dig("resource", "type").Text())
			require.Equal(t, "OperationOutcome", all.At(13).Dig("response", "outcome", "resourceType").Text())
			require.False(t, all.At(13).Get("resource").Exists())
			require.Equal(t, 410, s.do("GET", "/Patient/d", "").status)
			require.Equal(t, 200, s.do("GET", "/Patient/n", "").status)

			minimal := s.send("POST", "", bundleOf(kind, entry("POST", "Patient", newPatient)), "Prefer: return=minimal")
			require.False(t, minimal.resource(t).Get("entry", "resource").Exists())
			outcome := s.send("POST", "", bundleOf(kind, entry("POST", "Patient", newPatient)), "Prefer: return=OperationOutcome")
			require.Equal(t, "OperationOutcome", outcome.resource(t).Get("entry", "response", "outcome", "resourceType").Text())
			require.Equal(t, "xml", s.send("POST", "/?_format=xml", bundleOf(kind, entry("POST", "Patient", newPatient), entry("POST", "Patient", `{"resourceType":"Patient","colour":1}`))).format(t))
			require.Empty(t, s.send("POST", "", `{"resourceType":"Bundle","type":"`+kind+`"}`).statuses(t, kind))
		})
	}
}

func TestEntriesOfABatchStandAlone(t *testing.T) {
	s := newScene(t)
	a := s.send("POST", "/", bundleOf("batch",
		entry("PUT", "Patient/a", `{"resourceType":"Patient","id":"b"}`),
		entry("POST", "Patient", newPatient),
		entry("STEAL", "Patient", ""),
		entry("POST", "Encounter", `{"resourceType":"Encounter"}`),
		entry("POST", "Patient/$validate", newPatient),
		`1`,
		strings.Replace(entry("POST", "Patient", newPatient), `"request"`, `"priority":1,"request"`, 1),
	))
	require.Equal(t, []string{"400 Bad Request", "201 Created", "400 Bad Request", "404 Not Found", "200 OK", "400 Bad Request", "400 Bad Request"}, a.statuses(t, "batch"))
	require.Len(t, s.backend.records, 1)
	unknown := a.resource(t).Get("entry").At(6).Dig("response", "outcome", "issue").At(0)
	require.Equal(t, "Bundle.entry[6].priority", unknown.Get("expression").At(0).Text())
	s.send("POST", "/", strings.Replace(bundleOf("batch", entry("POST", "Patient", newPatient)), `"type"`, `"kind":1,"type"`, 1)).refused(t, 400, "structure")
}

func TestATransactionThatFailsLeavesNothingAndNamesTheEntry(t *testing.T) {
	good := entry("POST", "Patient", newPatient)
	for _, c := range []struct {
		entry      string
		status     int
		code       string
		expression string
	}{
		{entry("PUT", "Patient/a", `{"resourceType":"Patient","id":"b"}`), 400, "invalid", "Bundle.entry[1].resource.id"},
		{entry("PUT", "Patient/a", `{"resourceType":"Patient","id":"a"}`, `"ifMatch":"W/\"7\""`), 412, "conflict", "Bundle.entry[1]"},
		{entry("PUT", "Patient/a", ""), 415, "not-supported", "Bundle.entry[1]"},
		{entry("PATCH", "Patient/none", binary("application/merge-patch+json", `{}`)), 404, "not-found", "Bundle.entry[1]"},
		{entry("PATCH", "Patient/a", `{"resourceType":"Binary","contentType":"application/merge-patch+json","data":"%"}`), 400, "value", "Bundle.entry[1].resource.data"},
		{entry("PATCH", "Patient/a", `{"resourceType":"Patient"}`), 400, "invalid", "Bundle.entry[1].resource"},
		{entry("DELETE", "Patient/none", "", `"ifMatch":"*"`), 412, "conflict", "Bundle.entry[1]"},
		{entry("DELETE", "Patient/a", newPatient), 400, "invalid", "Bundle.entry[1].resource"},
		{entry("POST", "Patient/$validate", newPatient), 400, "invalid", "Bundle.entry[1]"},
		{entry("POST", "Patient?x=y", newPatient), 400, "not-supported", "Bundle.entry[1]"},
		{entry("PUT", "Patient", newPatient), 400, "invalid", "Bundle.entry[1]"},
		{entry("POST", "Patient", newPatient, `"ifNoneExist":"nonsense=1"`), 400, "not-supported", "Bundle.entry[1]"},
		{entry("POST", "Encounter", newPatient), 404, "not-found", "Bundle.entry[1]"},
		{entry("POST", "", newPatient), 400, "value", "Bundle.entry[1].request.url"},
		{entry("POST", "//Patient", newPatient), 400, "invalid", "Bundle.entry[1].request.url"},
		{entry("PUT", "https://other.example/Patient/a", newPatient), 400, "invalid", "Bundle.entry[1].request.url"},
		{entry("STEAL", "Patient", newPatient), 400, "invalid", "Bundle.entry[1].request.method"},
		{entry("GET", "Patient/a", "", `"ifModifiedSince":"yesterday"`), 400, "value", "Bundle.entry[1].request.ifModifiedSince"},
		{entry("POST", "Patient", `1`), 400, "structure", "Bundle.entry[1].resource"},
		{`{}`, 400, "structure", "Bundle.entry[1]"},
		{`{"fullUrl":"urn:a:b"}`, 400, "invalid", "Bundle.entry[1].request.method"},
		{entry("POST", "Patient", newPatient, `"ifNone":"x"`), 400, "structure", "Bundle.entry[1].request.ifNone"},
	} {
		s := newScene(t)
		a := s.send("POST", "/", bundleOf("transaction", good, c.entry, good))
		a.refused(t, c.status, c.code)
		require.Equal(t, c.expression, a.resource(t).Get("issue", "expression").At(0).Text(), c.entry)
		require.Empty(t, s.backend.records, c.entry)
	}
}

func TestABundleThatIsNeitherIsRefused(t *testing.T) {
	s := newScene(t)
	s.send("POST", "/", bundleOf("collection")).refused(t, 400, "invalid")
	s.send("POST", "/", newPatient).refused(t, 400, "invalid")
	s.send("POST", "/", `{"resourceType":"Bundle","type":"batch","entry":{}}`).refused(t, 400, "structure")
	s.send("POST", "/?x=1", bundleOf("batch")).refused(t, 400, "not-supported")
	s.send("POST", "/", bundleOf("batch"), "If-None-Exist: _id=a").refused(t, 501, "not-supported")
	many := strings.Split(strings.Repeat(entry("POST", "Patient", newPatient)+"\n", 501), "\n")[:501]
	for _, kind := range []string{"batch", "transaction"} {
		s.send("POST", "/", bundleOf(kind, many...)).refused(t, 400, "too-costly")
		require.Empty(t, s.backend.records)
	}
	require.Equal(t, 200, s.send("POST", "/", bundleOf("transaction", many[:500]...)).status)
	require.Len(t, s.backend.records, 500)
}

func TestTheAnswersOfABatchAreBounded(t *testing.T) {
	s := newScene(t)
	s.backend.add(&rest.Version{Type: "Patient", ID: "big", Body: []byte(`{"resourceType":"Patient","id":"big","language":"` + strings.Repeat("x", 10<<20) + `"}`)})
	var gets []string
	for range 4 {
		gets = append(gets, entry("GET", "Patient?_id=big", ""))
	}
	gets = append(gets, entry("GET", "Patient/big", ""), entry("PATCH", "Patient/big", binary("application/merge-patch+json", `{}`)))
	a := s.send("POST", "/", bundleOf("batch", gets...))
	var got []string // without parsing so much
	for _, part := range strings.Split(a.body, `"response":{"status":"`)[1:] {
		status, _, _ := strings.Cut(part, `"`)
		got = append(got, status)
	}
	require.Equal(t, []string{"200 OK", "200 OK", "200 OK", "422 Unprocessable Entity", "422 Unprocessable Entity", "200 OK"}, got)
	require.Less(t, len(a.body), 33<<20)
	require.True(t, strings.HasSuffix(a.body, `}},{"response":{"status":"200 OK","etag":"W/\"2\"","lastModified":"2026-03-01T09:30:00.250Z"}}]}`), "the write stands, without its body")
}

func FuzzABundleIsAnsweredOrRefused(f *testing.F) {
	entries, _ := verbs()
	f.Add(bundleOf("transaction", entries...))
	f.Add(bundleOf("batch", entries...))
	f.Add(bundleOf("batch", entry("GET", "%2F/?#", "")))
	h := rest.New(newMemory(time.Now), rest.Options{BaseURL: base, Types: []string{"Patient", "Binary"}})
	f.Fuzz(func(t *testing.T, body string) {
		a := direct(h, "POST", "/", strings.NewReader(body), "Content-Type: "+asJSON)
		require.NotEqual(t, 500, a.status, a.body)
		_, err := fhir.Parse([]byte(a.body))
		require.NoError(t, err)
	})
}
