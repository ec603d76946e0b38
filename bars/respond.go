package bars

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Answer is one of the answers that the standard makes asynchronous: messages of
// their own from the receiver to the sender (BaRS Core 1.5, servicerequest-response).
type Answer string

// The answers.
const (
	AnswerInterim     Answer = "interim"      // application 4: the validation has begun
	AnswerFull        Answer = "full"         // application 4: its outcome
	AnswerRejected    Answer = "rejected"     // applications 4 and 6: it won't be done
	AnswerNotAttended Answer = "not-attended" // applications 1 and 2: safeguarding, the patient did not attend
	AnswerStatus      Answer = "status"       // application 6: the receiver's Encounter has another status
)

// RespondRequest asks the Desk to answer a referral that this system received.
type RespondRequest struct {
	Caller Caller
	Key    Key
	Body   []byte // what the idempotency hash is computed over
	// Referral is the logical id of the ServiceRequest.
	Referral string
	Answer   Answer
	// Status is the Encounter's new status: AnswerStatus only.
	Status string
	// Reason is the CodeableConcept that says why: AnswerRejected only.
	Reason *fhir.Object
	// Entries are what the answer adds: who answers (Practitioner and
	// PractitionerRole, else those of the request), the CarePlan of a full answer,
	// Flags of one who did not attend, a new case's Encounter. Their references may
	// name entries by fullUrl and records of ours relatively.
	Entries []Entry
}

// Outgoing is a message that is ready to be sent.
type Outgoing struct {
	// ID stays the same over all attempts: the X-Request-Id.
	ID          string
	Correlation string        // X-Correlation-Id of the request that is answered
	Target      nhs.ServiceID // the request's source.endpoint
	From        nhs.ODSCode   // our organisation
	UseContext  string        // the use-context header
	// Messages about one Focus are delivered in the order of Order.
	Focus  store.Ref
	Order  int64
	Bundle *fhir.Resource
}

// Outbox is where the Desk puts messages to others. The operation goes into the
// batch of the change that the message tells of.
type Outbox interface {
	Put(o Outgoing, created time.Time) (store.Op, error)
}

// Respond writes an answer into our own records and puts its message into the
// outbox, in one batch. Without an outbox it is not implemented; a referral that
// has ended, or whose Encounter has, is a conflict.
func (d *Desk) Respond(ctx context.Context, req RespondRequest) (*MessageResult, error) {
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		if d.outbox == nil {
			return nil, fhir.NewOutcome(fhir.KindNotImplemented, "", "this system is not set up to send messages")
		}
		return again(func() (*MessageResult, error) { return d.respondOnce(ctx, &req, idem) })
	})
}

func (d *Desk) respondOnce(ctx context.Context, req *RespondRequest, idem *store.Idem) (*MessageResult, error) {
	focus := store.Ref{Type: "ServiceRequest", ID: req.Referral}
	x, err := d.exchangeOf(ctx, focus)
	if err != nil {
		return nil, err
	}
	if x == nil || x.Sent {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "no message brought this referral")
	}
	s, err := d.service(ctx, nhs.ParseServiceID(x.Destination))
	if err != nil {
		return nil, err
	}
	w := d.newWork(req.Caller, s)
	w.focus = focus
	r := &reply{w: w, x: x, req: req}
	if err := r.decide(); err != nil {
		return nil, err
	}
	if err := r.write(ctx); err != nil {
		return nil, err
	}
	bundle, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.send(bundle); err != nil {
		return nil, err
	}
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	return d.finish(ctx, w, idem, &MessageResult{Bundle: bundle, Focus: focus})
}

// reply is an answer on its way into a batch.
type reply struct {
	w   *work
	x   *exchange
	req *RespondRequest

	definition *Definition
	encounter  string // the new status of our Encounter; "" where it stays
	ends       string // the status that our own ServiceRequest takes; "" where it stays
	says       string // the ServiceRequest's status in the message
	reason     string // MessageHeader.reason

	entries []*entry
	changed map[store.Ref]*fhir.Resource // the new text of records, and others that are shown
	given   bool                         // our Encounter's new version is in the batch already
}

// decide says what an answer means for our records and for the message.
func (r *reply) decide() error {
	app := application(r.x.UseCase)
	r.says, r.reason = "active", ReasonNew
	fits := false
	switch r.req.Answer {
	case AnswerInterim:
		fits = app == 4
		r.definition, r.encounter = definitionNamed(defInterim), "in-progress"
	case AnswerFull:
		fits = app == 4
		r.definition, r.encounter, r.ends = definitionNamed(defFull), "finished", "completed"
		if r.x.Interim != "" {
			r.reason = ReasonUpdate
		}
	case AnswerRejected:
		fits = app == 4 || app == 6
		r.definition, r.encounter, r.ends = definitionNamed(defInterim), "cancelled", "revoked"
		if app == 6 {
			r.definition = definitionNamed(defAnswerShort)
		}
		if r.req.Reason == nil {
			return fhir.NewOutcome(fhir.KindRequired, "Encounter.reasonCode", "a rejection must give its reason")
		}
	case AnswerNotAttended:
		fits = app == 1 || app == 2
		r.definition, r.encounter, r.ends, r.says = definitionNamed(defAnswer), "cancelled", "revoked", "revoked"
	case AnswerStatus:
		fits = app == 6
		r.definition, r.encounter = definitionNamed(defAnswerShort), r.req.Status
		switch r.req.Status {
		case "planned", "in-progress", "arrived":
		case "finished":
			r.ends = "completed"
		default:
			return fhir.NewOutcome(fhir.KindValue, "Encounter.status", "the status must be planned, in-progress, arrived or finished; a rejection is an answer of its own")
		}
	}
	if !fits {
		return fhir.NewOutcome(fhir.KindWorkflow, "", "the standard has no such answer to this kind of referral")
	}
	return nil
}

