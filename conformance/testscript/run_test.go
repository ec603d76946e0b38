package testscript

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// fake is a server that answers every request alike and notes what it was
// asked.
type fake struct {
	*httptest.Server
	asked []string
	heads []http.Header
}

func serve(t *testing.T, answer http.HandlerFunc) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		f.heads = append(f.heads, r.Header)
		answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func patientOne(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	w.Header().Set("ETag", `W/"3"`)
	if r.Method == http.MethodPost {
		w.Header().Set("Location", "http://"+r.Host+"/Patient/1/_history/3")
		w.WriteHeader(http.StatusCreated)
	}
	fmt.Fprint(w, `{"resourceType":"Patient","id":"1","meta":{"versionId":"3"},"active":true,"name":[{"given":["A","B"]}],"multipleBirthInteger":2}`)
}

func run1(t *testing.T, f *fake, text string) *Report {
	t.Helper()
	s, err := Parse([]byte(text), fstest.MapFS{"f.json": {Data: []byte(`{"resourceType":"Patient","id":"${id}","note":"${odd}"}`)}})
	require.NoError(t, err)
	return New(Options{Base: f.URL, Variables: map[string]string{"given": "by the caller"}}).Run(context.Background(), s)
}

func TestEachAssertPassesAndFailsAsItShould(t *testing.T) {
	f := serve(t, patientOne)
	for assert, passes := range map[string]bool{
		`"response":"okay"`:                                                                                  true,
		`"response":"created"`:                                                                               false,
		`"responseCode":"200"`:                                                                               true,
		`"responseCode":"404"`:                                                                               false,
		`"responseCode":"200,201","operator":"in"`:                                                           true,
		`"responseCode":"404,410","operator":"in"`:                                                           false,
		`"responseCode":"404","operator":"notEquals"`:                                                        true,
		`"responseCode":"200","operator":"notEquals"`:                                                        false,
		`"resource":"Patient"`:                                                                               true,
		`"resource":"Bundle"`:                                                                                false,
		`"contentType":"application/fhir+json"`:                                                              true,
		`"contentType":"json"`:                                                                               true,
		`"contentType":"xml"`:                                                                                false,
		`"headerField":"ETag","value":"W/\"3\""`:                                                             true,
		`"headerField":"ETag","value":"W/\"4\""`:                                                             false,
		`"headerField":"ETag","operator":"notEmpty"`:                                                         true,
		`"headerField":"Location","operator":"notEmpty"`:                                                     false,
		`"headerField":"Location","operator":"empty"`:                                                        true,
		`"headerField":"Location","value":""`:                                                                false,
		`"expression":"Patient.id","value":"1"`:                                                              true,
		`"expression":"Patient.id","value":"2"`:                                                              false,
		`"path":"Patient.active","value":"true"`:                                                             true,
		`"expression":"Patient.birthDate","value":""`:                                                        false,
		`"expression":"Bundle.id","value":"1"`:                                                               false,
		`"expression":"Patient.name.given","value":"A,B"`:                                                    true,
		`"expression":"Patient.name.given","value":"B"`:                                                      false,
		`"expression":"Patient.name.given","operator":"contains","value":"B"`:                                true,
		`"expression":"Patient.name.given","operator":"contains","value":"C"`:                                false,
		`"expression":"Patient.name.given","operator":"notContains","value":"C"`:                             true,
		`"expression":"Patient.name.given","operator":"notContains","value":"B"`:                             false,
		`"expression":"Patient.name.given","operator":"in","value":"A, B, C"`:                                true,
		`"expression":"Patient.name.given","operator":"in","value":"A"`:                                      false,
		`"expression":"Patient.name.family","operator":"in","value":"A"`:                                     false,
		`"expression":"Patient.name.given","operator":"notIn","value":"C,D"`:                                 true,
		`"expression":"Patient.name.given","operator":"notIn","value":"C,B"`:                                 false,
		`"expression":"multipleBirthInteger","operator":"greaterThan","value":"1"`:                           true,
		`"expression":"multipleBirthInteger","operator":"greaterThan","value":"2"`:                           false,
		`"expression":"multipleBirthInteger","operator":"lessThan","value":"10"`:                             true,
		`"expression":"multipleBirthInteger","operator":"lessThan","value":"2"`:                              false,
		`"expression":"Patient.id","compareToSourceId":"first"`:                                              true,
		`"expression":"Patient.id","compareToSourceId":"first","compareToSourceExpression":"Patient.active"`: false,
		`"expression":"Patient.id","compareToSourceId":"first","compareToSourceExpression":"meta.versionId","operator":"notEquals"`: true,
		`"minimumId":"least"`:                          true,
		`"minimumId":"more"`:                           false,
		`"navigationLinks":true`:                       false,
		`"expression":"Patient.id","value":"${unset}"`: false,
	} {
		text := script(strings.Replace(read, `"params"`, `"responseId":"first","params"`, 1)+`,{"assert":{`+assert+`}}`,
			`"contained":[{"resourceType":"Patient","id":"least","active":true,"name":[{"given":["A"]}]},{"resourceType":"Patient","id":"more","name":[{"given":["B"]}]}]`,
			`"fixture":[{"id":"least","resource":{"reference":"#least"}},{"id":"more","resource":{"reference":"#more"}}]`,
			`"variable":[{"name":"unset"}]`)
		report := run1(t, f, text)
		require.Equal(t, passes, report.Passed(), "%s: %s", assert, report.Tests[0])
		warned := run1(t, f, strings.Replace(text, `{"assert":{`, `{"assert":{"warningOnly":true,`, 1))
		require.True(t, warned.Passed(), assert)
		want := Passed
		if !passes {
			want = Warned
		}
		require.Equal(t, want, warned.Tests[0].Steps[1].Verdict, assert)
	}
}

