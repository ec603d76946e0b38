package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/rest"
)

// sink is an answer that goes nowhere.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

// names is about 2 kB of a Patient.
var names = `"name":[` + strings.TrimSuffix(strings.Repeat(`{"use":"old","family":"Example","given":["Ann","Bea"]},`, 38), ",") + `]`

func benchmark(b *testing.B, path string, headers ...string) {
	backend := newMemory(time.Now)
	for i := range 50 {
		id := "p" + strconv.Itoa(i)
		backend.add(&rest.Version{Type: "Patient", ID: id, Body: []byte(`{"resourceType":"Patient","id":"` + id + `",` + names + `}`)})
	}
	h := rest.New(backend, rest.Options{BaseURL: base, Types: []string{"Patient"}})
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(sink{http.Header{}}, r)
	}
}

func BenchmarkReadOf2KB(b *testing.B)      { benchmark(b, "/Patient/p7", "Accept", asJSON) }
func BenchmarkReadOf2KBInXML(b *testing.B) { benchmark(b, "/Patient/p7", "Accept", asXML) }
func BenchmarkReadOf2KBPretty(b *testing.B) {
	benchmark(b, "/Patient/p7?_pretty=true", "Accept", asJSON)
}
func BenchmarkReadOf2KBInGzip(b *testing.B)         { benchmark(b, "/Patient/p7", "Accept-Encoding", "gzip") }
func BenchmarkSearchsetOf50Of2KB(b *testing.B)      { benchmark(b, "/Patient", "Accept", asJSON) }
func BenchmarkSearchsetOf50Of2KBInXML(b *testing.B) { benchmark(b, "/Patient", "Accept", asXML) }
func BenchmarkSearchsetOf50Of2KBInGzip(b *testing.B) {
	benchmark(b, "/Patient", "Accept-Encoding", "gzip")
}

func BenchmarkCreateOf2KB(b *testing.B) {
	h := rest.New(newMemory(time.Now), rest.Options{BaseURL: base, Types: []string{"Patient"}})
	body := `{"resourceType":"Patient","x":"` + strings.Repeat("x", 2000) + `"}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/Patient", io.NopCloser(strings.NewReader(body)))
		r.Header.Set("Content-Type", asJSON)
		h.ServeHTTP(sink{http.Header{}}, r)
	}
}
