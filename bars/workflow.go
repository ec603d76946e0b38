package bars

import (
	"slices"
	"strings"
)

// action is what a message asks the Desk to do.
type action uint8

const (
	actNone action = iota
	actRefer
	actCancelReferral
	actBook
	actCancelBooking
	actNotBuilt // the standard knows it, this receiver doesn't take it yet
)

// rule is one row of the standard's decision tables (BaRS Core 1.5,
// Bundle Processing). An empty list means that the row doesn't ask. Any combination that no
// row allows is an invariant error.
type rule struct {
	event    string
	reasons  []string
	statuses []string // of the focus: ServiceRequest or Appointment
	category string   // of the ServiceRequest
	apps     []int
	act      action
	meaning  string
	// conditions on the rest of the message
	carePlan   []string
	encounter  []string
	class      string // Encounter.class
	taskStatus []string
}

var cancelling = []string{"revoked", "entered-in-error"}

// rules are looked through in order; the first that fits decides.
var rules = []rule{
	{event: EventReferral, reasons: []string{ReasonNew}, statuses: []string{"active"}, category: CategoryReferral, apps: []int{1, 2, 3, 5, 8},
		act: actRefer, meaning: "a new referral", carePlan: []string{"completed"}, encounter: []string{"triaged", "finished"}},
	{event: EventReferral, reasons: []string{ReasonNew}, statuses: []string{"active"}, category: CategoryReferral, apps: []int{6},
		act: actRefer, meaning: "a new case for another control room", carePlan: []string{"active"},
		encounter: []string{"triaged", "finished", "in-progress"}, class: "EMER", taskStatus: []string{"requested"}},
	{event: EventReferral, reasons: []string{ReasonUpdate, ReasonDelete}, statuses: cancelling, apps: []int{1, 2, 3, 4, 5, 6},
		act: actCancelReferral, meaning: "a cancelled referral"},
	{event: EventReferral, reasons: []string{ReasonNew}, statuses: []string{"active"}, category: CategoryValidation, apps: []int{4},
		act: actNotBuilt, meaning: "a validation request"},
	{event: EventReferral, reasons: []string{ReasonUpdate}, statuses: []string{"active", "on-hold"}, category: CategoryValidation, apps: []int{4},
		act: actNotBuilt, meaning: "an update of a validation request"},
	{event: EventReferral, reasons: []string{ReasonUpdate}, statuses: []string{"active"}, category: CategoryReferral, apps: []int{3, 6},
		act: actNotBuilt, meaning: "an update of a referral"},
	{event: EventBooking, reasons: []string{ReasonNew}, statuses: []string{"booked"}, apps: []int{1, 2, 7},
		act: actBook, meaning: "a new booking"},
	{event: EventBooking, reasons: []string{ReasonUpdate, ReasonDelete}, statuses: []string{"cancelled", "entered-in-error"}, apps: []int{1, 2, 7},
		act: actCancelBooking, meaning: "a cancelled booking"},
}

// decide finds the row for the message's workflow variables. In lenient mode a
// cancelling status is believed against the reason "new", because a published
// example cancels that way.
func decide(event, reason, status, category, useCase string, mode Mode) *rule {
	for i := range rules {
		r := &rules[i]
		if r.event != event || !slices.Contains(r.statuses, status) || !slices.Contains(r.apps, application(useCase)) {
			continue
		}
		if r.category != "" && r.category != category {
			continue
		}
		if slices.Contains(r.reasons, reason) {
			return r
		}
		if mode == Lenient && reason == ReasonNew && (r.act == actCancelBooking || r.act == actCancelReferral) {
			return r
		}
	}
	return nil
}

// allowed writes a list of codes for a diagnostic.
func allowed(codes []string) string { return strings.Join(codes, " or ") }
