package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

// growthStart is the day on which the diaries of TestGrowth begin.
var growthStart = time.Date(2026, 11, 20, 0, 0, 0, 0, nhs.London)

// TestGrowth measures the searches that are used most on stores of several
// sizes: `make growth`. It is no gate: it prints the rows of docs/performance.md.
func TestGrowth(t *testing.T) {
	sizes := os.Getenv("ONWARD_GROWTH")
	if sizes == "" {
		t.Skip("ONWARD_GROWTH isn't set (such as 10000,100000,1000000 slots): growth isn't measured in this run")
	}
	dir := os.Getenv("ONWARD_GROWTH_DIR") // keeps the stores for another run
	if dir == "" {
		dir = t.TempDir()
	}
	var list []growth
	for _, text := range strings.Split(sizes, ",") {
		slots, err := strconv.Atoi(text)
		require.NoError(t, err)
		list = append(list, measureGrowth(t, filepath.Join(dir, text, "onward.db"), slots))
	}
	var out strings.Builder
	out.WriteString("\n| ms: p50 / p99 (mean of processor time) |")
	for _, g := range list {
		fmt.Fprintf(&out, " %d slots |", g.slots)
	}
	out.WriteString(" growth of processor time |\n|---|" + strings.Repeat("---|", len(list)+1) + "\n")
	for i, name := range list[0].names {
		fmt.Fprintf(&out, "| %s |", name)
		for _, g := range list {
			fmt.Fprintf(&out, " %.2f / %.2f (%.2f) |", ms(g.p50[i]), ms(g.p99[i]), ms(g.cpu[i]))
		}
		fmt.Fprintf(&out, " %.1f |\n", float64(list[len(list)-1].cpu[i])/float64(list[0].cpu[i]))
	}
	for _, g := range list {
		fmt.Fprintf(&out, "%d slots: %d bytes of JSON, %d on disk, ratio %.2f; loaded in this run at %s\n", g.slots, g.json, g.disk, float64(g.disk)/float64(g.json), g.rate)
	}
	t.Log(out.String())
}

