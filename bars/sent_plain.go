package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// Our record of a referral or booking that was sent to another system is a copy.
// Who changed it here alone would believe that its receiver knows.

const sentCopy = "this is a copy of what was sent to another system, which would not be told: send it the update or cancellation that the standard has by $send-message"

// happened are the statuses that say what the receiver has done with a referral or
// booking. The standard has no message by which we would tell it that.
var happened = map[string][]string{
	"ServiceRequest": {"completed"},
	"Appointment":    {"arrived", "checked-in", "fulfilled", "noshow"},
}

// reasons may change with the status.
var statusReasons = []string{"status", "reasonCode", "cancelationReason", "statusReason"}

// keepsCopy refuses a write of such a copy that its receiver should be told of by a
// message; next is nil where the copy is deleted. What happened at the receiver may
// be written down, and that it was told in another way where there is no message.
func (w *work) keepsCopy(ctx context.Context, current *store.Record, next, before *fhir.Resource) error {
	if before == nil || !isSent(current) {
		return nil
	}
	was := before.Get("status").Text()
	if next == nil {
		if current.Type == "ServiceRequest" && !isOpen(before) || current.Type == "Appointment" && !isBooked(before) {
			return nil
		}
		return fhir.NewOutcome(fhir.KindConflict, "", sentCopy)
	}
	status := next.Get("status").Text()
	free := statusReasons
	if status == was {
		free = nil
	}
	for _, pair := range [][2]*fhir.Resource{{next, before}, {before, next}} {
		if name := differs(pair[0].Root(), pair[1].Root(), free...); name != "" {
			return fhir.NewOutcome(fhir.KindConflict, current.Type+"."+name, sentCopy)
		}
	}
	if status == was || slices.Contains(happened[current.Type], status) {
		return nil
	}
	x, err := w.d.exchangeOf(ctx, current.Ref())
	if err != nil || x == nil {
		return err
	}
	if x.takesNoEnd(current.Ref()) && slices.Contains([]string{"revoked", "cancelled", "entered-in-error"}, status) {
		return nil
	}
	return fhir.NewOutcome(fhir.KindConflict, current.Type+".status", sentCopy)
}

// takesNoEnd says that no message of ours ends what was sent: it went by NHS 111
// SOAP, where tellEnd tells of it, the standard has no cancellation for its
// application, or the id that the receiver gave it was lost with the answer.
func (x *exchange) takesNoEnd(focus store.Ref) bool {
	if x.Forwards > 0 || application(x.UseCase) == 8 {
		return true
	}
	for _, ours := range x.Theirs {
		if ours == focus.String() {
			return false
		}
	}
	return true
}

// isSent says whether a record is our copy of a referral or booking that was sent.
func isSent(rec *store.Record) bool {
	if rec == nil || rec.Type != "ServiceRequest" && rec.Type != "Appointment" {
		return false
	}
	who, err := writtenBy(rec)
	return err == nil && who.Sent
}
