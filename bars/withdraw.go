package bars

import (
	"context"
	"maps"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// tellEnd tells the receiver of a referral that was sent on what becomes of it,
// in the batch that writes next, the referral from then on. Only that it is
// withdrawn can be told; all else is refused, or the receiver would go on
// expecting the patient.
func (w *work) tellEnd(ctx context.Context, x *exchange, next *fhir.Resource, path string) error {
	if x == nil || x.Forwards == 0 {
		return nil
	}
	if !w.d.canTell(x, next) {
		return cannotTell(path)
	}
	bundle, err := w.withdrawal(ctx, x, next)
	if err != nil {
		return err
	}
	return w.send(x, outgoing{target: nhs.ParseServiceID(x.ForwardTo), address: x.ForwardAddress, bundle: bundle, withdrawn: true,
		subject: next.Get("subject"), sender: x.SenderRef})
}

func (d *Desk) canTell(x *exchange, next *fhir.Resource) bool {
	return isWithdrawn(next) && d.forwarder != nil && x.ForwardTo != "" && d.forwarder.Withdraws(nhs.ParseServiceID(x.ForwardTo))
}

func isWithdrawn(referral *fhir.Resource) bool {
	status := referral.Get("status").Text()
	return status == "revoked" || status == "entered-in-error"
}

// tellOf is tellEnd for a write that doesn't keep the exchange itself.
func (w *work) tellOf(ctx context.Context, focus store.Ref, next *fhir.Resource, path string) error {
	x, err := w.d.exchangeOf(ctx, focus)
	if err != nil || x == nil || x.Forwards == 0 {
		return err
	}
	if err := w.tellEnd(ctx, x, next, path); err != nil {
		return err
	}
	return w.remember(x)
}

// tellPlain tells of a referral that plain FHIR withdraws, where the receiver can be
// told. Else it is let pass: whoever telephoned must be able to write it down.
func (w *work) tellPlain(ctx context.Context, focus store.Ref, next, before *fhir.Resource) error {
	if before == nil || !isWithdrawn(next) || isWithdrawn(before) {
		return nil
	}
	x, err := w.d.exchangeOf(ctx, focus)
	if err != nil || x == nil || !w.d.canTell(x, next) {
		return err
	}
	return w.tellOf(ctx, focus, next, "ServiceRequest.status")
}

func cannotTell(path string) error {
	return fhir.NewOutcome(fhir.KindProcessing, path, "this service is reached by NHS 111 SOAP, which has no message for this or takes none: tell it by telephone")
}

// withdrawal writes the message of a withdrawal from what is kept here: the
// referral as it is from now on, its patient and encounter, and those who sent
// and received it.
func (w *work) withdrawal(ctx context.Context, x *exchange, next *fhir.Resource) (*fhir.Resource, error) {
	wanted := map[store.Ref]bool{}
	for _, name := range []string{next.Get("subject", "reference").Text(), next.Get("encounter", "reference").Text(),
		next.Get("requester", "reference").Text(), x.SenderRef, x.ReceiverRef} {
		if ref := refOf(name); ref.ID != "" {
			wanted[ref] = true
		}
	}
	for _, name := range x.Parts {
		switch ref := refOf(name); ref.Type {
		case "Organization", "Practitioner", "PractitionerRole":
			wanted[ref] = true
		}
	}
	found, err := w.d.store.GetMany(ctx, slices.SortedFunc(maps.Keys(wanted), compareRefs))
	if err != nil {
		return nil, err
	}
	entry := func(name string, r any) *fhir.Object { return fhir.Obj("fullUrl", name, "resource", r) }
	entries := []*fhir.Object{
		entry("MessageHeader", fhir.NewObject("MessageHeader").
			Set("destination", []*fhir.Object{fhir.Obj("endpoint", x.Destination, "receiver", fhir.Obj("reference", x.ReceiverRef))}).
			Set("sender", fhir.Obj("reference", x.SenderRef)).
			Set("source", fhir.Obj("endpoint", x.Source))),
		entry(x.Focus, next.Root()),
	}
	there := map[string]bool{}
	for _, rec := range found {
		r, err := fhir.Parse(rec.Body)
		if err != nil {
			return nil, err
		}
		there[rec.Ref().String()] = true
		entries = append(entries, entry(rec.Ref().String(), r.Root()))
	}
	for _, side := range []struct {
		name string
		code nhs.ODSCode
	}{{x.SenderRef, x.Sender}, {x.ReceiverRef, x.Receiver}} {
		if name, code := side.name, side.code; !there[name] && code != "" { // a later version of a document may have replaced it
			there[name] = true
			entries = append(entries, entry(name, fhir.NewObject("Organization").
				Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemODS, "value", string(code))})))
		}
	}
	return fhir.NewObject("Bundle").Set("type", "message").Set("entry", entries).Resource(), nil
}

// withdrawQueued carries out the cancellation of a referral that Queue sent: the
// message names it by our id, because the other format gives no other.
func (w *work) withdrawQueued(ctx context.Context, m *message, way Way) error {
	notKept := fhir.NewOutcome(fhir.KindNotFound, m.focus.path(), "what this message changes is not kept here")
	ref := store.Ref{Type: m.focus.typ, ID: m.focus.id}
	if !fhir.ValidID(ref.ID) {
		return notKept
	}
	found, err := w.d.store.GetMany(ctx, []store.Ref{ref})
	if err != nil {
		return err
	}
	x, err := w.d.exchangeOf(ctx, ref)
	if err != nil {
		return err
	}
	if len(found) == 0 || x == nil || !x.Sent || x.Forwards == 0 || x.Destination != m.destination.service.String() || !maySee(found[0], w.who.Organisation) {
		return notKept
	}
	r, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	if !isOpen(r) {
		return fhir.NewOutcome(fhir.KindConflict, m.focus.path(), "the referral is no longer active")
	}
	if err := w.samePatient(ctx, m, r.Get("subject", "reference").Text()); err != nil {
		return err
	}
	w.focus = ref
	if way.Address != "" {
		x.ForwardAddress = way.Address
	}
	if err := w.noteCancellation(ctx, m, found[0], r); err != nil {
		return err
	}
	return w.applyStatus(m.focus, found[0], r)
}
