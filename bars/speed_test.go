package bars_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/sqlite/rawrows"
)

var (
	bundleID  = regexp.MustCompile(`"id": "0c000000-[^"]*"`) // of our payloads
	journeyOf = regexp.MustCompile(`EpisodeOfCare/[0-9a-f-]*`)
)

// BenchmarkReferral processes referrals (parse, checks, mapping to records,
// index, durable commit) and beside them writes the same rows by hand, one
// transaction a referral, with the same durability. Both times are CPU time. It
// also says what the referrals take on disk.
func BenchmarkReferral(b *testing.B) {
	for _, c := range []struct{ name, file, service string }{
		{"16-entries", "../testdata/bars/a1-referral.json", clinic},
		{"25-entries", fullReferral, hospital},
	} {
		b.Run(c.name, func(b *testing.B) { benchReferral(b, c.file, c.service) })
	}
}

// fullReferral is a referral from 111 to an emergency department with all that
// such messages use to hold.
const fullReferral = "../testdata/bench/referral-111-to-ed.json"

// Ensure that what is measured is a message that strict mode takes without a word.
func TestTheFullReferralIsConformant(t *testing.T) {
	text, err := os.ReadFile(fullReferral)
	require.NoError(t, err)
	s := open(t)
	result, err := s.sendTo(hospital, text)
	require.NoError(t, err)
	require.Empty(t, result.Warnings)
	require.Equal(t, 25+1, result.Bundle.Get("entry").Len())
}

func benchReferral(b *testing.B, file, service string) {
	ctx := context.Background()
	path := filepath.Join(b.TempDir(), "onward.db")
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(b, err)
	watched := &rawrows.Watched{Store: db}
	desk := bars.NewDesk(watched, bars.Options{Base: base})
	_, err = desk.Load(ctx, bars.Caller{Door: "setup"}, directory(b))
	require.NoError(b, err)
	text, err := os.ReadFile(file)
	require.NoError(b, err)
	watched.Batches = nil

	b.ReportAllocs()
	begun := rawrows.Spent()
	for b.Loop() {
		body := journeyOf.ReplaceAll(bundleID.ReplaceAll(text, []byte(`"id": "`+uuid.NewString()+`"`)), []byte("EpisodeOfCare/"+uuid.NewString()))
		bundle, err := fhir.Parse(body)
		require.NoError(b, err)
		key := bars.Key{Door: "bars", Sender: "A1001", Values: []string{uuid.NewString()}}
		_, err = desk.Message(ctx, bars.MessageRequest{Caller: bars.Caller{Door: "bars", Organisation: "A1001"}, Key: key,
			Target: nhs.ServiceID{System: nhs.SystemDoS, Value: service}, Bundle: bundle, Body: body})
		require.NoError(b, err)
	}
	ours := rawrows.Spent() - begun
	raw := rawrows.Write(b, path, filepath.Join(b.TempDir(), "raw.db"), watched.Batches)
	require.NoError(b, db.Close())
	b.ReportMetric(rawrows.OnDisk(b, path), "x-json-on-disk")
	b.ReportMetric(float64(ours)/float64(raw), "x-raw-cpu")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "cpu-us/referral")
}
