package testtool

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// System is that of the targets that choose an error for any request.
const System = "tests"

// reply is what a sentinel chooses. The zero value is success.
type reply struct {
	kind fhir.Kind
	set  bool // kind is meant: its zero value is a kind too
	raw  int  // status of an answer without a body
}

func refuse(kind fhir.Kind) reply { return reply{kind: kind, set: true} }

// targets are the values of the system "tests": each request to one is answered
// the same, but for the first.
var targets = map[string]reply{
	"NHS0001":       {},
	"NHS0001-400":   refuse(fhir.KindInvalid),
	"NHS0001-400-1": refuse(fhir.KindInvariant),
	"NHS0001-400-2": refuse(fhir.KindNotSupported),
	"NHS0001-401":   refuse(fhir.KindUnauthorized),
	"NHS0001-403":   refuse(fhir.KindForbidden),
	"NHS0001-406":   refuse(fhir.KindNotAcceptable),
	"NHS0001-408":   refuse(fhir.KindTimeout),
	"NHS0001-409":   refuse(fhir.KindConflict),
	"NHS0001-422":   refuse(fhir.KindProcessing),
	"NHS0001-500":   refuse(fhir.KindException),
	"NHS0001-500-1": {raw: http.StatusInternalServerError},
	"NHS0001-500-2": refuse(fhir.KindNoStore),
	"NHS0001-501":   refuse(fhir.KindNotImplemented),
	"NHS0001-503":   refuse(fhir.KindUnavailable),
	"NHS0001-504":   {raw: http.StatusGatewayTimeout},
}

// Targets lists the values of System that the tool answers.
func Targets() []string { return slices.Sorted(maps.Keys(targets)) }

// numbers are the NHS numbers that choose the answer to a message of a class. Any
// other number, or none, is taken.
var numbers = map[class]map[nhs.NHSNumber]reply{
	booking: {
		"9658499007": {},
		"9658499015": refuse(fhir.KindNotFound),
		"9658499023": refuse(fhir.KindConflict),
		"9658499031": refuse(fhir.KindProcessing),
	},
	referral: {
		"9658499058": {},
		"9658499066": refuse(fhir.KindInvariant),
		"9658499074": refuse(fhir.KindException),
	},
	validation: {
		"9658499082": {},
		"9658499090": {},
		"9658499015": refuse(fhir.KindNotFound),
		"9658499112": refuse(fhir.KindConflict),
		"9658499120": refuse(fhir.KindProcessing),
		"9658499139": refuse(fhir.KindUnauthorized),
		"9658499147": {}, // a full response follows (respond.go)
		"9658499155": {}, // an interim one
		"9658499163": {}, // to a referral, a safeguarding one: did not attend
		"9658499171": refuse(fhir.KindUnauthorized),
	},
}

// Ids that the tool allocates and knows.
const (
	bookedID     = "ce1c4ced-2a84-4198-9982-9caf894d0bb7"
	knownID      = "c3f6145e-1a26-4345-b3f2-dccbcba62049"
	otherID      = "91607239-b002-470a-8709-6b25bd50fdd1"
	validationID = "0b42eac3-0175-43c8-bbab-efaa8ca31ccf" // listed as the 408 case too; it is read here
)

// records are the ids that choose the answer to a read; another UUID is unknown.
var records = map[string]map[string]reply{
	"Appointment": {
		bookedID: {}, knownID: {}, otherID: {},
		"0d440c22-7f25-4c6c-905d-2213d197d02a": refuse(fhir.KindNotImplemented),
	},
	"ServiceRequest": {
		knownID: {}, validationID: {},
		"61215702-0049-4d76-9807-2123f0a6ca15": refuse(fhir.KindMethod),
		"9d280ad9-6dda-46d2-a75e-f5b47b2f4e87": refuse(fhir.KindThrottled),
		"4d65ddaa-4d09-41cd-87c9-aeb9c0c96352": refuse(fhir.KindUnavailable),
		"c337e8d8-fd5b-4a13-a8e4-0f6f4ac1bb1a": refuse(fhir.KindNotImplemented),
	},
}

// Services that choose what a search for slots finds.
const (
	slotsFree    = "2000072489"
	slotsNone    = "2000073917"
	slotsMinimal = "1503499715"
	slotsTimeout = "2000081230"
)

// Definitions by the name behind "bars-message-".
var (
	forBooking    = []string{"booking-request", "booking-request-cancelled"}
	forReferral   = []string{"servicerequest-request-referral", "servicerequest-request-cancelled"}
	forValidation = []string{"servicerequest-request-validation", "servicerequest-request-cancelled"}
	forAnswers    = []string{"servicerequest-response-validation-interim", "servicerequest-response-validation-full", "servicerequest-response-referral"}
	forControl    = []string{"servicerequest-request-referral", "servicerequest-request-cancelled", "servicerequest-response-referral-short"}
)

// offer is what a target's statement and definitions say.
type offer struct {
	receives []string // messages
	useCases string   // prefix of their codes, "" for all
	slots    bool
	wrong    bool // definitions with a type that no message may carry
}

// offers are the targets whose statement or definitions differ. Another target is
// unknown.
var offers = map[string]offer{
	"2000011147": {receives: slices.Concat(forBooking, forReferral), useCases: "a1", slots: true},
	"2000076289": {receives: forReferral, useCases: "a1"},
	"1374839566": {receives: forAnswers, useCases: "a4"},
	"2000003366": {receives: forValidation, useCases: "a4"},
	"2000070513": {receives: forReferral, useCases: "a5"},
	"2000159909": {receives: forControl, useCases: "a6"},
	"2000159910": {receives: forControl, useCases: "a6"},
	"2000071898": {receives: forReferral, useCases: "a1", wrong: true},
	slotsFree:    {receives: forBooking, useCases: "a1", slots: true},
	slotsNone:    {receives: forBooking, useCases: "a1", slots: true},
	slotsMinimal: {receives: forBooking, useCases: "a1", slots: true},
	slotsTimeout: {receives: forBooking, useCases: "a1", slots: true},
	"NHS0001":    {receives: slices.Concat(forBooking, forReferral, forValidation), slots: true},
}

// contexts are values of the parameter context that choose an error.
var contexts = map[string]reply{
	"FAIL0401": refuse(fhir.KindUnauthorized),
	"FAIL0404": refuse(fhir.KindNotFound),
}

// err is the error that a reply stands for, nil where it is success or has no
// body.
func (a reply) err() error {
	if !a.set {
		return nil
	}
	o := fhir.NewOutcome(a.kind, "", "the sandbox test tool was asked for this answer by a sentinel value")
	if a.kind == fhir.KindMethod {
		o.Allow = []string{http.MethodGet}
	}
	return o
}

func bare(context string) string { return context[strings.LastIndexByte(context, '|')+1:] }
