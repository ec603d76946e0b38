package nhs111

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// largest returns the largest published message, with one document or any
// number of them.
func largest(b *testing.B, single bool) []byte {
	b.Helper()
	var best []byte
	for _, path := range sampleFiles(b, "adaptor-pairs", "*.request.xml") {
		raw, err := os.ReadFile(path)
		require.NoError(b, err)
		if len(raw) > len(best) && (!single || bytes.Count(raw, []byte("<ClinicalDocument")) == 1) {
			best = raw
		}
	}
	return best
}

func tokenScan(b *testing.B, body []byte) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

func whole(b *testing.B, body []byte) {
	if _, _, err := through(body, "", compatRules()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReport checks, parses and maps the largest messages and says how
// many times a plain token scan of the same bytes that takes.
func BenchmarkReport(b *testing.B) {
	for _, c := range []struct {
		name   string
		single bool
	}{{"one document", true}, {"a set of six", false}} {
		b.Run(c.name, func(b *testing.B) {
			body := largest(b, c.single)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var scan, all time.Duration
			for b.Loop() {
				start := time.Now()
				tokenScan(b, body)
				between := time.Now()
				whole(b, body)
				scan += between.Sub(start)
				all += time.Since(between)
			}
			b.ReportMetric(float64(all)/float64(scan), "x-token-scan")
			b.ReportMetric(float64(all.Microseconds())/float64(b.N), "us/report")
		})
	}
}
