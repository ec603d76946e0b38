package bars

import (
	"context"
	"errors"
	"slices"

	"github.com/onward-health/onward/fhir"
)

// recall finds what is held about the record that a message changes or answers,
// where the message names no use case: older published ones don't, and it is
// known from the request. Only lenient mode does without the code; where nothing
// is found the message is judged as it is.
func (d *Desk) recall(ctx context.Context, m *message, caller Caller, s *service) error {
	if m.mode != Lenient || m.namesUseCase() {
		return nil
	}
	if m.event == EventReferralAnswer {
		m.before = m.asked
		return nil
	}
	typ := m.focus.typ
	if m.reason == ReasonNew && !slices.Contains([]string{"revoked", "cancelled", "entered-in-error"}, m.focus.res.Get("status").Text()) ||
		typ != "Appointment" && typ != "ServiceRequest" {
		return nil
	}
	stored, err := d.newWork(caller, s).current(ctx, m, typ)
	var refused *fhir.Outcome
	if errors.As(err, &refused) {
		return nil // the message's own checks tell what is wrong
	}
	if err != nil {
		return err
	}
	m.before, err = d.exchangeOf(ctx, stored.Ref())
	return err
}

// namesUseCase says whether the resource that the decision tables look at names a
// use case, if only one that the standard doesn't know.
func (m *message) namesUseCase() bool {
	for _, e := range m.entries {
		for _, member := range []string{"category", "serviceCategory"} {
			if e.typ != "ServiceRequest" && e.typ != "Appointment" {
				continue
			}
			category := e.res.Get(member)
			if fhir.CodeOf(category, SystemUseCases) != "" || fhir.CodeOf(category, systemServiceCat) == generalPractice {
				return true
			}
		}
	}
	return false
}
