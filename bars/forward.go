package bars

import (
	"context"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Forwarder writes referrals for receivers that take another format than FHIR
// and sends them from the outbox (design D18): the NHS 111 SOAP sender.
type Forwarder interface {
	// Routed says that a service's referrals go to such a receiver, because the
	// operator set up where it is.
	Routed(target nhs.ServiceID) bool
	// Forward makes the operation that puts a referral into the outbox, for the
	// batch that writes it here. The error is an Outcome: it can't be written.
	Forward(f Forwarding) (*Forwarded, error)
}

// Forwarding is a referral to be sent on.
type Forwarding struct {
	Target  nhs.ServiceID
	Address string // "" where the forwarder has a route
	// Bundle is the message. What is sent must follow from it, Set and Version
	// alone, so that a receiver knows a repetition.
	Bundle *fhir.Resource
	// Set names the referral over all its versions, of which this is one, from 1;
	// "" for the first, whose name the forwarder chooses.
	Set     string
	Version int
	Focus   store.Ref
	Order   int64
	// Note is the Communication to which NoteDelivery writes.
	Note    store.Ref
	Created time.Time
}

// Forwarded is a referral in the outbox.
type Forwarded struct {
	ID  string // under which the receiver gets it
	Set string
	Op  store.Op
	// Lost lists what of the message the other format has no place for, or only in
	// words.
	Lost []fhir.Issue
}

// forward sends a referral on if its service is carried out elsewhere, in the
// batch that stores it.
func (w *work) forward(m *message, x *exchange) error {
	target, found := w.d.elsewhere(w.service)
	if !found {
		return nil
	}
	_, err := w.queue(m, x, target, "")
	return err
}

// elsewhere is the id of a service under which its referrals are sent on.
func (d *Desk) elsewhere(s *service) (nhs.ServiceID, bool) {
	if d.forwarder == nil || s == nil {
		return nhs.ServiceID{}, false
	}
	for _, id := range append(s.ids, nhs.ServiceID{System: nhs.SystemDoS, Value: s.id}) {
		if d.forwarder.Routed(id) {
			return id, true
		}
	}
	return nhs.ServiceID{}, false
}

// forwardNext sends the next version of a referral on.
func (w *work) forwardNext(ctx context.Context, m *message) error {
	if _, found := w.d.elsewhere(w.service); !found {
		return nil
	}
	x, err := w.d.exchangeOf(ctx, w.focus)
	if err != nil || x == nil {
		return err
	}
	if err := w.forward(m, x); err != nil {
		return err
	}
	return w.remember(x)
}

// queue puts a referral into the outbox, and writes the Communication that says
// so and what the receiver can't be told.
func (w *work) queue(m *message, x *exchange, target nhs.ServiceID, address string) (*Forwarded, error) {
	x.Forwards++
	note := store.Ref{Type: "Communication", ID: w.d.newID()}
	sent, err := w.d.forwarder.Forward(Forwarding{Target: target, Address: address, Bundle: m.bundle, Note: note,
		Set: x.ForwardSet, Version: x.Forwards, Focus: w.focus, Order: int64(x.Forwards), Created: w.d.now()})
	if err != nil {
		return nil, err
	}
	x.ForwardSet = sent.Set
	w.batch.Ops = append(w.batch.Ops, sent.Op)
	var lost []*fhir.Object
	for _, issue := range sent.Lost {
		lost = append(lost, fhir.Obj("text", issue.Expression+": "+issue.Diagnostics))
	}
	r := fhir.NewObject("Communication").
		Set("identifier", []*fhir.Object{fhir.Obj("system", "urn:ietf:rfc:3986", "value", "urn:uuid:"+strings.ToLower(sent.ID))}).
		Set("basedOn", []*fhir.Object{fhir.Obj("reference", w.focus.String())}).
		Set("status", deliveryWaits).
		Set("medium", []*fhir.Object{fhir.Obj("text", "NHS 111 SOAP")}).
		Set("subject", m.focus.res.Get("subject")).
		Set("recipient", []*fhir.Object{fhir.Obj("identifier", fhir.Obj("system", target.System, "value", target.Value))}).
		Set("sender", fhir.Obj("reference", m.sender.fullURL)).
		Set("note", lost).Resource()
	return sent, w.write(&entry{typ: note.Type, res: r.Root(), plan: plan{ref: note}}, r, w.who)
}

// The states of a Communication that tells of a message in the outbox.
const (
	deliveryWaits = "in-progress"
	deliveryDone  = "completed"
	deliveryDead  = "stopped"
)

// NoteDelivery writes into the Communication of a Forwarding what became of it:
// the receiver has taken it, or it is a dead letter for a reason.
func (d *Desk) NoteDelivery(ctx context.Context, note string, delivered bool, reason string) error {
	for range attempts {
		err := d.noteDelivery(ctx, refOf(note), delivered, reason)
		if !raced(err) {
			return err
		}
	}
	return keepsChanging()
}

func (d *Desk) noteDelivery(ctx context.Context, ref store.Ref, delivered bool, reason string) error {
	stored, err := d.get(ctx, ref)
	if err != nil || stored == nil || stored.Deleted {
		return err // who removed it doesn't ask
	}
	r, err := fhir.Parse(stored.Body)
	if err != nil {
		return err
	}
	edit, status := r.Edit(), deliveryDone
	if !delivered {
		status = deliveryDead
		edit.Set(r.Root(), "statusReason", fhir.Obj("text", reason).JSON())
	} else {
		edit.Remove(r.Root(), "statusReason")
		edit.SetText(r.Root(), "received", fhir.FormatInstant(d.now()))
	}
	if r.Get("status").Text() == status {
		return nil
	}
	next, err := edit.SetText(r.Root(), "status", status).Done()
	if err != nil {
		return err
	}
	rec, err := d.record(next, ref.ID, "PUT", d.byCaller(Caller{Door: "outbox"}).inherit(stored))
	if err != nil {
		return err
	}
	_, err = d.store.Commit(ctx, &store.Batch{Ops: []store.Op{store.Put{Record: rec, If: store.Condition{Version: stored.Version}}}})
	return err
}

// untold refuses to end a referral that was sent on: its receiver can't be told
// and would go on expecting the patient.
func (x *exchange) untold(path string) error {
	if x == nil || x.Forwards == 0 {
		return nil
	}
	return cannotTell(path)
}

func (d *Desk) untold(ctx context.Context, focus store.Ref, path string) error {
	x, err := d.exchangeOf(ctx, focus)
	if err != nil {
		return err
	}
	return x.untold(path)
}

func cannotTell(path string) error {
	return fhir.NewOutcome(fhir.KindProcessing, path, "this service is reached by NHS 111 SOAP, which has no message for this: tell it by telephone")
}

// QueueRequest asks the Desk to send a new referral to a receiver that takes
// another format.
type QueueRequest struct {
	Caller Caller
	Key    Key
	Body   []byte
	// Bundle is the message; its source.endpoint is a service that we host.
	Bundle *fhir.Resource
	Way    Way
}

// Queue keeps a referral as one that was sent, as Sent does, and puts it into the
// outbox, in one batch. The result's Warnings say what the receiver isn't told.
// Bookings, updates and cancellations are refused: the other format has none.
func (d *Desk) Queue(ctx context.Context, req QueueRequest) (*MessageResult, error) {
	if d.forwarder == nil {
		return nil, noWay()
	}
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		m, err := parseMessage(&MessageRequest{Bundle: req.Bundle}, Lenient)
		if err != nil {
			return nil, err
		}
		if err := m.classify(); err != nil {
			return nil, err
		}
		if m.rule.act != actRefer {
			return nil, cannotTell(m.focus.path())
		}
		s, err := d.service(ctx, nhs.ParseServiceID(m.source))
		if err != nil {
			return nil, err
		}
		w := d.newWork(req.Caller, s)
		m.destination = m.destinations[0]
		x, err := w.placeSent(ctx, m, nil)
		if err != nil {
			return nil, err
		}
		sent, err := w.queue(m, x, m.destination.service, req.Way.Address)
		if err != nil {
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
		return &MessageResult{Focus: w.focus, Stored: focusFirst(result.Versions, w.focus),
			Forwarded: sent.ID, Warnings: append(m.warnings, sent.Lost...)}, nil
	})
}