// growth is what was measured at one size.
type growth struct {
	slots      int
	names      []string
	p50, p99   []time.Duration
	cpu        []time.Duration // of this process, the mean of one
	json, disk int64
	rate       string
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func measureGrowth(t *testing.T, path string, slots int) growth {
	g := growth{slots: slots, rate: "no rate (it was there)"}
	uri := "sqlite:" + path
	if _, err := os.Stat(path); err != nil {
		got := onward(t, "seed", "--scale", strconv.Itoa(slots), "--store", uri, "--start", growthStart.Format(time.DateOnly))
		require.Zero(t, got.code, got.err)
		g.rate = strings.TrimSpace(got.out)
	}
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	desk := bars.NewDesk(db, bars.Options{Base: "http://127.0.0.1:8080" + fhirPath})
	raw, err := sql.Open("sqlite", path+"?_pragma=mmap_size(2147418112)&_pragma=cache_size(-8192)") // as the engine's readers
	require.NoError(t, err)
	raw.SetMaxOpenConns(1)
	for _, c := range growthCases(t, g.slots, db, desk, raw) {
		random := rand.New(rand.NewPCG(1, uint64(slots)))
		took := make([]time.Duration, 0, 300)
		began, cpu := time.Now(), storetest.CPUTime(t)
		for n := 0; n < 300 && time.Since(began) < 10*time.Second; n++ {
			subject := random.IntN(slots / 10)
			from := time.Now()
			c.run(t.Context(), subject)
			took = append(took, time.Since(from))
		}
		g.cpu = append(g.cpu, (storetest.CPUTime(t)-cpu)/time.Duration(len(took)))
		took = took[len(took)/10:] // the first fill caches
		slices.Sort(took)
		g.names = append(g.names, c.name)
		g.p50, g.p99 = append(g.p50, took[len(took)/2]), append(g.p99, took[len(took)*99/100])
	}
	require.NoError(t, raw.QueryRow(`SELECT (SELECT sum(length(body)) FROM res) + (SELECT coalesce(sum(length(body)), 0) FROM hist)`).Scan(&g.json))
	require.NoError(t, raw.Close())
	require.NoError(t, db.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	g.disk = info.Size()
	return g
}

// growthCase does something for the n-th patient of the store.
type growthCase struct {
	name string
	run  func(ctx context.Context, n int)
}

func growthCases(t *testing.T, slots int, db *sqlite.Store, desk *bars.Desk, raw *sql.DB) []growthCase {
	options := bars.SearchOptions("http://127.0.0.1:8080"+fhirPath, time.Now)
	scale := sandbox.Scale{Slots: slots, Seed: 1, Start: growthStart}
	from := growthStart
	to := from.AddDate(0, 0, 14)
	period := "start=ge" + from.UTC().Format("2006-01-02T15:04:05Z") + "&start=le" + to.UTC().Format("2006-01-02T15:04:05Z")
	find := func(ctx context.Context, typ, query string, least int) {
		parsed, err := search.Parse(typ, query, options)
		require.NoError(t, err)
		page, err := desk.Records().Search(ctx, parsed.Query, false)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(page.Versions), least, query)
	}
	patient := func(n int) string { return scale.ID("patient", n) }
	number := func(n int) string { return nhs.SystemNHSNumber + "|" + string(sandbox.ScaleNHSNumber(n)) }
	service := func(n int) string { return sandbox.ScaleService(n / 100) }
	rawSlots, err := raw.Prepare(rawSlotsText)
	require.NoError(t, err)
	t.Cleanup(func() { rawSlots.Close() })
	rawRead, err := raw.Prepare(`SELECT body FROM res WHERE typ = 'Appointment' AND id = ?`)
	require.NoError(t, err)
	t.Cleanup(func() { rawRead.Close() })
	read := func(ctx context.Context, n int) {
		_, err := desk.Records().Read(ctx, "Appointment", scale.ID("appointment", n))
		require.NoError(t, err)
	}
	return []growthCase{
		{"raw SQLite: read a body by type and id", func(ctx context.Context, n int) {
			var body []byte
			require.NoError(t, rawRead.QueryRowContext(ctx, scale.ID("appointment", n)).Scan(&body))
		}},
		{"read an Appointment", read},
		{"raw SQLite: the bodies of the next row", func(ctx context.Context, n int) {
			require.Greater(t, rawFreeSlots(t, ctx, rawSlots, scale.ID("schedule", n/100), from, to, -1), 200)
		}},
		{"free Slots of a service in two weeks, by start (BaRS, all)", func(ctx context.Context, n int) {
			answer, err := desk.Slots(ctx, bars.SlotQuery{Service: nhs.ServiceID{System: nhs.SystemDoS, Value: service(n)}, Statuses: []string{"free"}, From: from, To: to})
			require.NoError(t, err)
			require.Greater(t, len(answer.Slots), 200)
		}},
		{"raw SQLite: the first 50 of them", func(ctx context.Context, n int) {
			require.Equal(t, 50, rawFreeSlots(t, ctx, rawSlots, scale.ID("schedule", n/100), from, to, 50))
		}},
		{"the first 50 free Slots", func(ctx context.Context, n int) {
			find(ctx, "Slot", "status=free&schedule=Schedule/"+scale.ID("schedule", n/100)+"&"+period+"&_sort=start&_count=50", 50)
		}},
		{"Appointments of a patient", func(ctx context.Context, n int) { find(ctx, "Appointment", "patient=Patient/"+patient(n), 1) }},
		{"Appointments by NHS number (chain)", func(ctx context.Context, n int) { find(ctx, "Appointment", "patient:Patient.identifier="+number(n), 1) }},
		{"Patient by NHS number", func(ctx context.Context, n int) { find(ctx, "Patient", "identifier="+number(n), 1) }},
		{"ServiceRequest by UBRN", func(ctx context.Context, n int) {
			find(ctx, "ServiceRequest", fmt.Sprintf("identifier=%s|%012d", nhs.SystemUBRN, n+1), 1)
		}},
		{"active ServiceRequests of a patient, newest first", func(ctx context.Context, n int) {
			find(ctx, "ServiceRequest", "subject=Patient/"+patient(n)+"&status=active&_sort=-authored", 0)
		}},
		{"Encounter of a referral", func(ctx context.Context, n int) {
			find(ctx, "Encounter", "based-on=ServiceRequest/"+scale.ID("request", n), 1)
		}},
		{"HealthcareService by DoS id", func(ctx context.Context, n int) {
			find(ctx, "HealthcareService", "identifier="+nhs.SystemDoS+"|"+service(n), 1)
		}},
		{"history of an Appointment", func(ctx context.Context, n int) {
			page, err := db.History(ctx, store.Ref{Type: "Appointment", ID: scale.ID("appointment", n)}, time.Time{}, 10, "")
			require.NoError(t, err)
			require.Len(t, page.Records, 1)
		}},
	}
}

const rawSlotsText = `SELECT s.lo, r.body FROM types t
		CROSS JOIN term ts ON ts.k = 4 * t.t AND ts.v = ?
		CROSS JOIN term tf ON tf.k = 4 * t.t AND tf.v = 'status:free'
		CROSS JOIN x s ON s.term = ts.id AND s.lo >= ? AND s.lo <= ?
		CROSS JOIN x f ON f.term = tf.id AND f.lo = s.lo AND f.pk = s.pk
		CROSS JOIN res r ON r.pk = s.pk
		WHERE t.name = 'Slot' ORDER BY s.lo LIMIT ? + 0`

// rawFreeSlots reads what the search has to read, at most limit slots (-1: all),
// and parses nothing.
func rawFreeSlots(t testing.TB, ctx context.Context, raw *sql.Stmt, schedule string, from, to time.Time, limit int) (n int) {
	rows, err := raw.QueryContext(ctx, "schedule:Schedule/"+schedule, from.UnixMilli(), to.UnixMilli(), limit)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var lo int64
		var body sql.RawBytes
		if err := rows.Scan(&lo, &body); err != nil || body[0] != '{' { // require would be a part of what is measured
			t.Fatal("a wrong row", err)
		}
		n++
	}
	require.NoError(t, rows.Err())
	return n
}
