package nhs111

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The targets, as times a plain token scan (encoding/xml) of the same bytes in
// the same run, and the memory that one report may hold at its peak.
const (
	targetPlain  = 2.5
	targetTriage = 5.0
	targetPeak   = 16 << 20
)

// largest returns the largest published message with one document, or with any
// number of them.
func largest(b testing.TB, single bool) []byte {
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

var caseValue = regexp.MustCompile(`(?s)(<value[^>]*representation="B64"[^>]*>)[^<]*(</value>)`)

// withoutTriage empties the embedded cases.
func withoutTriage(body []byte) []byte { return caseValue.ReplaceAll(body, []byte("$1$2")) }

// grown repeats the last section's text until the message has a size.
func grown(b testing.TB, body []byte, size int) []byte {
	b.Helper()
	end := bytes.LastIndex(body, []byte("</text>"))
	require.Positive(b, end)
	line := []byte("The individual was asked about one more thing and it was not described.<br/>\n")
	for len(body) < size {
		more := bytes.Repeat(line, (size-len(body))/len(line)+1)
		body = append(append(append([]byte(nil), body[:end]...), more...), body[end:]...)
	}
	return body
}

func tokenScan(b testing.TB, body []byte) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

func whole(b testing.TB, body []byte) {
	if _, _, err := through(body, "", compatRules()); err != nil {
		b.Fatal(err)
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkReport checks, parses and maps messages and says how many times a
// plain token scan of the same bytes that takes.
func BenchmarkReport(b *testing.B) {
	single := largest(b, true)
	for _, c := range []struct {
		name   string
		body   []byte
		target float64
	}{
		{"without triage", withoutTriage(single), targetPlain},
		{"without triage, 150 kB", grown(b, withoutTriage(single), 150_000), targetPlain},
		{"with triage", single, targetTriage},
		{"a set of six with triage", largest(b, false), targetTriage},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			var scans, all []time.Duration
			for b.Loop() {
				start := time.Now()
				tokenScan(b, c.body)
				between := time.Now()
				whole(b, c.body)
				scans = append(scans, between.Sub(start))
				all = append(all, time.Since(between))
			}
			// Medians: what else the machine does hits single runs.
			b.ReportMetric(float64(median(all))/float64(median(scans)), "x-token-scan")
			b.ReportMetric(float64(slices.Min(all))/float64(slices.Min(scans)), "x-token-scan-best")
			b.ReportMetric(float64(median(all).Microseconds()), "us/report")
			b.ReportMetric(c.target, "x-target")
		})
	}
}

// One report may not hold more than 16 MiB at its peak. What it allocates at all
// is an upper bound of what it holds at any moment, so no sampling is needed.
func TestOneReportStaysBelowTheMemoryLimit(t *testing.T) {
	for name, body := range map[string][]byte{
		"150 kB":                    grown(t, largest(t, true), 150_000),
		"the largest published set": largest(t, false),
	} {
		whole(t, body) // what is made once doesn't count
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		whole(t, body)
		runtime.ReadMemStats(&after)
		took := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d bytes allocate %d", name, len(body), took)
		require.Less(t, took, uint64(targetPeak), strings.TrimSpace(name))
	}
}
