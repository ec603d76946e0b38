package bars_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
)

// payloadsFilled reads the conformant messages, their places filled in, by file
// name.
func payloadsFilled(t testing.TB) map[string]*fhir.Resource {
	t.Helper()
	files, err := filepath.Glob("../testdata/bars/*.json")
	require.NoError(t, err)
	require.Len(t, files, 29)
	fill := strings.NewReplacer("@SLOT@", slotID(clinic, 0), "@START@", slotStart(0), "@END@", slotEnd(0),
		"@APPOINTMENT@", "0d000000-0000-4000-8000-000000000001", "@REFERRAL@", "0d000000-0000-4000-8000-000000000002",
		"@ENCOUNTER@", "0d000000-0000-4000-8000-000000000003", "@CAREPLAN@", "0d000000-0000-4000-8000-000000000004",
		"@CASE@", "0d000000-0000-4000-8000-000000000005")
	out := map[string]*fhir.Resource{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		filled := fill.Replace(string(text))
		require.NotContains(t, filled, "@", file)
		out[strings.TrimSuffix(filepath.Base(file), ".json")] = parse(t, filled)
	}
	return out
}

func TestTheConformantMessagesAreRightAsFHIR(t *testing.T) {
	for name, r := range payloadsFilled(t) {
		require.Empty(t, validate.Resource(r, validate.Options{}).Issues, name)
	}
}

func TestStrictModeCarriesOutTheConformantMessagesItTakes(t *testing.T) {
	s := open(t)
	messages := payloadsFilled(t)
	fill := func(name string, old, id string) []byte {
		return []byte(strings.ReplaceAll(string(messages[name].JSON()), old, id))
	}
	for _, app := range []string{"a1", "a2", "a7"} { // each frees the slot for the next
		booked := s.accepted(messages[app+"-booking"].JSON())
		s.accepted(fill(app+"-booking-cancel", "0d000000-0000-4000-8000-000000000001", focus(booked)))
	}
	for _, row := range []struct{ referral, cancel string }{
		{"a1-referral", "a1-cancel"}, {"a2-referral", "a2-cancel"}, {"a3-referral", "a3-cancel"}, {"a5-referral", "a5-cancel"},
		{"a6-referral", "a6-cancel"}, {"a6-call-assist", ""}, {"a8-referral", ""},
	} {
		service := hospital
		if row.referral < "a3" {
			service = clinic
		}
		body := regexp.MustCompile(`EpisodeOfCare/[0-9a-f-]+`).ReplaceAllString(string(messages[row.referral].JSON()), "EpisodeOfCare/"+uuid.NewString())
		sent, err := s.sendTo(service, []byte(body))
		require.NoError(t, err, row.referral)
		require.Empty(t, sent.Warnings, row.referral)
		if row.cancel != "" {
			_, err = s.sendTo(service, fill(row.cancel, "0d000000-0000-4000-8000-000000000002", focus(sent)))
			require.NoError(t, err, row.cancel)
		}
	}
}

func TestTheConformantMessagesKeepEveryElementRule(t *testing.T) {
	for name, r := range payloadsFilled(t) {
		found := bars.CheckElements(r, bars.Strict, false)
		require.Empty(t, found.Before, name)
		require.Empty(t, found.Broken, name)
		require.Empty(t, found.Problems, name)
		require.Empty(t, found.Warnings, name)
	}
}

func TestTheToursMessagesKeepEveryElementRule(t *testing.T) {
	for name, text := range map[string][]byte{"book": booking(t, 0), "cancel-booking": bookingCancel(t, "0d000000-0000-4000-8000-000000000001", 0),
		"refer": referral(t), "cancel-referral": referralCancel(t, "0d000000-0000-4000-8000-000000000002")} {
		require.Empty(t, bars.CheckElements(parse(t, string(text)), bars.Strict, false).Broken, name)
	}
}
