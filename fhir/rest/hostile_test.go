//go:build !race

// Time and memory mean nothing under the race detector, so these run without
// it: make bounds.
package rest_test

import (
	"cmp"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/heap"
	"github.com/onward-health/onward/fhir/rest"
)

// What 1 MiB of input may cost at most, whatever is in it.
const (
	hostileSize   = 1 << 20
	hostileTime   = time.Second
	hostileMemory = 64 << 20
)

// hostile is a request made to cost much.
type hostile struct{ method, path, contentType, body string }

// filled repeats a piece, with a comma between two, until there is 1 MiB of it.
// "%d" in it is its number.
func filled(before, piece, after string) string {
	var out strings.Builder
	out.WriteString(before)
	for i := 0; out.Len() < hostileSize-len(piece)-len(after)-8; i++ {
		if i > 0 {
			out.WriteByte(',')
		}
		if strings.Contains(piece, "%d") {
			fmt.Fprintf(&out, piece, i)
		} else {
			out.WriteString(piece)
		}
	}
	out.WriteString(after)
	return out.String()
}

// deep nests a piece until there is 1 MiB of it.
func deep(before, open, close, after string) string {
	n := hostileSize / (len(open) + len(close))
	return before + strings.Repeat(open, n) + strings.Repeat(close, n) + after
}

