package rest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/fhir/rest"
)

// rich is a resource with all that the two formats write differently.
const rich = `<?xml version="1.0" encoding="UTF-8"?>
<Observation xmlns="http://hl7.org/fhir">
  <id value="rich"/>
  <meta>
    <versionId value="99"/>
    <profile value="https://profiles.example/StructureDefinition/rich"/>
    <tag><system value="urn:x"/><code value="t"/></tag>
  </meta>
  <text>
    <status value="generated"/>
    <div xmlns="http://www.w3.org/1999/xhtml"><p title="a &gt; b">Temp <b>37.50</b> &amp; rising<br/>
      <i>since</i> noon</p></div>
  </text>
  <contained>
    <Patient><id value="p"/><name><given value="Ann"/><given id="g2" value="Bea"/><given><extension url="urn:masked"><valueBoolean value="true"/></extension></given></name></Patient>
  </contained>
  <extension url="urn:grade"><valueDecimal value="1.00"/></extension>
  <status value="final"/>
  <code><coding><system value="http://snomed.info/sct"/><code value="386725007"/><display value="Body &lt;temperature&gt; &quot;core&quot; &#xE9;&#10;two lines"/></coding></code>
  <subject><reference value="#p"/></subject>
  <effectiveDateTime value="2026-03-01T09:00:00.1234567+00:00"/>
  <valueQuantity><value value="37.50"/><unit value="°C"/><system value="http://unitsofmeasure.org"/><code value="Cel"/></valueQuantity>
  <component><code><text value="n"/></code><valueInteger value="0"/></component>
  <component><code><text value="d"/></code><valueBoolean id="v" value="false"><extension url="urn:why"><valueString value="unsure"/></extension></valueBoolean></component>
</Observation>`

func TestARichResourceTravelsRoundBothFormats(t *testing.T) {
	s := newScene(t)
	made := s.do("PUT", "/Observation/rich", rich, "Content-Type: application/fhir+xml", "Accept: application/fhir+xml")
	require.Equal(t, 201, made.status, made.body)
	require.Equal(t, "xml", made.format(t))
	require.Equal(t, `W/"1"`, made.header.Get("ETag"))
	require.Contains(t, made.body, `<meta><versionId value="1"/><lastUpdated value="2026-03-01T09:30:00.250Z"/><profile `)

	first := s.do("GET", "/Observation/rich", "", "Accept: application/fhir+json")
	require.Equal(t, "json", first.format(t))
	require.Equal(t, `W/"1"`, first.header.Get("ETag"), "a weak ETag is that of the version, in any format")
	require.Contains(t, first.body, `"value":37.50`)
	require.Contains(t, first.body, `"given":["Ann","Bea",null],"_given":[null,{"id":"g2"},{"extension":[{"url":"urn:masked","valueBoolean":true}]}]`)
	require.Contains(t, first.body, `"_valueBoolean":{"id":"v","extension":`)

	s.tick()
	require.Equal(t, 200, s.send("PUT", "/Observation/rich", first.body).status)
	second := s.do("GET", "/Observation/rich", "", "Accept: application/fhir+xml")
	require.Equal(t, "xml", second.format(t))
	stamp := strings.NewReplacer(`<versionId value="2"/>`, `<versionId value="1"/>`, "09:31:00.250Z", "09:30:00.250Z")
	require.Equal(t, made.body, stamp.Replace(second.body))

	sent, err := fhirxml.ToJSON([]byte(rich), r4.Tables)
	require.NoError(t, err)
	back, err := fhirxml.ToJSON([]byte(made.body), r4.Tables)
	require.NoError(t, err)
	for _, member := range []string{"text", "contained", "extension", "status", "code", "subject", "effectiveDateTime", "valueQuantity", "component"} {
		require.True(t, fhir.Equal(sent.Get(member), back.Get(member)), member)
	}
	for _, query := range []string{"", "?_pretty=true"} {
		shown := s.do("GET", "/Observation/rich"+query, "", "Accept: text/xml").body
		again := s.do("PUT", "/Observation/rich", shown, "Content-Type: text/xml")
		require.Equal(t, 200, again.status, again.body)
		versions := s.backend.records["Observation/rich"]
		require.Equal(t, string(versions[0].Body), string(versions[len(versions)-1].Body), "not a byte of the record changes"+query)
	}
}

