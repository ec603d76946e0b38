package rest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// door is a handler of another package: it reads a resource and sends it back.
func door(w http.ResponseWriter, r *http.Request) {
	err := rest.CheckAccept(r)
	var res *fhir.Resource
	if err == nil {
		res, _, err = rest.ReadResource(w, r, 1000)
	}
	if err == nil {
		w.Header().Set("X-Done", "true")
		err = rest.WriteResource(w, r, 201, res)
	}
	if err != nil {
		rest.WriteOutcomeTo(w, r, fhir.AsOutcome(err), rest.Plain)
	}
}

func TestOtherDoorsReadAndWriteBothFormats(t *testing.T) {
	const inJSON, inXML = `{"resourceType":"Patient","active":true}`, `<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>`
	const head = `<?xml version="1.0" encoding="UTF-8"?>`
	for _, c := range []struct {
		method, query, typ, accept, body, code string
		status                                 int
		want                                   string // of a success
		format                                 string
	}{
		{"POST", "", asJSON, "", inJSON, "", 201, inJSON, "json"},
		{"POST", "", asXML, "", inXML, "", 201, inJSON, "json"},
		{"POST", "", asJSON, asXML, inJSON, "", 201, head + inXML, "xml"},
		{"POST", "", "text/xml", "text/xml", head + inXML, "", 201, head + inXML, "xml"},
		{"POST", "?_format=xml", asJSON, asJSON, inJSON, "", 201, head + inXML, "xml"},
		{"POST", "?_pretty=true", asJSON, "", inJSON, "", 201, "{\n  \"resourceType\": \"Patient\",\n  \"active\": true\n}", "json"},
		{"POST", "?_pretty=true", asJSON, asXML, inJSON, "", 201, head + "\n<Patient xmlns=\"http://hl7.org/fhir\">\n  <active value=\"true\"/>\n</Patient>", "xml"},
		{"HEAD", "", asJSON, asXML, inJSON, "", 201, "", "xml"},
		{"POST", "", asJSON, "text/html", inJSON, "not-supported", 406, "", "json"},
		{"POST", "?_format=ttl", asJSON, asXML, inJSON, "not-supported", 406, "", "json"},
		{"POST", "?_pretty=x", asJSON, asXML, inJSON, "value", 400, "", "xml"},
		{"POST", "?a=%zz", asJSON, asXML, inJSON, "invalid", 400, "", "xml"},
		{"POST", "", "text/plain", asXML, inJSON, "not-supported", 415, "", "xml"},
		{"POST", "", asJSON, asXML, strings.Repeat(" ", 1001), "too-long", 413, "", "xml"},
		{"POST", "", asJSON, asXML, `{"resourceType":"Patient","x":1}`, "not-supported", 406, "", "xml"},
		{"POST", "", asXML, asXML, `<Patient xmlns="http://hl7.org/fhir"><x/></Patient>`, "structure", 400, "", "xml"},
	} {
		r := httptest.NewRequest(c.method, "/"+c.query, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.typ)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		door(w, r)
		a := answer{w.Code, w.Header(), w.Body.String()}
		require.Equal(t, c.status, a.status, "%v %s", c, a.body)
		if c.method == "HEAD" {
			require.Empty(t, a.body)
			require.Equal(t, rest.ContentTypeXML, a.header.Get("Content-Type"))
			continue
		}
		require.Equal(t, c.format, a.format(t), c)
		if c.code == "" {
			require.Equal(t, c.want, a.body)
			continue
		}
		require.Contains(t, a.body, "OperationOutcome")
		require.Contains(t, a.body, c.code)
	}
}

func TestReadResourceGivesTheBodyAsItWasWritten(t *testing.T) {
	text := " <Patient xmlns='http://hl7.org/fhir' >\n<active value=\"true\"/></Patient>"
	for _, coding := range []string{"", "gzip"} {
		body := text
		if coding != "" {
			body = gzipped(t, text)
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", asXML)
		r.Header.Set("Content-Encoding", coding)
		res, raw, err := rest.ReadResource(httptest.NewRecorder(), r, 1000)
		require.NoError(t, err)
		require.Equal(t, `{"resourceType":"Patient","active":true}`, string(res.JSON()))
		require.Equal(t, text, string(raw), "so that a hash doesn't depend on the coding")
	}
}

func TestNothingIsWrittenWhenAResourceCannotBeShown(t *testing.T) {
	res, err := fhir.Parse([]byte(`{"resourceType":"Patient","name":[{"clan":"Smith"}]}`))
	require.NoError(t, err)
	for accept, path := range map[string]string{asXML: "Patient.name[0].clan", "text/html": ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		var o *fhir.Outcome
		require.True(t, errors.As(rest.WriteResource(w, r, 200, res), &o))
		require.Equal(t, fhir.KindNotAcceptable, o.Kind)
		require.Equal(t, path, o.Issues[0].Expression)
		require.NotContains(t, o.Error(), "Smith")
		require.Empty(t, w.Header())
		require.Zero(t, w.Body.Len())
	}
}

func TestWriteOutcomeIsJSONWhereNobodyNotedTheRequest(t *testing.T) {
	w := httptest.NewRecorder()
	rest.WriteOutcome(w, fhir.NewOutcome(fhir.KindNotFound, "", "no"), rest.Plain)
	require.Equal(t, "json", answer{w.Code, w.Header(), w.Body.String()}.format(t))
	w = httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	rest.WriteOutcomeTo(w, nil, fhir.NewOutcome(fhir.KindNotFound, "", "no"), rest.Plain)
	require.Equal(t, []string{"Origin, Accept, Accept-Encoding"}, w.Header().Values("Vary"))
}

// wrapped is a writer that a middleware put round another.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestADoorsOwnRenderWritesTheFormatAskedFor(t *testing.T) {
	for name, wrap := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"as it came": func(w http.ResponseWriter) http.ResponseWriter { return w },
		"wrapped":    func(w http.ResponseWriter) http.ResponseWriter { return wrapped{wrapped{w}} },
	} {
		s := newScene(t, func(o *rest.Options) {
			o.Render = func(w http.ResponseWriter, _ *http.Request, out *fhir.Outcome) {
				rest.WriteOutcome(wrap(w), out, rest.Plain)
			}
		})
		require.Equal(t, "xml", s.do("GET", "/Patient/a", "", "Accept: "+asXML).format(t), name)
		require.Equal(t, "json", s.do("GET", "/Patient/a?_format=json", "", "Accept: "+asXML).format(t), name)
		form := s.do("POST", "/Patient/_search", "_format=xml&_count=x", "Content-Type: application/x-www-form-urlencoded")
		require.Equal(t, []any{400, "xml"}, []any{form.status, form.format(t)}, "also by what the form says")
	}
}
