package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/scripts"
	"github.com/onward-health/onward/conformance/testscript"
)

// conform runs the TestScripts of the given ids, or all, against a base URL and
// returns the results by script and test.
func conform(t *testing.T, base string, ids ...string) map[string]testscript.TestResult {
	t.Helper()
	all, err := scripts.All()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	results := map[string]testscript.TestResult{}
	for _, script := range all {
		if len(ids) > 0 && !slices.Contains(ids, script.ID) {
			continue
		}
		runner := testscript.New(testscript.Options{Base: base, Variables: map[string]string{"run": uuid.NewString()}})
		report := runner.Run(context.Background(), script)
		require.GreaterOrEqual(t, len(report.Tests), len(script.Tests), script.ID)
		for _, result := range report.Tests {
			results[script.ID+"/"+result.Name] = result
		}
	}
	return results
}

// Ensure that every requirement of our TestScripts holds for the built binary.
func TestEveryConformanceScriptPasses(t *testing.T) {
	s := start(t)
	for name, result := range conform(t, s.url+"/FHIR/R4") {
		t.Run(name, func(t *testing.T) {
			for _, step := range result.Steps {
				if step.Verdict == testscript.Warned {
					t.Logf("warning: %s: %s (%s, %d)", result.Requirement, step.Message, step.Request, step.Status)
				}
			}
			require.True(t, result.Passed(), "%s", result)
		})
	}
}