func TestBundlesAreWrittenInXML(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("a", "other")
	require.Equal(t, 204, s.do("DELETE", "/Patient/a", "").status)
	s.patient("b", "female")

	a := s.do("GET", "/Patient?_format=xml&_count=1", "")
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, "xml", a.format(t))
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><Bundle xmlns="http://hl7.org/fhir"><id value="`+bundleID+`"/>`+
		`<meta><lastUpdated value="2026-03-01T09:33:00.250Z"/></meta><type value="searchset"/><total value="1"/>`+
		`<link><relation value="self"/><url value="`+base+`/Patient?_format=xml&amp;_count=1"/></link>`+
		`<entry><fullUrl value="`+base+`/Patient/b"/><resource><Patient><id value="b"/>`+
		`<meta><versionId value="1"/><lastUpdated value="2026-03-01T09:32:00.250Z"/></meta><gender value="female"/></Patient></resource>`+
		`<search><mode value="match"/></search></entry></Bundle>`, a.body)

	for _, path := range []string{"/Patient", "/Patient?_count=0", "/Patient/a/_history", "/Patient/a/_history?_count=2"} {
		inXML, inJSON := s.do("GET", path, "", "Accept: application/fhir+xml"), s.do("GET", path, "")
		res, err := fhirxml.ToJSON([]byte(inXML.body), r4.Tables)
		require.NoError(t, err, inXML.body)
		require.True(t, fhir.Equal(inJSON.resource(t).Root(), res.Root()), "%s\n%s", inJSON.body, res.JSON())
	}
	require.Contains(t, s.do("GET", "/Patient/a/_history?_format=xml", "").body, `<request><method value="DELETE"/><url value="Patient/a"/></request>`)
}

func TestErrorsAreInTheFormatAskedFor(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	gone := []string{"PUT", "/Patient/gone", `{"resourceType":"Patient","id":"gone"}`}
	require.Equal(t, 201, s.send(gone[0], gone[1], gone[2]).status)
	require.Equal(t, 204, s.do("DELETE", "/Patient/gone", "").status)
	for _, c := range []struct {
		method, path, body string
		header             string
		status             int
	}{
		{"GET", "/Patient/unknown", "", "", 404},
		{"GET", "/Nothing", "", "", 404},
		{"GET", "/nowhere/at/all/x", "", "", 404},
		{"GET", "/Patient/a_b", "", "", 400},
		{"GET", "/Patient?_count=x", "", "", 400},
		{"GET", "/Patient?a=%zz", "", "", 400},
		{"GET", "/Patient/a?nonsense=1", "", "", 400},
		{"GET", "/Patient/a", "", "If-Match: x", 501},
		{"GET", "/Patient/gone", "", "", 410},
		{"GET", "/metadata", "", "", 404},
		{"POST", "/", "{}", "", 400},
		{"POST", "/Patient/a", "{}", "", 405},
		{"PUT", "/Patient/a", `{"resourceType":"Patient","id":"a"}`, `If-Match: W/"7"`, 412},
		{"POST", "/Patient", "{", "", 400},
		{"POST", "/Patient", `{"resourceType":"Observation"}`, "", 400},
		{"POST", "/Patient", "x", "Content-Type: text/plain", 415},
		{"POST", "/Patient/_search", "_id=%zz", "Content-Type: application/x-www-form-urlencoded", 400},
	} {
		headers := []string{"Accept: application/fhir+xml"}
		if c.body != "" && !strings.HasPrefix(c.header, "Content-Type") {
			headers = append(headers, "Content-Type: "+asJSON)
		}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		inXML := s.do(c.method, c.path, c.body, headers...)
		require.Equal(t, c.status, inXML.status, "%v %s", c, inXML.body)
		require.Equal(t, "xml", inXML.format(t), c)
		inJSON := s.do(c.method, c.path, c.body, headers[1:]...)
		require.Equal(t, "json", inJSON.format(t), c)
		require.Equal(t, inJSON.status, inXML.status, c)
		require.Equal(t, inJSON.header.Get("Allow"), inXML.header.Get("Allow"))
		res, err := fhirxml.ToJSON([]byte(inXML.body), r4.Tables)
		require.NoError(t, err)
		require.Equal(t, inJSON.body, string(res.JSON()), c)
	}
	s.backend.panics = "secret"
	a := s.do("GET", "/Patient/a", "", "Accept: text/xml")
	require.Equal(t, 500, a.status)
	require.Equal(t, "xml", a.format(t))
	require.NotContains(t, a.body, "secret")
}

func TestErrorsInAnXMLBodyNameTheirPlace(t *testing.T) {
	patient := func(inner string) string {
		return `<Patient xmlns="http://hl7.org/fhir"><id value="a"/>` + inner + `</Patient>`
	}
	for name, c := range map[string]struct{ body, code, expression, says string }{
		"an unknown element":   {patient(`<smith value="x"/>`), "structure", "Patient.smith", "unknown element"},
		"deeper":               {patient(`<name><given value="A"/></name><name><giving value="Smith"/></name>`), "structure", "Patient.name[1].giving", "unknown"},
		"a wrong boolean":      {patient(`<active value="Smith"/>`), "value", "Patient.active", "true or false"},
		"out of order":         {patient(`<gender value="male"/><active value="true"/>`), "structure", "Patient.active", "order"},
		"an empty element":     {patient(`<gender/>`), "structure", "Patient.gender", "value or children"},
		"text":                 {`<Patient xmlns="http://hl7.org/fhir">Smith</Patient>`, "structure", "Patient", "text"},
		"no namespace":         {`<Patient><id value="a"/></Patient>`, "structure", "", "namespace"},
		"an unknown type":      {`<Smith xmlns="http://hl7.org/fhir"/>`, "structure", "", "unknown resource type"},
		"another type":         {`<Observation xmlns="http://hl7.org/fhir"><id value="a"/></Observation>`, "invalid", "resourceType", "type in the path"},
		"a document type":      {`<!DOCTYPE Patient [<!ENTITY a "Smith">]>` + patient(""), "structure", "", "not allowed"},
		"an entity":            {patient(`<gender value="&smith;"/>`), "structure", "", ""},
		"not closed":           {`<Patient xmlns="http://hl7.org/fhir">`, "structure", "", ""},
		"empty":                {"", "structure", "", ""},
		"too deep":             {patient(strings.Repeat(`<extension url="u">`, 70) + strings.Repeat(`</extension>`, 70)), "too-costly", "", ""},
		"another id":           {`<Patient xmlns="http://hl7.org/fhir"><id value="b"/></Patient>`, "invalid", "Patient.id", "equal the id"},
		"an attribute instead": {`<Patient xmlns="http://hl7.org/fhir" id="a"/>`, "structure", "Patient", "no attributes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			a := s.do("PUT", "/Patient/a", c.body, "Content-Type: application/fhir+xml")
			require.Contains(t, a.refused(t, 400, c.code), c.says)
			require.Equal(t, c.expression, a.resource(t).Get("issue").At(0).Get("expression").At(0).Text())
			require.NotContains(t, a.body, "Smith")
			require.Empty(t, s.backend.records)
		})
	}
}

func TestWhatXMLCannotHoldIsRefusedWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ members, expression string }{
		"an unknown member":       {`"shoeSize":9`, "Patient.shoeSize"},
		"an unknown one inside":   {`"name":[{"family":"A"},{"family":"B","clan":"C"}]`, "Patient.name[1].clan"},
		"two of a choice":         {`"deceasedBoolean":false,"deceasedDateTime":"2026"`, "Patient.deceasedDateTime"},
		"a wrong JSON type":       {`"active":"true"`, "Patient.active"},
		"a list that is none":     {`"name":{"family":"A"}`, "Patient.name"},
		"null":                    {`"gender":null`, "Patient.gender"},
		"an empty list":           {`"name":[]`, "Patient.name"},
		"an empty text":           {`"gender":""`, "Patient.gender"},
		"a null that is filled":   {`"name":[{"given":["A",null]}]`, "Patient.name[0].given[1]"},
		"a control character":     {`"name":[{"family":"\u0001"}]`, "Patient.name[0].family"},
		"a narrative that isn't":  {`"text":{"status":"generated","div":"plain"}`, "Patient.text.div"},
		"a contained unknown one": {`"contained":[{"resourceType":"Wish"}]`, "Patient.contained[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"resourceType":"Patient","id":"a",` + c.members + `}`
			s := newScene(t)
			a := s.send("PUT", "/Patient/a", body, "Accept: application/fhir+xml")
			require.Equal(t, 406, a.status)
			require.Empty(t, s.backend.records, "refused before anything was written")
			refusedInXML(t, a, c.expression)
			require.Equal(t, 406, s.send("POST", "/Patient", body, "Accept: text/xml").status)
			require.Empty(t, s.backend.records)

			for _, prefer := range []string{"minimal", "OperationOutcome"} {
				a = s.send("PUT", "/Patient/a", body, "Accept: application/fhir+xml", "Prefer: return="+prefer)
				require.Less(t, a.status, 300, "the answer shows nothing of it")
			}
			require.Contains(t, a.body, `<diagnostics value="the resource was updated"/>`)

			for _, path := range []string{"/Patient/a", "/Patient/a/_history/1"} {
				a = s.do("GET", path, "", "Accept: application/fhir+xml")
				refusedInXML(t, a, c.expression)
				require.Empty(t, a.header.Get("ETag"), "the error is no version of the record")
				require.Equal(t, 406, s.do("HEAD", path, "", "Accept: application/fhir+xml").status)
			}
			inBundle := strings.Replace(c.expression, "Patient", "Bundle.entry[0].resource", 1)
			for _, path := range []string{"/Patient", "/Patient/a/_history"} {
				refusedInXML(t, s.do("GET", path, "", "Accept: application/fhir+xml"), inBundle)
			}
			require.Contains(t, s.do("GET", "/Patient/a", "").body, c.members, "and JSON has it all")
			require.Equal(t, 200, s.do("GET", "/Patient", "").status)
		})
	}
}