func hostileBodies() map[string]hostile {
	const asXML, form = "application/fhir+xml", "application/x-www-form-urlencoded"
	const jsonPatch, mergePatch = "application/json-patch+json", "application/merge-patch+json"
	long := strings.Repeat("a", hostileSize-200)
	out := map[string]hostile{}
	judge := func(name, body string) {
		out["JSON, "+name] = hostile{"POST", "/Patient/$validate", asJSON, body}
	}
	judge("deep arrays", deep(`{"resourceType":"Patient","name":`, "[", "]", "}"))
	judge("deep objects", deep(`{"resourceType":"Patient","name":`, `{"a":`, "}", "1}"))
	judge("depth that is allowed", filled(`{"resourceType":"Patient","extension":[`, strings.Repeat(`{"extension":[`, 25)+`{"url":"a"}`+strings.Repeat(`]}`, 25), `]}`))
	judge("an open string", `{"resourceType":"Patient","id":"`+long)
	judge("many members", filled(`{"resourceType":"Patient",`, `"a%d":1`, `}`))
	judge("one member many times", filled(`{"resourceType":"Patient",`, `"a":1`, `}`))
	judge("many objects of many members", filled(`{"resourceType":"Patient","name":[`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":0}`, `]}`))
	judge("a long string", `{"resourceType":"Patient","language":"`+long+`"}`)
	judge("escapes", `{"resourceType":"Patient","language":"`+strings.Repeat(`\u0041`, hostileSize/6-20)+`"}`)
	judge("a long number", `{"resourceType":"Patient","multipleBirthInteger":`+strings.Repeat("9", hostileSize-200)+`}`)
	judge("many numbers", filled(`{"resourceType":"Patient","multipleBirthInteger":[`, `1`, `]}`))
	judge("many null", filled(`{"resourceType":"Patient","name":[{"given":[`, `null`, `]}]}`))
	judge("many empty objects", filled(`{"resourceType":"Patient","name":[`, `{}`, `]}`))
	judge("many empty arrays", filled(`{"resourceType":"Patient","name":[`, `[]`, `]}`))
	judge("many names", filled(`{"resourceType":"Patient","name":[`, `{"family":"a"}`, `]}`))
	judge("many issues", filled(`{"resourceType":"Patient","contact":[`, `{"gender":"x","a":null}`, `]}`))
	judge("many contained", filled(`{"resourceType":"Patient","contained":[`, `{"resourceType":"Patient","id":"a%d"}`, `]}`))
	judge("references to many contained", filled(`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a"}],"generalPractitioner":[`, `{"reference":"#a%d"}`, `]}`))
	judge("a narrative of tags", `{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns='http://www.w3.org/1999/xhtml'>`+strings.Repeat("<b>", hostileSize/3-100)+`"}}`)
	judge("entries of one fullUrl", filled(`{"resourceType":"Bundle","type":"collection","entry":[`, `{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient"}}`, `]}`))
	judge("a kept resource", filled(`{"resourceType":"Parameters","parameter":[`, `{"name":"resource","resource":{"resourceType":"Patient"}}`, `]}`))

	judgeXML := func(name, body string) {
		out["XML, "+name] = hostile{"POST", "/Patient/$validate", asXML, body}
	}
	const patient = `<Patient xmlns="http://hl7.org/fhir">`
	judgeXML("deep elements", deep("", `<a>`, `</a>`, ""))
	judgeXML("open elements", patient+strings.Repeat("<name>", hostileSize/6-10))
	judgeXML("many attributes", patient+`<active `+strings.ReplaceAll(filled("", `a%d="1"`, ""), ",", " ")+`/></Patient>`)
	judgeXML("one attribute many times", patient+`<active `+strings.Repeat(`value="1" `, hostileSize/10-20)+`/></Patient>`)
	judgeXML("many namespaces", patient+`<active `+strings.ReplaceAll(filled("", `xmlns:a%d="b"`, ""), ",", " ")+`/></Patient>`)
	judgeXML("a long value", patient+`<language value="`+long+`"/></Patient>`)
	judgeXML("a long name", "<"+long+"/>")
	judgeXML("many elements", patient+strings.Repeat(`<name/>`, hostileSize/7-20)+`</Patient>`)
	judgeXML("many values", patient+strings.Repeat(`<name><given value="a"/></name>`, hostileSize/31-20)+`</Patient>`)
	judgeXML("character references", patient+`<language value="`+strings.Repeat("&#x41;", hostileSize/6-20)+`"/></Patient>`)
	judgeXML("comments", patient+strings.Repeat(`<!---->`, hostileSize/7-20)+`</Patient>`)
	judgeXML("processing instructions", patient+strings.Repeat(`<?a?>`, hostileSize/5-20)+`</Patient>`)
	judgeXML("a narrative", patient+`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">`+strings.Repeat("<b>&amp;</b>", hostileSize/12-50)+`</div></text></Patient>`)
	judgeXML("entities in entities", `<!DOCTYPE a [<!ENTITY a "a">`+strings.Repeat(`<!ENTITY b "&a;&a;">`, hostileSize/20-20)+`]><a>&b;</a>`)

	search := func(name, query string) {
		out["search in the URL, "+name] = hostile{"GET", "/Patient?" + query, "", ""}
		out["search in a form, "+name] = hostile{"POST", "/Patient/_search", form, query}
		// What is let through must be as cheap.
		out["search of 30 kB, "+name] = hostile{"POST", "/Patient/_search", form, query[:30<<10]}
	}
	search("many parameters", strings.ReplaceAll(filled("", "family=a%d", ""), ",", "&"))
	search("one parameter many times", strings.Repeat("family=a&", hostileSize/9))
	search("many alternatives", filled("family=", "a%d", ""))
	search("many identifiers", filled("identifier=", "a%d|b", ""))
	search("a long value", "family="+long)
	search("escapes", "family="+strings.Repeat(`%5C%2C`, hostileSize/6))
	search("a long chain", strings.Repeat("organization.", hostileSize/13)+"name=a")
	search("a long _has", strings.Repeat("_has:Observation:subject:", hostileSize/25)+"code=a")
	search("many includes", strings.Repeat("_include=Patient:organization&", hostileSize/30))
	search("many elements", filled("_elements=", "a%d", ""))
	search("a long sort", filled("_sort=", "-birthdate", ""))
	search("a long number", "_count="+strings.Repeat("9", hostileSize))
	search("digits of a date", "birthdate=2026-01-01T10:00:00."+strings.Repeat("9", hostileSize))
	search("a name of a parameter", long+"=a")

	change := func(name, contentType, body string) {
		out["patch, "+name] = hostile{"PATCH", "/Patient/big", contentType, body}
	}
	change("many operations", jsonPatch, filled("[", `{"op":"add","path":"/active","value":true}`, "]"))
	change("copies of copies", jsonPatch, filled("[", `{"op":"copy","from":"/name","path":"/name/-"}`, "]"))
	change("a thousand copies", jsonPatch, "["+strings.TrimSuffix(strings.Repeat(`{"op":"copy","from":"/name","path":"/contact"},`, 1000), ",")+"]")
	change("a thousand moves", jsonPatch, "["+strings.TrimSuffix(strings.Repeat(`{"op":"move","from":"/name/0","path":"/name/300"},`, 1000), ",")+"]")
	change("a thousand tests", jsonPatch, "["+strings.TrimSuffix(strings.Repeat(`{"op":"test","path":"/name","value":[{"family":"Example","given":["Ann","Bea"]}]},`, 1000), ",")+"]")
	change("a long path", jsonPatch, `[{"op":"add","path":"`+strings.Repeat("/a", hostileSize/2-50)+`","value":1}]`)
	change("a thousand escaped paths", jsonPatch, "["+strings.TrimSuffix(strings.Repeat(`{"op":"test","value":1,"path":"`+strings.Repeat("/~0~1", 64)+`"},`, 1000), ",")+"]")
	change("a large value", jsonPatch, `[{"op":"add","path":"/contact","value":`+filled("[", `{"a":1}`, "]")+`}]`)
	change("deep", jsonPatch, deep(`[{"op":"add","path":"/contact","value":`, "[", "]", "}]"))
	change("merge of many members", mergePatch, filled("{", `"a%d":1`, "}"))
	change("merge of null", mergePatch, filled("{", `"a%d":null`, "}"))
	change("deep merge", mergePatch, deep("", `{"a":`, "}", "1"))
	change("merge of a long array", mergePatch, filled(`{"name":[`, `{"family":"a"}`, "]}"))

	change("FHIRPath, many operations", asJSON, filled(`{"resourceType":"Parameters","parameter":[`, `{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"active"},{"name":"value","valueBoolean":true}]}`, "]}"))
	change("FHIRPath, a long path", asJSON, `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Patient`+strings.Repeat(".a", hostileSize/2-200)+`"}]}]}`)
	change("FHIRPath, many parts", asJSON, filled(`{"resourceType":"Parameters","parameter":[{"name":"operation","part":[`, `{"name":"path","valueString":"Patient"}`, "]}]}"))

	bundle := func(name, body string) { out["bundle, "+name] = hostile{"POST", "/", asJSON, body} }
	for _, typ := range []string{"batch", "transaction"} {
		before := `{"resourceType":"Bundle","type":"` + typ + `","entry":[`
		limited := func(entry func(i int) string) string {
			var all []string
			for i := range rest.MaxEntries {
				all = append(all, entry(i))
			}
			return before + strings.Join(all, ",") + "]}"
		}
		bundle(typ+" of many reads", filled(before, `{"request":{"method":"GET","url":"Patient/big"}}`, "]}"))
		bundle(typ+" of many creates", filled(before, `{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`, "]}"))
		bundle(typ+" of many null", filled(before, `null`, "]}"))
		bundle(typ+" of many fullUrls", limited(func(i int) string {
			return fmt.Sprintf(`{"fullUrl":"urn:uuid:00000000-0000-4000-8000-%012d","resource":{"resourceType":"Patient","generalPractitioner":[%s]},"request":{"method":"POST","url":"Patient"}}`,
				i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf(`{"reference":"urn:uuid:00000000-0000-4000-8000-%012d"},`, (i+1)%rest.MaxEntries), 28), ","))
		}))
		bundle(typ+" of conditional references", limited(func(i int) string {
			return fmt.Sprintf(`{"resource":{"resourceType":"Patient","generalPractitioner":[%s]},"request":{"method":"POST","url":"Patient"}}`,
				strings.TrimSuffix(strings.Repeat(fmt.Sprintf(`{"reference":"Patient?identifier=a|%d"},`, i), 40), ","))
		}))
		bundle(typ+" of searches", limited(func(i int) string {
			return `{"request":{"method":"GET","url":"Patient?family=` + strings.Repeat("a,", 900) + `a"}}`
		}))
	}
	return out
}

