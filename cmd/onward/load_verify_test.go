package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store/storetest/linear"
)

// held is what a server holds, by the names that the clients gave.
type held struct {
	appointments map[string][]fhir.Value
	patients     map[string]int
	referrals    int
}

func (l *pressure) look() held {
	l.t.Helper()
	h := held{map[string][]fhir.Value{}, map[string]int{}, 0}
	l.s.each("/FHIR/R4/Appointment?_count=500", func(r fhir.Value) {
		name := r.Get("description").Text()
		h.appointments[name] = append(h.appointments[name], r)
	})
	l.s.each("/FHIR/R4/Patient?_count=500", func(r fhir.Value) { h.patients[r.Get("name").At(0).Get("text").Text()]++ })
	l.s.each("/FHIR/R4/ServiceRequest?_count=500", func(fhir.Value) { h.referrals++ })
	return h
}

// verify holds what is there against what the clients were told.
func (l *pressure) verify() {
	l.t.Helper()
	h := l.look()
	for _, f := range l.facts {
		l.verifyFact(f, h)
	}
	reports, maybe := 0, 0
	for _, f := range l.facts {
		switch {
		case f.kind == "report" && f.told == linear.Done:
			reports++
		case f.kind == "report" && f.told == linear.Unknown:
			maybe++
		}
	}
	if h.referrals < reports || h.referrals > reports+maybe {
		l.complain("%d referrals of %d acknowledged and %d unacknowledged reports", h.referrals, reports, maybe)
	}
	for i := range l.counters {
		l.verifyCounter(&l.counters[i])
	}
	l.s.checkInvariant()
}

func (l *pressure) verifyFact(f *fact, h held) {
	l.t.Helper()
	there, whole := 0, 1
	switch f.kind {
	case "booking":
		there = len(h.appointments[f.name])
	case "conditional create":
		there = h.patients[f.name]
	case "transaction":
		there, whole = h.patients[f.name], transactionSize
	default:
		return
	}
	switch {
	case there != 0 && there != whole:
		l.complain("%d of %d records of a %s that was %s are there", there, whole, f.kind, f.told)
	case there == 0 && f.told == linear.Done:
		l.complain("an acknowledged %s is lost", f.kind)
	case there != 0 && (f.told == linear.Refused || f.told == linear.Void):
		l.complain("a %s that was refused is there", f.kind)
	}
	if f.kind == "booking" && there == 1 {
		l.verifyBooking(f, h.appointments[f.name][0])
	}
}

func (l *pressure) verifyBooking(f *fact, got fhir.Value) {
	l.t.Helper()
	may := []string{"booked"}
	switch {
	case f.undone != nil && f.undone.told == linear.Done:
		may = []string{"cancelled"}
	case f.undone != nil && f.undone.told == linear.Unknown:
		may = append(may, "cancelled")
	}
	if status := got.Get("status").Text(); !slices.Contains(may, status) {
		l.complain("a booking is %s and must be %s", status, strings.Join(may, " or "))
	}
	if f.told == linear.Unknown { // half a booking would lack its patient
		ref := got.Get("participant").At(0).Dig("actor", "reference").Text()
		if a := l.s.do("GET", "/FHIR/R4/"+ref, nil, nil); a.status != 200 {
			l.complain("an unacknowledged booking is there without its patient: %d", a.status)
		}
	}
}

func (l *pressure) verifyCounter(c *counter) {
	l.t.Helper()
	a := l.s.do("GET", "/FHIR/R4/Patient/"+c.id, nil, nil)
	require.Equal(l.t, 200, a.status, "%s", a.body)
	got, most := versionIn(a), c.version
	if c.open || c.late {
		most++
	}
	if got < c.version || got > most {
		l.complain("a record stands at version %d; %d was acknowledged, %d is the most", got, c.version, most)
	}
	if text := a.resource(l.t).Get("name").At(0).Get("text").Text(); text != fmt.Sprint(got) {
		l.complain("version %d holds what version %s was", got, text)
	}
	c.found(got)
}

// retry repeats requests as their senders would, at most some of each kind, and
// shows that none is carried out twice.
func (l *pressure) retry(some int) (retried int) {
	l.t.Helper()
	before := l.look()
	tried := map[string]int{}
	for i := len(l.facts) - 1; i >= 0; i-- {
		f := l.facts[i]
		kind := fmt.Sprint(f.kind, f.told)
		if f.told == linear.Refused || f.kind == "transaction" || tried[kind] == some {
			continue
		}
		tried[kind]++
		retried++
		l.retryOne(f, before)
	}
	return retried
}

func (l *pressure) retryOne(f *fact, before held) {
	l.t.Helper()
	a := l.s.do("POST", f.path, f.header, f.body)
	switch f.kind {
	case "booking":
		if len(before.appointments[f.name]) > 0 {
			code, _, _ := a.issue(l.t)
			require.Equal(l.t, []any{409, "duplicate"}, []any{a.status, code}, "the retry of a booking that is there, %s: %s", f.told, a.body)
			return
		}
		// It isn't there: now it is booked, or somebody else has the slot. What was
		// unknown may have come since.
		if a.status == 409 && f.told == linear.Unknown {
			if code, _, _ := a.issue(l.t); code == "duplicate" {
				return
			}
		}
		if a.status != 200 && !strings.Contains(string(a.body), "the slot is not free") {
			l.complain("the retry of a booking that isn't there: %d %s", a.status, a.body)
		}
	case "conditional create":
		want := 200
		if before.patients[f.name] == 0 && !(a.status == 200 && f.told == linear.Unknown) {
			want = 201
		}
		require.Equal(l.t, want, a.status, "%s", a.body)
	case "report":
		require.Equal(l.t, 200, a.status, "%s", a.body)
	}
	// From here on it is a fact like any other.
	switch a.status {
	case 200, 201:
		f.told = linear.Done
		if f.kind == "booking" {
			f.id = appointmentID(a.body)
		}
	default:
		f.told = linear.Refused
	}
}