// Ensure that the scripts see what they are for: a proxy in front of the binary
// breaks one thing, and the tests of that thing must fail then, though they
// pass through a proxy that breaks nothing.
func TestTheScriptsSeeABrokenRequirement(t *testing.T) {
	s := start(t)
	behind, err := url.Parse(s.url)
	require.NoError(t, err)
	through := func(t *testing.T, spoil func(r *http.Response, body []byte) []byte, ids ...string) map[string]testscript.TestResult {
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) },
			ModifyResponse: func(r *http.Response) error {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.Request.Method == http.MethodHead {
					return err
				}
				// Links must lead back through the proxy.
				body = bytes.ReplaceAll(body, []byte(s.url), []byte("http://"+r.Request.Header.Get("X-Front")))
				r.Header.Set("Location", strings.ReplaceAll(r.Header.Get("Location"), s.url, "http://"+r.Request.Header.Get("X-Front")))
				if r.Header.Get("Location") == "" {
					r.Header.Del("Location")
				}
				body = spoil(r, body)
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				r.Header.Set("Content-Length", strconv.Itoa(len(body)))
				return nil
			},
		}
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Front", r.Host)
			r.Header.Del("Accept-Encoding")
			proxy.ServeHTTP(w, r)
		}))
		defer front.Close()
		return conform(t, front.URL+"/FHIR/R4", ids...)
	}
	without := func(name string) func(*http.Response, []byte) []byte {
		return func(r *http.Response, body []byte) []byte { r.Header.Del(name); return body }
	}
	status := func(from, to int) func(*http.Response, []byte) []byte {
		return func(r *http.Response, body []byte) []byte {
			if r.StatusCode == from {
				r.StatusCode = to
			}
			return body
		}
	}
	text := func(from, to string) func(*http.Response, []byte) []byte {
		return func(_ *http.Response, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte(from), []byte(to))
		}
	}

	inHeader := func(name, from, to string) func(*http.Response, []byte) []byte {
		return func(r *http.Response, body []byte) []byte {
			r.Header.Set(name, strings.ReplaceAll(r.Header.Get(name), from, to))
			return body
		}
	}

	for name, result := range through(t, func(_ *http.Response, body []byte) []byte { return body }) {
		require.True(t, result.Passed(), "%s: %s", name, result)
	}
	for name, tc := range map[string]struct {
		spoil func(*http.Response, []byte) []byte
		fails []string
	}{
		"no ETag":          {without("ETag"), []string{"read/read-version-headers", "create/create-version-headers", "update/update", "vread/vread-old"}},
		"no Location":      {without("Location"), []string{"create/create-location", "update/update-as-create"}},
		"no Last-Modified": {without("Last-Modified"), []string{"read/read-version-headers", "create/create-version-headers"}},
		"no Allow":         {without("Allow"), []string{"negotiation/method-not-allowed", "http-rules/options"}},
		"412 said to be done": {status(412, 200), []string{"update/if-match-conflict", "delete/delete-if-match", "patch/patch-if-match", "conditional/create-many", "conditional/update-many", "conditional/delete-many",
			"write-rules/if-none-match-any", "write-rules/if-match-foreign", "fhirpath-patch/fhirpath-if-match", "transaction-rules/transaction-if-match"}},
		"422 said to be done":       {status(422, 200), []string{"patch/patch-test-fails", "appointment-rules/unknown-slot", "fhirpath-patch/fhirpath-atomic", "fhirpath-patch/fhirpath-one-element", "fhirpath-patch/fhirpath-wrong-type"}},
		"201 said to be 200":        {status(201, 200), []string{"create/create", "update/update-as-create", "conditional/create-none", "scheduling/propose"}},
		"batch as a transaction":    {text(`"batch-response"`, `"transaction-response"`), []string{"transaction/batch"}},
		"fullUrls left as they are": {text(`"reference":"Practitioner/`, `"reference":"urn:uuid:`), []string{"transaction/transaction-references"}},
		"409 said to be done":       {status(409, 201), []string{"scheduling/no-second-booking", "scheduling/slot-not-freed", "scheduling/slot-not-deleted", "scheduling/cancelled-for-good"}},
		"410 said to be 404":        {status(410, 404), []string{"read/read-deleted", "delete/delete", "vread/vread-deleted"}},
		"400 said to be done":       {status(400, 200), []string{"search/search-unknown-parameter", "search/search-bad-value", "update/update-other-id", "create/create-not-fhir"}},
		"304 said to be 200":        {status(304, 200), []string{"read/if-none-match", "read/if-modified-since"}},
		"406 and 415 are 400":       {func(r *http.Response, b []byte) []byte { return status(415, 400)(r, status(406, 400)(r, b)) }, []string{"negotiation/not-acceptable", "negotiation/unsupported-body"}},
		"no self link":              {text(`"relation":"self"`, `"relation":"other"`), []string{"search/search-self", "history/history-self"}},
		"no next link":              {text(`"relation":"next"`, `"relation":"other"`), []string{"search/search-paging", "history/history-count"}},
		"refusals without outcome":  {text(`"resourceType":"OperationOutcome"`, `"resourceType":"Basic"`), []string{"read/read-unknown-id", "create/create-not-fhir", "search/search-unknown-parameter", "scheduling/no-second-booking"}},
		"slots always free":         {text(`"status":"busy"`, `"status":"free"`), []string{"scheduling/slot-busy", "scheduling/book"}},
		"another FHIR version":      {text(`"fhirVersion":"4.0.1"`, `"fhirVersion":"3.0.2"`), []string{"capabilities/capabilities-version"}},
		"no charset":                {inHeader("Content-Type", "; charset=utf-8", ""), []string{"http-rules/charset"}},
		"XML said to be JSON":       {inHeader("Content-Type", "fhir+xml", "fhir+json"), []string{"http-rules/format-xml-words", "http-rules/accept-generic", "http-rules/metadata-xml", "negotiation/accept-xml"}},
		"a patch not done":          {text(`"birthDate":"1971-02-03"`, `"birthDate":"1970-01-01"`), []string{"fhirpath-patch/fhirpath-patch"}},
		"a patch in another order":  {text(`"value":"1a"`, `"value":"2"`), []string{"fhirpath-patch/fhirpath-lists"}},
		"narrative left as it was":  {text(`href=\"Practitioner/`, `href=\"urn:uuid:`), []string{"transaction-rules/transaction-links"}},
		"the client's version kept": {text(`"versionId":"2"`, `"versionId":"77"`), []string{"write-rules/update-meta"}},
		"404 said to be done":       {status(404, 200), []string{"http-rules/case-sensitive", "fhirpath-patch/patch-conditional-none", "read/read-unknown-id", "write-rules/if-match-any"}},
		"200 said to be a failure":  {status(200, 400), []string{"transaction-rules/batch-all-fail", "transaction-rules/batch-independent", "fhirpath-patch/fhirpath-xml"}},
		"204 said to be a failure":  {status(204, 500), []string{"write-rules/delete-tidies", "write-rules/conditional-delete-none", "delete/delete-unknown"}},
		"a deletion not shown":      {text(`"method":"DELETE"`, `"method":"PUT"`), []string{"http-rules/history-deleted", "delete/delete-history"}},
		"a patch format kept quiet": {text(`"application/json-patch+json",`, ``), []string{"http-rules/metadata-patch-formats"}},
		"reads before writes":       {text(`"total":1`, `"total":0`), []string{"transaction-rules/transaction-order", "http-rules/utf-8"}},
		"a member lost":             {text(`"birthDate":"1970-01-01"`, `"birthDate":"1970-01-02"`), []string{"read/read", "create/create-kept"}},
	} {
		t.Run(name, func(t *testing.T) {
			var ids []string
			for _, test := range tc.fails {
				id, _, _ := strings.Cut(test, "/")
				ids = append(ids, id)
			}
			results := through(t, tc.spoil, ids...)
			for _, test := range tc.fails {
				require.Contains(t, results, test)
				require.False(t, results[test].Passed(), "%s did not see it", test)
			}
		})
	}
}
