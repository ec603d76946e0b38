package fhirxml

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

// message is about 45 kB, the size of a large referral.
func message() []byte {
	entry := `<entry><fullUrl value="urn:uuid:5a3c9a52-6f5c-4a35-9d0b-0f6ad4b9a001"/><resource><Observation><id value="o"/>` +
		`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>Temperature: 38.2 &amp; rising</p></div></text>` +
		`<status value="final"/><code><coding><system value="http://loinc.org"/><code value="8310-5"/><display value="Body temperature"/></coding></code>` +
		`<subject><reference value="urn:uuid:5a3c9a52-6f5c-4a35-9d0b-0f6ad4b9a002"/></subject><effectiveDateTime value="2030-05-06T07:08:09+01:00"/>` +
		`<valueQuantity><value value="38.2"/><unit value="C"/><system value="http://unitsofmeasure.org"/><code value="Cel"/></valueQuantity></Observation></resource></entry>`
	return []byte(xmlHead + `<Bundle xmlns="http://hl7.org/fhir"><type value="message"/>` + strings.Repeat(entry, 55) + `</Bundle>`)
}

func BenchmarkToJSON(b *testing.B) {
	text := message()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ToJSON(text, r4.Tables); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromJSON(b *testing.B) {
	r, err := ToJSON(message(), r4.Tables)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(r.JSON())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromJSON(r, r4.Tables); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkJSONParse and BenchmarkStandardTokens are what to compare with: the
// same resource as JSON, and the same bytes through the standard library.
func BenchmarkJSONParse(b *testing.B) {
	r, err := ToJSON(message(), r4.Tables)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(r.JSON())))
	for b.Loop() {
		if _, err := fhir.Parse(r.JSON()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStandardTokens(b *testing.B) {
	text := message()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		for decoder := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := decoder.RawToken(); err != nil {
				break
			}
		}
	}
}
