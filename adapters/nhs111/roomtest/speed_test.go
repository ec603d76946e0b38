package roomtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/sqlite/rawrows"
)

// translated is a room that takes a report and does nothing: what is left is the
// door's own work.
type translated struct{ *bars.Desk }

func (translated) Message(context.Context, bars.MessageRequest) (*bars.MessageResult, error) {
	return &bars.MessageResult{}, nil
}

// BenchmarkReferralByReport takes 111 reports in by the door (checks, mapping, the
// room's rules, records, index, durable commit) and beside it writes the same rows
// by hand, one transaction a report, with the same durability. All times are CPU
// time; storing is what is left without the door's own work.
func BenchmarkReferralByReport(b *testing.B) {
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"16-kB", composeFrom(b, "report.xml")},
		{"150-kB", grown(b, 150_000)},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := context.Background()
			path := filepath.Join(b.TempDir(), "onward.db")
			db, err := sqlite.Open(ctx, path, sqlite.Options{Now: now})
			require.NoError(b, err)
			watched := &rawrows.Watched{Store: db}
			desk := bars.NewDesk(watched, bars.Options{Base: "https://onward.test/FHIR/R4", Now: now})
			load(b, desk, "B2002", "2000072489", "")
			h := door(desk)
			watched.Batches = nil
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			begun, n := rawrows.Spent(), 0
			for b.Loop() {
				n++
				w := post(h, "text/xml", bytes.ReplaceAll(c.body, []byte("8A1F0C52-"), fmt.Appendf(nil, "%08X-", n)))
				require.Equal(b, http.StatusOK, w.Code, "%s", w.Body)
			}
			ours := rawrows.Spent() - begun
			begun = rawrows.Spent()
			alone := nhs111.New(translated{desk}, nhs111.Options{Clock: now, NewID: uuid.NewString})
			for range n {
				require.Equal(b, http.StatusOK, post(alone, "text/xml", c.body).Code)
			}
			door := rawrows.Spent() - begun
			raw := rawrows.Write(b, path, filepath.Join(b.TempDir(), "raw.db"), watched.Batches)
			require.NoError(b, db.Close())
			b.ReportMetric(rawrows.OnDisk(b, path), "x-json-on-disk")
			b.ReportMetric(float64(ours)/float64(raw), "x-raw-cpu")
			b.ReportMetric(float64(ours-door)/float64(raw), "x-raw-cpu-storing")
			b.ReportMetric(float64(ours.Microseconds())/float64(n), "cpu-us/report")
		})
	}
}

// grown is the composed report with a last section so long that it has a size.
func grown(t testing.TB, size int) []byte {
	t.Helper()
	text := string(composeFrom(t, "report.xml"))
	end := strings.LastIndex(text, "</text>")
	require.Positive(t, end)
	line := "The individual was asked about one more thing and it was not described.<br/>\n"
	return []byte(text[:end] + strings.Repeat(line, (size-len(text))/len(line)+1) + text[end:])
}
