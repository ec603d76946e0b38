package bars

import (
	"context"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// SentRequest tells the Desk of a request that this system sent to another.
type SentRequest struct {
	Caller Caller
	Key    Key
	Body   []byte
	// Bundle is the message as it was sent; its source.endpoint is a service that
	// we host.
	Bundle *fhir.Resource
	// Answer is the receiver's synchronous answer; nil where it was lost.
	Answer *fhir.Resource
}

// Sent keeps a new referral or booking that was sent as records of ours, so that
// the receiver's answers find their request and show in it, and changes those
// records where a later message updated or cancelled it: then a referral or
// booking that isn't kept here is not found. It checks no rule of the receiver's.
func (d *Desk) Sent(ctx context.Context, req SentRequest) (*MessageResult, error) {
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		return again(func() (*MessageResult, error) { return d.sentOnce(ctx, &req, idem) })
	})
}

func (d *Desk) sentOnce(ctx context.Context, req *SentRequest, idem *store.Idem) (*MessageResult, error) {
	m, w, err := d.ownMessage(ctx, req.Caller, req.Bundle)
	if err != nil {
		return nil, err
	}
	switch m.rule.act {
	case actRefer, actBook:
		err = w.keepSent(ctx, m, req.Answer)
	case actCancelReferral, actCancelBooking, actUpdateReferral:
		err = w.changeSent(ctx, m)
	default:
		err = fhir.NewOutcome(fhir.KindWorkflow, m.focus.path(), "answers are not kept as sent")
	}
	if err != nil {
		return nil, err
	}
	w.noteMessage(m)
	w.batch.Ops = append(w.batch.Ops, sendingEnds(m.id, req.Caller.RequestID))
	return d.finish(ctx, w, idem, &MessageResult{Focus: w.focus, Warnings: m.warnings})
}

// ownMessage reads a message of a service of ours to another system.
func (d *Desk) ownMessage(ctx context.Context, caller Caller, bundle *fhir.Resource) (*message, *work, error) {
	m, err := parseMessage(&MessageRequest{Bundle: bundle}, Lenient)
	if err != nil {
		return nil, nil, err
	}
	if err := m.classify(); err != nil {
		return nil, nil, err
	}
	s, err := d.service(ctx, nhs.ParseServiceID(m.source))
	if err != nil {
		return nil, nil, err
	}
	w := d.newWork(caller, s)
	w.who.Sent = true
	m.destination = m.destinations[0]
	return m, w, nil
}

// keepSent writes a new referral or booking.
func (w *work) keepSent(ctx context.Context, m *message, answer *fhir.Resource) error {
	x, err := w.placeSent(ctx, m, answer)
	if err != nil {
		return err
	}
	return w.remember(x)
}

// placeSent adds its records to the batch and opens its exchange.
func (w *work) placeSent(ctx context.Context, m *message, answer *fhir.Resource) (*exchange, error) {
	held, err := m.holdSlots()
	if err != nil {
		return nil, err
	}
	if err := w.place(ctx, m.entries); err != nil {
		return nil, err
	}
	w.focus = m.focus.plan.ref
	for _, e := range m.entries {
		r := e.resource()
		if e == m.focus {
			r = held
		}
		if e.plan.link {
			continue
		}
		if err := w.write(e, r, w.who); err != nil {
			return nil, err
		}
	}
	x := w.openExchange(m)
	x.Sent, x.Receiver = true, nhs.ODSOf(m.destination.receiver.resource())
	if err := w.keepPlanned(m, x, answer); err != nil {
		return nil, err
	}
	w.noteTheirs(m, x, answer)
	return x, nil
}

// keepPlanned stores the Encounter that the receiver opened, whose identifier
// our users are shown.
func (w *work) keepPlanned(m *message, x *exchange, answer *fhir.Resource) error {
	if answer == nil {
		return nil
	}
	for item := range answer.Get("entry").Items() {
		url := item.Get("fullUrl").Text()
		res := item.Get("resource")
		if res.Get("resourceType").Text() != "Encounter" || m.resolve(url) != nil {
			continue
		}
		e := &entry{fullURL: url, res: res, typ: "Encounter", plan: plan{ref: store.Ref{Type: "Encounter", ID: w.d.newID()}}}
		if o := conform(e.resource()); o != nil {
			return o
		}
		if err := w.write(e, e.resource(), w.who); err != nil {
			return err
		}
		x.Planned = e.plan.ref.String()
		x.Answers = map[string]string{localName(url): x.Planned}
		return nil
	}
	return nil
}
