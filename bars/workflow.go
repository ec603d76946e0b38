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
	actUpdateReferral
	actCancelReferral
	actBook
	actCancelBooking
	actTakeAnswer
)

// rule is one row of the standard's decision tables (BaRS Core 1.5,
// Bundle Processing). An empty list means that the row doesn't ask. Any combination that no
// row allows is an invariant error.
type rule struct {
	name     string
	event    string
	reasons  []string
	statuses []string // of the ServiceRequest or the Appointment
	category string   // of the ServiceRequest
	apps     []int
	// responder are the states of the responder's Encounter that, in a response,
	// choose the row.
	responder []string
	act       action
	meaning   string
	// defs are the definitions that such a message may name.
	defs []string
	// conditions on the rest of the message
	carePlan   []string
	encounter  []string // the sender's Encounter
	class      string   // Encounter.class
	taskStatus []string
	// explained says that the responder's Encounter must give its reason.
	explained bool
	// echoes says that our own Encounter may come back as a second one, in these
	// states.
	echoes []string
}

var (
	cancelling  = []string{"revoked", "entered-in-error"}
	changing    = []string{ReasonUpdate, ReasonDelete}
	onlyNew     = []string{ReasonNew}
	onlyUpdate  = []string{ReasonUpdate}
	newOrUpdate = []string{ReasonNew, ReasonUpdate}
	active      = []string{"active"}
	echoed      = []string{"planned", "in-progress"}
	underWay    = []string{"triaged", "finished", "in-progress"}
)

// rules are looked through in order; the first that fits decides.
var rules = []rule{
	{name: "new referral", event: EventReferral, reasons: onlyNew, statuses: active, category: CategoryReferral, apps: []int{1, 2, 3, 5, 8},
		act: actRefer, meaning: "a new referral", defs: []string{defReferral}, carePlan: []string{"completed"}, encounter: []string{"triaged", "finished"}},
	{name: "new CAD referral", event: EventReferral, reasons: onlyNew, statuses: active, category: CategoryReferral, apps: []int{6},
		act: actRefer, meaning: "a new case for another control room", defs: []string{defReferral}, carePlan: active,
		encounter: underWay, class: "EMER", taskStatus: []string{"requested"}},
	{name: "new validation request", event: EventReferral, reasons: onlyNew, statuses: active, category: CategoryValidation, apps: []int{4},
		act: actRefer, meaning: "a validation request", defs: []string{defValidation}, carePlan: active, encounter: []string{"triaged", "in-progress"}},
	{name: "cancelled referral", event: EventReferral, reasons: changing, statuses: cancelling, apps: []int{1, 2, 3, 4, 5, 6},
		act: actCancelReferral, meaning: "a cancelled referral", defs: []string{defReferralCancel}},
	{name: "update of a validation request", event: EventReferral, reasons: onlyUpdate, statuses: []string{"active", "on-hold"},
		category: CategoryValidation, apps: []int{4}, act: actUpdateReferral, meaning: "an update of a validation request",
		defs: []string{defValidation}, carePlan: active, encounter: []string{"triaged", "in-progress"}, echoes: echoed},
	{name: "update of a CAD referral", event: EventReferral, reasons: onlyUpdate, statuses: active, category: CategoryReferral, apps: []int{6},
		act: actUpdateReferral, meaning: "an update of a case for another control room", defs: []string{defReferral}, carePlan: active,
		encounter: underWay, class: "EMER", taskStatus: []string{"requested"}, echoes: echoed},
	{name: "update of a referral to a CAS", event: EventReferral, reasons: onlyUpdate, statuses: active, category: CategoryReferral, apps: []int{3},
		act: actUpdateReferral, meaning: "an update of a referral", defs: []string{defReferral}, carePlan: []string{"completed"},
		encounter: []string{"triaged", "finished"}, echoes: echoed},

	{name: "safeguarding DNA response", event: EventReferralAnswer, reasons: onlyNew, statuses: []string{"revoked"}, category: CategoryReferral, apps: []int{1, 2},
		act: actTakeAnswer, meaning: "the news that the patient did not attend", defs: []string{defAnswer}},
	{name: "interim validation response", event: EventReferralAnswer, reasons: onlyNew, statuses: active, category: CategoryValidation, apps: []int{4},
		responder: []string{"in-progress"}, act: actTakeAnswer, meaning: "the news that validation has begun", defs: []string{defInterim}},
	{name: "rejected validation", event: EventReferralAnswer, reasons: onlyNew, statuses: active, category: CategoryValidation, apps: []int{4},
		responder: []string{"cancelled"}, act: actTakeAnswer, meaning: "the rejection of a validation request", defs: []string{defInterim, defFull}, explained: true},
	{name: "rejected validation, referral revoked", event: EventReferralAnswer, reasons: newOrUpdate, statuses: []string{"revoked"},
		category: CategoryValidation, apps: []int{4}, responder: []string{"triaged"}, act: actTakeAnswer,
		meaning: "the rejection of a validation request", defs: []string{defInterim, defFull}, explained: true},
	{name: "full validation response", event: EventReferralAnswer, reasons: newOrUpdate, statuses: []string{"active", "completed"},
		category: CategoryValidation, apps: []int{4}, responder: []string{"finished", "triaged"}, act: actTakeAnswer,
		meaning: "the outcome of a validation", defs: []string{defFull}, carePlan: []string{"completed", "active"}},
	{name: "CAD status", event: EventReferralAnswer, reasons: newOrUpdate, statuses: active, category: CategoryReferral, apps: []int{6},
		responder: []string{"planned", "in-progress", "arrived", "finished"}, act: actTakeAnswer,
		meaning: "the status of a case in another control room", defs: []string{defAnswerShort}, class: "EMER"},
	{name: "rejected CAD referral", event: EventReferralAnswer, reasons: newOrUpdate, statuses: []string{"active", "revoked"}, category: CategoryReferral, apps: []int{6},
		responder: []string{"cancelled"}, act: actTakeAnswer, meaning: "the rejection of a case by another control room",
		defs: []string{defAnswerShort}, class: "EMER", explained: true},

	{name: "new booking", event: EventBooking, reasons: onlyNew, statuses: []string{"booked"}, apps: []int{1, 2, 7},
		act: actBook, meaning: "a new booking", defs: []string{defBooking}},
	{name: "cancelled booking", event: EventBooking, reasons: changing, statuses: []string{"cancelled", "entered-in-error"}, apps: []int{1, 2, 7},
		act: actCancelBooking, meaning: "a cancelled booking", defs: []string{defBookingCancel}},
}

// variables are what the decision tables look at.
type variables struct {
	event, reason, status, category, useCase string
	responder                                string // state of the responder's Encounter; responses only
}

// decide finds the row for the message's workflow variables. In lenient mode a
// cancelling status is believed against the reason "new", because a published
// example cancels that way.
func decide(v variables, mode Mode) *rule {
	for i := range rules {
		r := &rules[i]
		if r.event != v.event || !slices.Contains(r.statuses, v.status) || !slices.Contains(r.apps, application(v.useCase)) {
			continue
		}
		if r.category != "" && r.category != v.category {
			continue
		}
		if len(r.responder) > 0 && !slices.Contains(r.responder, v.responder) {
			continue
		}
		if slices.Contains(r.reasons, v.reason) {
			return r
		}
		if mode == Lenient && v.reason == ReasonNew && (r.act == actCancelBooking || r.act == actCancelReferral) {
			return r
		}
	}
	return nil
}

// allowed writes a list of codes for a diagnostic.
func allowed(codes []string) string { return strings.Join(codes, " or ") }
