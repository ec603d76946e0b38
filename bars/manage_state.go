package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// The states in which a sender may put a record by REST (BaRS Core 1.5, state
// machines). Those that say what happened to the patient are the receiver's own.

// ended says whether a record in this status changes no more.
func (m *managed) ended(status string) bool {
	if m.req.Type == "Appointment" {
		return terminal(status)
	}
	return slices.Contains(requestEnds, status)
}

// mayBecome says whether a sender may give a record this status.
func (m *managed) mayBecome(status string) bool {
	if m.req.Type == "Appointment" {
		return status == "cancelled" || status == "entered-in-error"
	}
	switch status {
	case "active", "on-hold", "revoked", "entered-in-error":
		return true
	}
	return false
}

// cancelled is what DELETE makes of a record.
func (m *managed) cancelled() string {
	if m.req.Type == "Appointment" {
		return "cancelled"
	}
	return "revoked"
}

// follow does what a referral's new status brings with it, as a message's does:
// whoever it was sent on to is told, and nobody goes on expecting the patient of
// one that is withdrawn.
func (m *managed) follow(ctx context.Context, referral store.Ref, next *fhir.Resource) error {
	if err := m.w.tellOf(ctx, referral, next, "ServiceRequest.status"); err != nil || !isWithdrawn(next) {
		return err
	}
	x, err := m.w.d.exchangeOf(ctx, referral)
	if err != nil || x == nil {
		return err
	}
	return m.w.closePlanned(ctx, x)
}