// Ensure that no 1 MiB of input costs a second or 64 MiB, from reading it to
// answering, and that none is a fault of ours.
func TestHostileInputIsCheap(t *testing.T) {
	for name, input := range hostileBodies() {
		t.Run(name, func(t *testing.T) {
			took := hostileTime
			for try := 0; try < 3 && took >= hostileTime; try++ { // others use the machine too
				start := time.Now()
				input.send(t)
				took = time.Since(start)
			}
			require.Less(t, took, hostileTime)
			grown := heap.Growth(func() { input.send(t) })
			require.Less(t, grown, uint64(hostileMemory))
			t.Logf("%v, %d MiB", took.Round(time.Millisecond), grown>>20)
		})
	}
}

// send sends it to a server with one record.
func (h hostile) send(t *testing.T) {
	backend := newMemory(time.Now)
	backend.add(&rest.Version{Type: "Patient", ID: "big", Body: []byte(`{"resourceType":"Patient","id":"big",` + names + `}`)})
	handler := rest.New(backend, rest.Options{BaseURL: base, Types: []string{"Patient", "Observation", "Binary"}})
	r := httptest.NewRequest(h.method, "/", strings.NewReader(h.body))
	path, query, _ := strings.Cut(h.path, "?")
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.Header.Set("Content-Type", cmp.Or(h.contentType, asJSON))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Less(t, w.Code, 500)
}
