package bars

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Pointer is what the national registry is to say of one of our bookings or
// referrals (BaRS Core 1.5, DocumentReference pattern): that it is here, and when,
// or nothing.
type Pointer struct {
	ID          string // of the message to the registry
	Correlation string // X-Correlation-Id of the request that caused it
	// Pointers to one Focus are left in the order of Order, its version.
	Focus         store.Ref
	Order         int64
	Present       bool // false: there must be no pointer
	Patient       nhs.NHSNumber
	Custodian     nhs.ODSCode // the organisation that provides the service
	CustodianName string
	Service       nhs.ServiceID
	Start, End    string // as the record says them
	Address       string // of the record, here
	UseContext    string // the use-context header; "" where the record has no use case
}

// Registry is where the Desk leaves pointers. The operation goes into the batch
// of the change that it tells of.
type Registry interface {
	Point(p Pointer, created time.Time) (store.Op, error)
}

// point adds to a batch what the registry is to be told of the bookings, and
// where that is asked for the referrals, that the batch writes. It returns the
// operations, each with the index of the one that causes it.
func (d *Desk) point(ctx context.Context, batch *store.Batch) (ops []store.Op, causes []int, err error) {
	if d.registry == nil {
		return nil, nil, nil
	}
	for i, op := range batch.Ops {
		rec, order, present, err := d.pointed(ctx, op)
		if err != nil {
			return nil, nil, err
		}
		if rec == nil {
			continue
		}
		p, err := d.pointer(ctx, batch, rec)
		if err != nil {
			return nil, nil, err
		}
		if p == nil {
			continue
		}
		p.Order, p.Present = order, p.Present && present
		out, err := d.registry.Point(*p, d.now())
		if err != nil {
			return nil, nil, err
		}
		ops, causes = append(ops, out), append(causes, i)
	}
	return ops, causes, nil
}

// pointed is the record that an operation writes or deletes and the version that
// comes of it; nil where it isn't one that the registry points to.
func (d *Desk) pointed(ctx context.Context, op store.Op) (rec *store.Record, order int64, present bool, err error) {
	kind := func(typ string) bool { return typ == "Appointment" || typ == "ServiceRequest" && d.pointsToReferrals }
	switch op := op.(type) {
	case store.Put:
		if kind(op.Record.Type) {
			return op.Record, op.If.Version + 1, true, nil
		}
	case store.Delete:
		if kind(op.Ref.Type) {
			rec, err = d.get(ctx, op.Ref)
			return rec, op.If.Version + 1, false, err
		}
	}
	return nil, 0, false, nil
}

// pointer makes a record's pointer; nil where there can be none: the record
// belongs to no service of a known organisation, is a copy of what was sent to
// another system, or the patient has no NHS number that can be one.
func (d *Desk) pointer(ctx context.Context, batch *store.Batch, rec *store.Record) (*Pointer, error) {
	who, err := writtenBy(rec)
	if err != nil || who.Service == "" || who.Sent || rec.Deleted {
		return nil, nil
	}
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return nil, err
	}
	number, err := d.numberOf(ctx, batch, patientOf(r))
	if err != nil || !number.Valid() {
		return nil, err
	}
	held, err := d.get(ctx, store.Ref{Type: "HealthcareService", ID: who.Service})
	if err != nil || held == nil || held.Deleted {
		return nil, err
	}
	s, err := d.readService(ctx, held)
	if err != nil {
		return nil, d.unlessGone(err)
	}
	if s.provider == "" {
		return nil, nil
	}
	p := &Pointer{ID: d.newID(), Correlation: who.Correlation, Focus: rec.Ref(), Patient: number, Custodian: s.provider, CustodianName: s.providerName,
		Service: nhs.ServiceID{System: nhs.SystemDoS, Value: s.id}, Address: d.base + "/" + rec.Ref().String()}
	for _, id := range s.ids {
		if id.System == nhs.SystemDoS {
			p.Service = id
		}
	}
	status := r.Get("status").Text()
	f := &Facts{Event: EventBooking, Reason: ReasonUpdate, Status: status}
	if rec.Type == "Appointment" {
		p.Present = occupies(status)
		p.Start, p.End = r.Get("start").Text(), r.Get("end").Text()
		f.UseCase = fhir.CodeOf(r.Get("serviceCategory"), SystemUseCases)
	} else {
		p.Present = isOpen(r)
		p.Start, p.End = r.Get("occurrencePeriod", "start").Text(), r.Get("occurrencePeriod", "end").Text()
		f.Event, f.UseCase, f.Category = EventReferral, fhir.CodeOf(r.Get("category"), SystemUseCases), fhir.CodeOf(r.Get("category"), SystemCategories)
	}
	if f.UseCase != "" {
		p.UseContext = f.UseContext()
	}
	return p, nil
}

// unlessGone is nil for a service that isn't active any more.
func (d *Desk) unlessGone(err error) error {
	if d.outcome(err).Kind == fhir.KindNotFound {
		return nil
	}
	return err
}

// numberOf is the NHS number of a Patient that the batch writes or the store has.
func (d *Desk) numberOf(ctx context.Context, batch *store.Batch, reference string) (nhs.NHSNumber, error) {
	ref, ok := fhir.ParseReference(reference)
	if !ok || ref.Type != "Patient" {
		return "", nil
	}
	patient := store.Ref{Type: "Patient", ID: ref.ID}
	var rec *store.Record
	for _, op := range batch.Ops {
		if put, ok := op.(store.Put); ok && put.Record.Ref() == patient {
			rec = put.Record
		}
	}
	if rec == nil {
		var err error
		if rec, err = d.get(ctx, patient); err != nil || rec == nil || rec.Deleted {
			return "", err
		}
	}
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return "", err
	}
	return nhs.NHSNumberOf(r), nil
}
