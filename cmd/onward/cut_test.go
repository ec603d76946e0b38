package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/storetest/linear"
)

// Ensure that a lost database is told as one that can't serve now, and that
// nothing is lost or doubled when it is back.
func TestProofThatALostDatabaseLosesNothing(t *testing.T) {
	t.Parallel() // it mostly waits
	s, fake := startMongo(t)
	l := newPressure(t, s)
	for range efforts().cuts {
		l.run(rand.Uint64(), func() {
			wait(time.Duration(300+rand.IntN(700)) * time.Millisecond)
			fake.Cut()
			l.untilSpoilt()
			a := s.do("GET", "/FHIR/R4/Slot/"+l.slots[0].id, nil, nil)
			require.Equal(t, 503, a.status, "%s", a.body)
			require.NotEmpty(t, a.header.Get("Retry-After"))
			require.NoError(t, fake.Restore())
			l.untilServed()
			wait(300 * time.Millisecond)
		})
		l.verify()
		l.retry(3)
	}
	l.verify()
	t.Logf("%d cuts, writes: %v", efforts().cuts, l.count())
}

// untilServed waits until a write goes through.
func (l *pressure) untilServed() {
	l.t.Helper()
	for began := time.Now(); time.Since(began) < 20*time.Second; wait(50 * time.Millisecond) {
		a, err := l.s.try("POST", "/FHIR/R4/Patient", plain(), patientBody("x", "served again"))
		if err == nil && a.status == 201 {
			return
		}
	}
	require.FailNow(l.t, "writes are refused for 20 s after the trouble was over")
}

// count counts the writes by what their clients were told.
func (l *pressure) count() map[linear.Result]int {
	told := map[linear.Result]int{}
	for _, f := range l.facts {
		told[f.told]++
	}
	return told
}