func TestEachOperationSendsItsRequest(t *testing.T) {
	const fixtures = `"contained":[{"resourceType":"Patient","id":"p","gender":"other"}],` +
		`"fixture":[{"id":"p","resource":{"reference":"#p"}},{"id":"file","resource":{"reference":"f.json"}}],` +
		`"variable":[{"name":"id","sourceId":"made","expression":"Patient.id"},{"name":"etag","sourceId":"made","headerField":"ETag"},` +
		`{"name":"odd","defaultValue":"a \"b\"&c"},{"name":"given","defaultValue":"default"}]`
	const created = `POST /Patient {"resourceType":"Patient","gender":"other"}`
	for operation, want := range map[string]string{
		`"type":{"code":"read"},"resource":"Patient","targetId":"made"`:                         `GET /Patient/1`,
		`"type":{"code":"read"},"targetId":"made"`:                                              `GET /Patient/1`,
		`"type":{"code":"read"},"targetId":"p"`:                                                 `GET /Patient/1`,
		`"type":{"code":"read"},"resource":"Patient","params":"/${id}"`:                         `GET /Patient/1`,
		`"type":{"code":"vread"},"resource":"Patient","targetId":"made"`:                        `GET /Patient/1/_history/3`,
		`"type":{"code":"history"},"resource":"Patient","targetId":"made","params":"?_count=2"`: `GET /Patient/1/_history?_count=2`,
		`"type":{"code":"search"},"resource":"Patient","params":"?name=${odd}"`:                 `GET /Patient?name=a+%22b%22%26c`,
		`"type":{"code":"search"},"resource":"Patient","params":"?x=${given}"`:                  `GET /Patient?x=by+the+caller`,
		`"type":{"code":"capabilities"}`:                                                        `GET /metadata`,
		`"type":{"code":"delete"},"resource":"Patient","targetId":"made"`:                       `DELETE /Patient/1`,
		`"type":{"code":"update"},"sourceId":"p","targetId":"made"`:                             `PUT /Patient/1 {"resourceType":"Patient","id":"1","gender":"other"}`,
		`"type":{"code":"update"},"url":"Patient/9","sourceId":"file"`:                          `PUT /Patient/9 {"resourceType":"Patient","id":"1","note":"a \"b\"&c"}`,
		`"type":{"code":"patch"},"resource":"Patient","targetId":"made","sourceId":"p"`:         `PATCH /Patient/1 {"resourceType":"Patient","gender":"other"}`,
		`"type":{"code":"transaction"},"sourceId":"p"`:                                          `POST / {"resourceType":"Patient","gender":"other"}`,
		`"method":"post","url":"Patient/_search"`:                                               `POST /Patient/_search`,
		`"type":{"code":"search"},"resource":"Patient","method":"head","params":"?_id=1"`:       `HEAD /Patient?_id=1`,
	} {
		f := serve(t, patientOne)
		report := run1(t, f, script(`{"operation":{"type":{"code":"create"},"resource":"Patient","sourceId":"p","responseId":"made"}},{"operation":{`+operation+
			`,"accept":"xml","requestHeader":[{"field":"If-Match","value":"${etag}"}]}}`, fixtures))
		require.True(t, report.Passed(), "%s: %s", operation, report.Tests[0])
		require.Equal(t, []string{created, want}, f.asked, operation)
		require.Equal(t, `W/"3"`, f.heads[1].Get("If-Match"))
		require.Equal(t, "application/fhir+xml", f.heads[1].Get("Accept"))
		require.Equal(t, "application/fhir+json", f.heads[0].Get("Content-Type"))
	}
}

