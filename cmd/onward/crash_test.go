package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store/storetest/linear"
)

// killsEach is how often one store is killed before a fresh one takes its turn:
// reading everything back takes longer and longer.
const killsEach = 20

// Ensure that a process that is killed at any moment loses nothing that it
// acknowledged, leaves nothing half done, and tells retries what became of them.
func TestProofThatKillingLosesNothing(t *testing.T) {
	told := map[linear.Result]int{}
	retried := 0
	for kills := efforts().kills; kills > 0; kills -= killsEach {
		s := start(t)
		l := newPressure(t, s)
		for round := range min(kills, killsEach) {
			l.run(rand.Uint64(), func() {
				wait(time.Duration(20+rand.IntN(300)) * time.Millisecond)
				s.kill()
			})
			if round%4 == 3 { // it reads everything, which takes its time
				checked := onward(t, "store", "check", "--store", s.storeOf(), "--base-url", s.url)
				require.Zero(t, checked.code, "store check after kill %d: %s", round+1, checked.out)
			}
			s.run()
			l.verify()
			retried += l.retry(2)
			if t.Failed() {
				t.Fatalf("after kill %d", round+1)
			}
		}
		l.verify()
		for r, n := range l.count() {
			told[r] += n
		}
		s.kill()
	}
	t.Logf("%d kills, %d retries, writes: %v", efforts().kills, retried, told)
	require.Greater(t, told[linear.Done], 3*efforts().kills, "too little load to show anything")
}

// wait lets time pass: the moment of a kill is what these tests are about.
func wait(d time.Duration) {
	<-time.After(d)
}

// Ensure that the reckoning would notice what it is there for.
func TestProofThatALossIsNoticed(t *testing.T) {
	s := start(t)
	l := newPressure(t, s)
	l.run(1, func() { wait(time.Second) })
	l.verify()
	one := func(kind string, told linear.Result) *fact {
		for _, f := range l.facts {
			if f.kind == kind && f.told == told && f.undone == nil {
				return f
			}
		}
		t.Fatalf("the load holds no %s", kind)
		return nil
	}
	for _, c := range []struct {
		name string
		lie  func() (mend func())
		says string
	}{
		{"a booking is lost", func() func() {
			l.facts = append(l.facts, &fact{kind: "booking", name: "never", told: linear.Done})
			return func() { l.facts = l.facts[:len(l.facts)-1] }
		}, "an acknowledged booking is lost"},
		{"a refused booking is there", func() func() {
			f := one("booking", linear.Done)
			f.told = linear.Void
			return func() { f.told = linear.Done }
		}, "a booking that was refused is there"},
		{"a cancellation is lost", func() func() {
			f := one("booking", linear.Done)
			f.undone = &fact{told: linear.Done}
			return func() { f.undone = nil }
		}, "a booking is booked and must be cancelled"},
		{"an update is lost", func() func() {
			l.counters[0].version += 5
			return func() {}
		}, "a record stands at version"},
		{"a report is lost", func() func() {
			l.facts = append(l.facts, &fact{kind: "report", told: linear.Done})
			return func() { l.facts = l.facts[:len(l.facts)-1] }
		}, "acknowledged and 0 unacknowledged reports"},
		{"a transaction is halved", func() func() {
			name := one("transaction", linear.Done).name
			gone := false
			s.each("/FHIR/R4/Patient?_count=500", func(r fhir.Value) {
				if !gone && r.Get("name").At(0).Get("text").Text() == name {
					s.do("DELETE", "/FHIR/R4/Patient/"+r.Get("id").Text(), nil, nil)
					gone = true
				}
			})
			return func() {}
		}, "2 of 3 records of a transaction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mend := c.lie()
			var said strings.Builder
			l.complain = func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
			l.verify()
			mend()
			require.Contains(t, said.String(), c.says)
		})
	}
}
