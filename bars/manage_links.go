package bars

import (
	"context"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// linked holds what is posted to the rules of linking that matter to others: no
// link to what the caller may not see, for whoever sent that one would be told of
// this, and no referral without its booking to a service that asks for one.
func (m *managed) linked(ctx context.Context) error {
	booked := false
	for _, member := range []string{"supportingInfo", "basedOn"} {
		at, list := m.req.Type+"."+member, m.sent.Get(member)
		if list.Len() > maxNamed {
			return tooMany(at)
		}
		for item := range list.Items() {
			ref, ok := fhir.ParseReference(item.Get("reference").Text())
			if !ok || !linkable(ref.Type) || ref.Base != "" && ref.Base != m.w.d.base+"/" {
				continue
			}
			is, err := m.bookingHere(ctx, store.Ref{Type: ref.Type, ID: ref.ID}, at)
			if err != nil {
				return err
			}
			booked = booked || is
		}
	}
	if m.req.Type == "ServiceRequest" && m.w.service.needsBooking && !booked {
		return fhir.NewOutcome(fhir.KindInvariant, "ServiceRequest.supportingInfo", needsLinkedBooking)
	}
	return nil
}

// bookingHere says whether a link leads to a current booking with the service.
func (m *managed) bookingHere(ctx context.Context, target store.Ref, at string) (bool, error) {
	rec, err := m.w.d.get(ctx, target)
	if err != nil || rec == nil || rec.Deleted {
		return false, err
	}
	if !maySee(rec, m.req.Caller.Organisation) {
		return false, fhir.NewOutcome(fhir.KindAccess, at, "the linked record belongs to other organisations than the one that asks")
	}
	if target.Type != "Appointment" || !hasEntry(rec, m.w.service.id) {
		return false, nil
	}
	r, err := fhir.Parse(rec.Body)
	return err == nil && isBooked(r), err
}