func TestFixturesAreCreatedFirstAndDeletedLastInReverse(t *testing.T) {
	f := serve(t, patientOne)
	report := run1(t, f, script(read+`,{"assert":{"response":"gone"}}`,
		`"contained":[{"resourceType":"Patient","id":"p"},{"resourceType":"Slot","id":"q"}]`,
		`"fixture":[{"id":"p","autocreate":true,"autodelete":true,"resource":{"reference":"#p"}},{"id":"q","autocreate":true,"autodelete":true,"resource":{"reference":"#q"}}]`,
		`"setup":{"action":[{"operation":{"type":{"code":"capabilities"}}}]}`,
		`"teardown":{"action":[{"operation":{"type":{"code":"read"},"url":"last"}}]}`))
	require.False(t, report.Passed())
	require.Len(t, report.Tests, 1)
	require.Equal(t, []string{
		`POST /Patient {"resourceType":"Patient"}`, `POST /Slot {"resourceType":"Slot"}`, `GET /metadata`, `GET /Patient/1`,
		`GET /last`, `DELETE /Patient/1`, `DELETE /Patient/1`,
	}, f.asked)
}

func TestATestFailsWhereItsSetupDid(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	report := run1(t, f, script(read, `"contained":[{"resourceType":"Patient","id":"p"}]`,
		`"fixture":[{"id":"p","autocreate":true,"autodelete":true,"resource":{"reference":"#p"}}]`))
	require.False(t, report.Passed())
	require.Equal(t, []string{`POST /Patient {"resourceType":"Patient"}`}, f.asked)
	require.Equal(t, "setup", report.Tests[0].Name)
	require.False(t, report.Tests[1].Passed())
}

func TestTheRunnerIsNotLedAwayNorDrowned(t *testing.T) {
	other := serve(t, patientOne)
	link := script(read+`,{"operation":{"method":"get","url":"${next}"}}`, `"variable":[{"name":"next","defaultValue":"`+other.URL+`/Patient"}]`)
	report := run1(t, serve(t, patientOne), link)
	require.Contains(t, report.Tests[0].String(), "another server")

	away := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	report = run1(t, away, script(read+`,{"assert":{"responseCode":"302"}}`))
	require.True(t, report.Passed(), report.Tests[0])
	require.Empty(t, other.asked)

	flood := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) })
	report = run1(t, flood, script(read))
	require.Contains(t, report.Tests[0].String(), "longer than")
}

func TestTheTextNamesRequirementRequestAndStatus(t *testing.T) {
	f := serve(t, patientOne)
	report := run1(t, f, script(read+`,{"assert":{"description":"a hint","response":"gone","warningOnly":true}},{"assert":{"description":"it is gone","response":"gone"}},`+read))
	var b strings.Builder
	require.NoError(t, report.Text(&b))
	require.Equal(t, strings.ReplaceAll(`own: Our own
  FAIL one
    requirement: the rule
      it is gone: status is 200, expected equals 410
      request: GET @/Patient/1
      answer:  200
    warning: a hint: status is 200, expected equals 410 (GET @/Patient/1, 200)
  0 passed, 1 failed, 1 warnings
`, "@", f.URL), b.String())
	require.Len(t, f.asked, 1, "the rest of a failed test is not run")
}
