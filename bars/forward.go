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
	// Withdraws says that a service's receiver can be told that a referral is
	// withdrawn.
	Withdraws(target nhs.ServiceID) bool
	// Withdraw is Forward for such word: the message's ServiceRequest is revoked or
	// entered-in-error. What is sent must follow from Target, Set and Version.
	Withdraw(f Forwarding) (*Forwarded, error)
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
	return w.queue(m, x, target, "")
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

// outgoing is what is sent on.
type outgoing struct {
	target    nhs.ServiceID
	address   string // "" where the forwarder has a route
	bundle    *fhir.Resource
	withdrawn bool
	subject   fhir.Value // the patient
	sender    string     // reference to who sends it
}

// queue sends a referral on.
func (w *work) queue(m *message, x *exchange, target nhs.ServiceID, address string) error {
	return w.send(x, outgoing{target: target, address: address, bundle: m.bundle, subject: m.focus.res.Get("subject"), sender: m.sender.fullURL})
}

// send puts the next version of a referral, or that it is withdrawn, into the
// outbox, and writes the Communication that says so and what the receiver can't be
// told.
func (w *work) send(x *exchange, o outgoing) error {
	x.Forwards++
	x.ForwardTo, x.ForwardAddress = o.target.String(), o.address
	note := store.Ref{Type: "Communication", ID: w.d.newID()}
	forward := w.d.forwarder.Forward
	if o.withdrawn {
		forward = w.d.forwarder.Withdraw
	}
	sent, err := forward(Forwarding{Target: o.target, Address: o.address, Bundle: o.bundle, Note: note,
		Set: x.ForwardSet, Version: x.Forwards, Focus: refOf(x.Focus), Order: int64(x.Forwards), Created: w.d.now()})
	if err != nil {
		return err
	}
	x.ForwardSet, w.sent = sent.Set, sent
	w.batch.Ops = append(w.batch.Ops, sent.Op)
	var lost []*fhir.Object
	for _, issue := range sent.Lost {
		lost = append(lost, fhir.Obj("text", issue.Expression+": "+issue.Diagnostics))
	}
	r := fhir.NewObject("Communication").
		Set("identifier", []*fhir.Object{fhir.Obj("system", "urn:ietf:rfc:3986", "value", "urn:uuid:"+strings.ToLower(sent.ID))}).
		Set("basedOn", []*fhir.Object{fhir.Obj("reference", x.Focus)}).
		Set("status", deliveryWaits).
		Set("medium", []*fhir.Object{fhir.Obj("text", "NHS 111 SOAP")}).
		Set("subject", o.subject).
		Set("recipient", []*fhir.Object{fhir.Obj("identifier", fhir.Obj("system", o.target.System, "value", o.target.Value))}).
		Set("sender", fhir.Obj("reference", o.sender)).
		Set("note", lost).Resource()
	return w.write(&entry{typ: note.Type, res: r.Root(), plan: plan{ref: note}}, r, w.who)
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

// QueueRequest asks the Desk to send a new referral, or the cancellation of one, to
// a receiver that takes another format.
type QueueRequest struct {
	Caller Caller
	Key    Key
	Body   []byte
	// Bundle is the message; its source.endpoint is a service that we host. A
	// cancellation names the referral by the id under which it is kept here.
	Bundle *fhir.Resource
	Way    Way
}

// Queue keeps a referral as one that was sent, as Sent does, and puts it into the
// outbox, in one batch; a cancellation withdraws it here and there. The result's
// Warnings say what the receiver isn't told. Bookings and updates are refused.
func (d *Desk) Queue(ctx context.Context, req QueueRequest) (*MessageResult, error) {
	if d.forwarder == nil {
		return nil, noWay()
	}
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		return again(func() (*MessageResult, error) { return d.queueOnce(ctx, &req, idem) })
	})
}

func (d *Desk) queueOnce(ctx context.Context, req *QueueRequest, idem *store.Idem) (*MessageResult, error) {
	m, w, err := d.ownMessage(ctx, req.Caller, req.Bundle)
	if err != nil {
		return nil, err
	}
	switch m.rule.act {
	case actRefer:
		err = w.queueNew(ctx, m, req.Way)
	case actCancelReferral:
		err = w.withdrawQueued(ctx, m, req.Way)
	default:
		err = cannotTell(m.focus.path())
	}
	if err != nil {
		return nil, err
	}
	w.noteMessage(m)
	return d.finish(ctx, w, idem, &MessageResult{Focus: w.focus, Forwarded: w.sent.ID, Warnings: append(m.warnings, w.sent.Lost...)})
}

// queueNew keeps a new referral as one that was sent, and sends it.
func (w *work) queueNew(ctx context.Context, m *message, way Way) error {
	x, err := w.placeSent(ctx, m, nil)
	if err != nil {
		return err
	}
	if err := w.queue(m, x, m.destination.service, way.Address); err != nil {
		return err
	}
	return w.remember(x)
}
