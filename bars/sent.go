package bars

import (
	"context"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// SentRequest tells the Desk of a new referral or booking that this system sent
// to another.
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

// Sent keeps what was sent as records of ours, so that the receiver's answers
// find their request and show in it. It checks no rule of the receiver's.
func (d *Desk) Sent(ctx context.Context, req SentRequest) (*MessageResult, error) {
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		m, err := parseMessage(&MessageRequest{Bundle: req.Bundle}, Lenient)
		if err != nil {
			return nil, err
		}
		if err := m.classify(); err != nil {
			return nil, err
		}
		if m.rule.act != actRefer && m.rule.act != actBook {
			return nil, fhir.NewOutcome(fhir.KindWorkflow, m.focus.path(), "only new referrals and bookings are kept as sent")
		}
		s, err := d.service(ctx, nhs.ParseServiceID(m.source))
		if err != nil {
			return nil, err
		}
		w := d.newWork(req.Caller, s)
		if err := w.place(ctx, m.entries); err != nil {
			return nil, err
		}
		w.focus = m.focus.plan.ref
		if err := w.writeAll(m.entries); err != nil {
			return nil, err
		}
		m.destination = m.destinations[0]
		x := w.openExchange(m)
		x.Sent, x.Receiver = true, nhs.ODSOf(m.destination.receiver.resource())
		if err := w.keepPlanned(m, x, req.Answer); err != nil {
			return nil, err
		}
		if err := w.remember(x); err != nil {
			return nil, err
		}
		w.noteMessage(m)
		result, err := d.commit(ctx, w, idem)
		if err != nil {
			return nil, err
		}
		if result.Replay != nil {
			return replayed(result.Replay), nil
		}
		return &MessageResult{Focus: w.focus, Stored: focusFirst(result.Versions, w.focus), Warnings: m.warnings}, nil
	})
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
		x.Answers = map[string]string{url: x.Planned}
		return nil
	}
	return nil
}