func definitionNamed(name string) *Definition { return definitionByURL(definitionBase + name) }

// write changes our own records.
func (r *reply) write(ctx context.Context) error {
	w := r.w
	if r.changed == nil {
		r.changed = map[store.Ref]*fhir.Resource{}
	}
	stored, referral, err := r.read(ctx, w.focus)
	if err != nil {
		return err
	}
	done := r.given && referral.Get("status").Text() == r.ends // by whom moved the Encounter
	if !isOpen(referral) && !done {
		return fhir.NewOutcome(fhir.KindConflict, "ServiceRequest.status", "the referral is no longer active")
	}
	r.x.Version = stored.Version
	if r.ends == "" || done {
		w.batch.Guards = append(w.batch.Guards, store.VersionGuard{Ref: w.focus, Version: stored.Version})
	} else if err := w.setStatus(stored, referral, r.ends); err != nil {
		return err
	} else {
		r.x.Version++
	}
	if referral, err = referral.Edit().SetText(referral.Root(), "status", r.says).Done(); err != nil {
		return err
	}
	r.changed[w.focus] = referral
	if !r.given {
		if err := r.writeEncounter(ctx); err != nil {
			return err
		}
	}
	if r.req.Answer == AnswerNotAttended {
		if err := r.writeBooking(ctx, referral); err != nil {
			return err
		}
		if err := r.addConcerns(ctx); err != nil {
			return err
		}
	}
	for _, e := range r.req.Entries {
		if o := w.d.conformAttached(e.Resource); o != nil {
			return o
		}
		r.entries = append(r.entries, attachedEntry(e))
	}
	if err := w.place(ctx, r.entries); err != nil {
		return err
	}
	return w.writeAll(r.entries)
}

func (r *reply) read(ctx context.Context, ref store.Ref) (*store.Record, *fhir.Resource, error) {
	stored, err := r.w.d.store.Get(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	if stored.Deleted {
		return nil, nil, fhir.NewOutcome(fhir.KindGone, ref.Type, "the record was deleted")
	}
	body, err := fhir.Parse(stored.Body)
	return stored, body, err
}

// writeEncounter moves our Encounter and gives it its reason.
func (r *reply) writeEncounter(ctx context.Context) error {
	stored, held, err := r.read(ctx, refOf(r.x.Planned))
	if err != nil {
		return err
	}
	// Staff may have moved the Encounter themselves: then only the news is missing.
	if was := held.Get("status").Text(); ended(was) && was != r.encounter {
		if r.req.Answer == AnswerNotAttended {
			return nil // a case that was closed before says nothing of the booking
		}
		return fhir.NewOutcome(fhir.KindConflict, "Encounter.status", "the Encounter has ended")
	}
	edit := held.Edit().SetText(held.Root(), "status", r.encounter)
	switch {
	case r.req.Reason != nil:
		edit.Set(held.Root(), "reasonCode", append(append([]byte{'['}, r.req.Reason.JSON()...), ']'))
	case r.x.Category == CategoryValidation && !held.Get("reasonCode").Exists():
		edit.Set(held.Root(), "reasonCode", validationReason())
	}
	updated, err := edit.Done()
	if err != nil {
		return err
	}
	rec, err := r.w.d.record(updated, stored.ID, "PUT", r.w.who.inherit(stored))
	if err != nil {
		return err
	}
	rec.Peer = stored.Peer
	r.w.put(rec, store.Condition{Version: stored.Version})
	r.changed[stored.Ref()] = updated
	return nil
}

// send puts the message into the outbox and notes that it was sent.
func (r *reply) send(bundle *fhir.Resource) error {
	w, x := r.w, r.x
	op, err := w.d.outbox.Put(Outgoing{
		ID: w.d.newID(), Correlation: x.Correlation, Target: nhs.ParseServiceID(x.Source), From: x.Receiver,
		UseContext: x.UseCase + "|" + x.Category + "|" + EventReferralAnswer + "|" + r.reason,
		Focus:      w.focus, Order: x.stood + 1, Bundle: bundle,
	}, w.d.now())
	if err != nil {
		return err
	}
	w.batch.Ops = append(w.batch.Ops, op)
	if r.req.Answer == AnswerInterim {
		x.Interim = bundle.ID()
	}
	if x.Answers == nil {
		x.Answers = map[string]string{}
	}
	for _, e := range r.entries {
		x.Answers[e.fullURL] = e.plan.ref.String()
	}
	header := bundle.Get("entry").At(0).Get("resource")
	value := fhir.Obj("bundle", bundle.ID(), "focus", w.focus.String(), "definition", r.definition.URL(),
		"event", EventReferralAnswer, "reason", r.reason, "useCase", x.UseCase, "sent", true,
		"at", fhir.FormatInstant(w.d.now()), "lastUpdated", bundle.Get("meta", "lastUpdated"), "header", header).JSON()
	w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: kindMessage, Key: messageKey(bundle.ID(), x.Receiver, w.focus.ID), Value: value})
	return w.remember(x)
}
