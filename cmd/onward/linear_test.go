package main

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/storetest/linear"
)

// player lets 64 clients work for a round, and keeps what they saw.
type player struct {
	model porcupine.Model
	play  func(testing.TB, *server, *impatient, *linear.History, int)
}

func players() map[string]player {
	return map[string]player{
		"slots":   {linear.Slots(), playSlots},
		"records": {linear.Records(firstValue), playRecords},
	}
}

// freshAfter is how many calls one fake replica set takes: it has no indexes.
const freshAfter = 5_000

// Ensure that what 64 clients see at once, some of which give up waiting, could
// have been seen by clients that came one after another.
func TestProofThatEveryDoorIsLinearizable(t *testing.T) {
	engines := map[string]func(testing.TB) *server{
		"SQLite":  func(t testing.TB) *server { return start(t) },
		"MongoDB": func(t testing.TB) *server { s, _ := startMongo(t); return s },
	}
	for engine, begin := range engines {
		for name, p := range players() {
			t.Run(name+" on "+engine, func(t *testing.T) {
				most := 1 << 60
				if engine == "MongoDB" {
					most = freshAfter
				}
				total := 0
				for began := time.Now(); total < efforts().calls/2; t.Log(timeOf(began, total), "so far") {
					s := begin(t)
					total += history(t, s, p, min(most, efforts().calls/2-total))
					s.kill()
				}
			})
		}
	}
}

// history plays and judges round by round, until there are enough calls.
func history(t *testing.T, s *server, p player, enough int) (calls int) {
	t.Helper()
	c, sum := impatientOf(s), map[linear.Result]int{}
	c.complain = t.Errorf
	for round := 0; calls < enough; round++ {
		h := linear.NewHistory()
		p.play(t, s, c, h, round)
		require.NoError(t, h.Check(p.model, ""))
		all, by := h.Counts()
		calls += all
		for r, n := range by {
			sum[r] += n
		}
	}
	t.Logf("%d calls: %v", calls, sum)
	require.NotZero(t, sum[linear.Refused], "nobody met")
	require.NotZero(t, sum[linear.Unknown], "nobody gave up")
	require.Greater(t, sum[linear.Done], calls/3, "too little was done to show anything")
	return calls
}