func refusedInXML(t *testing.T, a answer, expression string) {
	t.Helper()
	require.Equal(t, 406, a.status, a.body)
	require.Equal(t, "xml", a.format(t))
	res, err := fhirxml.ToJSON([]byte(a.body), r4.Tables)
	require.NoError(t, err)
	require.Equal(t, "not-supported", res.Get("issue", "code").Text())
	require.Equal(t, expression, res.Get("issue").At(0).Get("expression").At(0).Text())
	require.Contains(t, res.Get("issue", "diagnostics").Text(), "application/fhir+json only")
}

func TestPreferIsHonouredInXML(t *testing.T) {
	s := newScene(t)
	headers := []string{"Content-Type: application/xml", "Accept: application/xml"}
	body := `<Patient xmlns="http://hl7.org/fhir"><id value="p"/></Patient>`
	a := s.do("PUT", "/Patient/p", body, append(headers, "Prefer: return=minimal")...)
	require.Equal(t, []any{201, ""}, []any{a.status, a.body})
	a = s.do("PUT", "/Patient/p", body, append(headers, "Prefer: return=OperationOutcome")...)
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?><OperationOutcome xmlns="http://hl7.org/fhir"><issue><severity value="information"/>`+
		`<code value="informational"/><diagnostics value="the resource was updated"/></issue></OperationOutcome>`, a.body)
	a = s.do("GET", "/Patient/p", "", "Accept: application/xml", `If-None-Match: W/"2"`)
	require.Equal(t, 304, a.status)
	require.Equal(t, "Accept, Accept-Encoding", a.header.Get("Vary"))
}

// adding is a backend that adds a member to what it stores.
type adding struct{ *memory }

func (a adding) Commit(ctx context.Context, changes []rest.Change) ([]rest.Changed, error) {
	r := changes[0].Resource
	r, err := r.Edit().Set(r.Root(), "added", []byte("1")).Done()
	if err != nil {
		return nil, err
	}
	changes[0].Resource = r
	return a.memory.Commit(ctx, changes)
}

func TestTheBackendMayMakeWhatXMLCannotHold(t *testing.T) {
	s := newScene(t)
	h := rest.New(adding{s.backend}, rest.Options{BaseURL: base, Types: []string{"Patient"}})
	a := direct(h, "POST", "/Patient", strings.NewReader(`{"resourceType":"Patient"}`), "Content-Type: "+asJSON, "Accept: "+asXML)
	require.Equal(t, []any{201, ""}, []any{a.status, a.body}, "the write stands")
	require.Equal(t, base+"/Patient/new-1/_history/1", a.header.Get("Location"))
}

func TestAPageTooLargeToConvertIsRefused(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	body := []byte(`{"resourceType":"Patient","id":"b","language":"` + strings.Repeat("x", 16<<20) + `"}`)
	for _, id := range []string{"b", "c"} {
		s.backend.add(&rest.Version{Type: "Patient", ID: id, Body: body})
	}
	for _, query := range []string{"_format=xml", "_pretty=true"} {
		require.Equal(t, 422, s.do("GET", "/Patient?"+query, "").status, query)
		require.Equal(t, 200, s.do("GET", "/Patient?_count=1&"+query, "").status, query)
	}
	require.Equal(t, 200, s.do("GET", "/Patient", "").status)
}

func TestXMLIsReadAndWrittenByTheTablesGiven(t *testing.T) {
	none := &def.Tables{Version: "0"}
	s := newScene(t, func(o *rest.Options) { o.Tables = none })
	s.do("PUT", "/Patient/a", `<Patient xmlns="http://hl7.org/fhir"><id value="a"/></Patient>`, "Content-Type: "+asXML).refused(t, 400, "structure")
	s.patient("a", "male")
	a := s.do("GET", "/Patient/a", "", "Accept: "+asXML)
	require.Equal(t, 406, a.status)
	require.Equal(t, "json", a.format(t), "an OperationOutcome that XML can't hold is JSON")
}

func TestXMLIsBoundedAsJSONIs(t *testing.T) {
	start, end := `<Patient xmlns="http://hl7.org/fhir"><id value="a"/><language value="`, `"/></Patient>`
	s := newScene(t, func(o *rest.Options) { o.MaxBody = 1000 })
	fit := func(n int) string { return start + strings.Repeat("x", n-len(start)-len(end)) + end }
	require.Equal(t, 201, s.do("PUT", "/Patient/a", fit(1000), "Content-Type: "+asXML).status)
	s.do("PUT", "/Patient/a", fit(1001), "Content-Type: "+asXML).refused(t, 413, "too-long")
	longer := start + strings.Repeat(`\`, 600) + end
	require.Less(t, len(longer), 1000)
	s.do("PUT", "/Patient/a", longer, "Content-Type: "+asXML).refused(t, 413, "too-long")
}
