package testtool

import (
	"sync"
	"time"

	"github.com/onward-health/onward/fhir"
)

// scenarioNumber is the NHS number of the scenario that remembers.
const scenarioNumber = "9707606312"

// Bounds of what the tool remembers.
const (
	maxOrganisations = 1000
	remembered       = 12 * time.Hour
)

// step is how far an organisation has come in the scenario.
type step uint8

const (
	initial step = iota
	booked
	referred
)

// event is what a message asks for in the scenario.
type event uint8

const (
	makeBooking event = iota
	cancelBooking
	linkedReferral
	mislinkedReferral
	cancelReferral
)

// outcomeOf is the answer to each event at each step: success, 400 for what isn't
// there, 409 for what stands in the way.
var outcomeOf = map[event][3]reply{
	makeBooking:       {{}, refuse(fhir.KindConflict), refuse(fhir.KindConflict)},
	cancelBooking:     {refuse(fhir.KindInvariant), {}, {}},
	linkedReferral:    {refuse(fhir.KindInvariant), {}, refuse(fhir.KindConflict)},
	mislinkedReferral: {refuse(fhir.KindInvariant), refuse(fhir.KindConflict), refuse(fhir.KindConflict)},
	cancelReferral:    {refuse(fhir.KindInvariant), refuse(fhir.KindInvariant), {}},
}

// after is the step that a success leads to.
var after = map[event]step{makeBooking: booked, cancelBooking: initial, linkedReferral: referred, cancelReferral: booked}

// scenario remembers where each end-user organisation stands.
type scenario struct {
	now func() time.Time
	mu  sync.Mutex
	at  map[string]position
}

type position struct {
	step  step
	since time.Time
}

func newScenario(now func() time.Time) *scenario {
	return &scenario{now: now, at: map[string]position{}}
}

// take answers an event and, where it succeeds, moves on.
func (s *scenario) take(organisation string, e event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for code, p := range s.at {
		if now.Sub(p.since) > remembered {
			delete(s.at, code)
		}
	}
	here := s.at[organisation].step
	if err := outcomeOf[e][here].err(); err != nil {
		return err
	}
	if _, known := s.at[organisation]; !known && len(s.at) >= maxOrganisations {
		return fhir.NewOutcome(fhir.KindUnavailable, "", "the test tool remembers too many organisations already")
	}
	s.at[organisation] = position{after[e], now}
	return nil
}
