package validate

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// referral is a ServiceRequest of about 3 kB with everything that one usually
// has: narrative, extensions, references, codes, dates.
const referral = `{"resourceType":"ServiceRequest","id":"5f2d3c1e-8a4b-4c6d-9e0f-112233445566",
"meta":{"profile":["https://profiles.example/StructureDefinition/Referral"],"tag":[{"system":"https://tags.example/use-case","code":"urgent-care"}]},
"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Referral to the urgent treatment centre after a call. The caller has pain in the left wrist after a fall on a wet pavement this morning, with swelling but no numbness. Pain relief was taken two hours before the call. Lives alone, can travel by bus.</p></div>"},
"extension":[{"url":"https://profiles.example/Extension-Coverage","valueReference":{"reference":"Coverage/c1"}},{"url":"https://profiles.example/Extension-Source","valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"185317003","display":"Telephone encounter"}]}}],
"identifier":[{"use":"official","system":"https://ids.example/Id/referral-number","value":"000049123456","period":{"start":"2026-03-01"}},{"system":"https://ids.example/Id/local-journey","value":"b0a1c2d3-e4f5-4a6b-8c7d-9e8f7a6b5c4d"}],
"basedOn":[{"reference":"CarePlan/3a4b5c6d-7e8f-4901-a2b3-c4d5e6f70819"}],
"requisition":{"system":"https://ids.example/Id/requisition","value":"R-2026-000177"},
"status":"active","intent":"order","priority":"urgent",
"category":[{"coding":[{"system":"https://codes.example/CodeSystem/category","code":"referral","display":"Transfer of care"}]},{"coding":[{"system":"https://codes.example/CodeSystem/use-case","code":"to-utc","display":"To a treatment centre"}]}],
"code":{"coding":[{"system":"http://snomed.info/sct","code":"3457005","display":"Patient referral"}],"text":"Referral"},
"subject":{"reference":"Patient/9c8b7a69-5847-4635-a241-302f1e0d0c0b","type":"Patient","identifier":{"system":"https://ids.example/Id/national-number","value":"9000000009"},"display":"TESTER, Tina"},
"encounter":{"reference":"Encounter/1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"},
"occurrencePeriod":{"start":"2026-03-10T10:15:00+00:00","end":"2026-03-10T12:15:00+00:00"},
"authoredOn":"2026-03-10T09:58:41.1234567+00:00",
"requester":{"reference":"PractitionerRole/0f1e2d3c-4b5a-4697-8899-aabbccddeeff","display":"Clinical adviser"},
"performerType":{"coding":[{"system":"http://snomed.info/sct","code":"309343006","display":"Physician"}]},
"performer":[{"reference":"HealthcareService/2000072489","identifier":{"system":"https://ids.example/Id/service","value":"2000072489"}},{"reference":"Organization/B2002"}],
"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"125605004","display":"Fracture of bone"}],"text":"Wrist injury"}],
"bodySite":[{"coding":[{"system":"http://snomed.info/sct","code":"8205005","display":"Wrist region structure"}]}],
"supportingInfo":[{"reference":"Observation/7d6e5f40-3122-4133-8455-667788990011"},{"reference":"Flag/6c5d4e3f-2011-4022-9333-445566778899"}],
"note":[{"text":"Caller asked for a site with step-free access. Contact by telephone if the arrival time can't be kept."}]}`

func BenchmarkResource(b *testing.B) {
	r := parse(b, referral)
	b.SetBytes(int64(len(r.JSON())))
	b.ReportAllocs()
	for b.Loop() {
		if !Resource(r, Options{}).OK() {
			b.Fatal("not accepted")
		}
	}
}

// takeIn is what a plain write of a resource costs before the store. It tells
// when each part ended.
func takeIn(tb testing.TB, text []byte, ended func(part int)) {
	r, err := fhir.Parse(text)
	ended(0)
	if err != nil || !Resource(r, Options{}).OK() {
		tb.Fatal("not accepted")
	}
	ended(1)
	if search.Extract(r, search.Options{}).Over {
		tb.Fatal("not indexed")
	}
	ended(2)
}

// BenchmarkTakeInBesideUnmarshal runs parsing, validating and indexing by turns
// with encoding/json on the same bytes, and reports each as a share of the
// latter. Shares can be compared between machines, times can't.
func BenchmarkTakeInBesideUnmarshal(b *testing.B) {
	text := []byte(referral)
	var parts [3]time.Duration
	var unmarshal time.Duration
	for b.Loop() {
		start := time.Now()
		takeIn(b, text, func(part int) {
			now := time.Now()
			parts[part] += now.Sub(start)
			start = now
		})
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			b.Fatal(err)
		}
		unmarshal += time.Since(start)
	}
	of := func(d time.Duration, name string) {
		b.ReportMetric(float64(d)/float64(unmarshal), name+"/unmarshal")
		b.ReportMetric(float64(d.Nanoseconds())/float64(b.N), name+"-ns")
	}
	of(parts[0], "parse")
	of(parts[1], "validate")
	of(parts[2], "index")
	of(parts[0]+parts[1]+parts[2], "all")
	b.ReportMetric(float64(unmarshal.Nanoseconds())/float64(b.N), "unmarshal-ns")
	b.ReportMetric(0, "ns/op") // both together say nothing
}

// BenchmarkTakeIn is the same alone, for its memory.
func BenchmarkTakeIn(b *testing.B) {
	text := []byte(referral)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		takeIn(b, text, func(int) {})
	}
}

// Times differ from run to run, allocations don't: a change that costs more of
// them fails here, not in a benchmark that nobody reads.
func TestAReferralIsTakenInWithFewAllocations(t *testing.T) {
	text := []byte(referral)
	require.InDelta(t, 3000, len(text), 250)
	parts := [...]struct {
		name string
		most float64
		run  func()
	}{
		{"parse", 4, func() { _, _ = fhir.Parse(text) }},
		{"parse, validate, index", 40, func() { takeIn(t, text, func(int) {}) }},
	}
	for _, part := range parts {
		require.LessOrEqual(t, testing.AllocsPerRun(100, part.run), part.most, part.name)
	}
}

// BenchmarkMessage is a bundle of the size of a large referral, 120 kB.
func BenchmarkMessage(b *testing.B) {
	entry := `{"resource":` + referral + `}`
	r := parse(b, `{"resourceType":"Bundle","type":"collection","entry":[`+strings.Repeat(entry+",", 39)+entry+`]}`)
	b.SetBytes(int64(len(r.JSON())))
	b.ReportAllocs()
	for b.Loop() {
		if !Resource(r, Options{}).OK() {
			b.Fatal("not accepted")
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newPlans(tables)
	}
}
