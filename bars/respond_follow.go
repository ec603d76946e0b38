package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// maxPlans bounds the CarePlans of one Encounter that are looked at.
const maxPlans = 20

// followEncounter tells who sent a referral that our Encounter of it has another
// status, in the batch of that change (BaRS Core 1.5, servicerequest-response):
// the status of a case for another control room, the beginning, outcome or
// rejection of a validation. Other referrals have no such answer.
func (w *work) followEncounter(ctx context.Context, r *fhir.Resource, id string, before *fhir.Resource) error {
	if w.d.outbox == nil || before == nil {
		return nil
	}
	self := store.Ref{Type: "Encounter", ID: id}
	if err := w.keepsReferral(ctx, r, before, self); err != nil || before.Get("status").Text() == r.Get("status").Text() {
		return err
	}
	for ref := range localReferences(before.Get("basedOn"), "ServiceRequest") {
		x, err := w.d.exchangeOf(ctx, ref)
		if err != nil {
			return err
		}
		if x == nil || x.Sent || x.Planned != self.String() {
			continue
		}
		req := answerTo(x, r)
		if req == nil {
			return nil
		}
		shown, err := explained(x, r)
		if err != nil {
			return err
		}
		return w.tell(ctx, x, req, self, shown, true)
	}
	return nil
}

// keepsReferral refuses that our Encounter of a referral names it no longer: what
// becomes of the Encounter would be told to nobody from then on. r is nil where the
// Encounter is deleted.
func (w *work) keepsReferral(ctx context.Context, r, before *fhir.Resource, self store.Ref) error {
	for ref := range localReferences(before.Get("basedOn"), "ServiceRequest") {
		if stands(r, "basedOn", ref) {
			continue
		}
		x, err := w.d.exchangeOf(ctx, ref)
		if err != nil {
			return err
		}
		if x != nil && !x.Sent && x.Planned == self.String() {
			return fhir.NewOutcome(fhir.KindProcessing, "Encounter.basedOn", "this Encounter answers a referral: it must go on naming it, and end before it is deleted")
		}
	}
	return nil
}

// tell adds an answer to the batch that changes the record self. encounter says
// that this record is our Encounter.
func (w *work) tell(ctx context.Context, x *exchange, req *RespondRequest, self store.Ref, r *fhir.Resource, encounter bool) error {
	s, err := w.d.service(ctx, nhs.ParseServiceID(x.Destination))
	if err != nil {
		return err
	}
	own := w.d.newWork(CallerFrom(ctx), s)
	own.focus = refOf(x.Focus)
	answer := &reply{w: own, x: x, req: req, given: encounter, changed: map[store.Ref]*fhir.Resource{self: r}}
	if revoked, err := answer.withdrawn(ctx); err != nil || revoked {
		return err
	}
	if err := answer.decide(); err != nil {
		return err
	}
	if req.Answer == AnswerFull {
		if err := answer.addPlans(ctx, self); err != nil {
			return err
		}
	}
	if err := answer.write(ctx); err != nil {
		return err
	}
	bundle, err := answer.build(ctx)
	if err != nil {
		return err
	}
	if err := answer.send(bundle); err != nil {
		return err
	}
	w.batch.Ops = append(w.batch.Ops, own.batch.Ops...)
	w.batch.Guards = append(w.batch.Guards, own.batch.Guards...)
	return nil
}

// answerTo says which answer a status of our Encounter makes; nil where none.
func answerTo(x *exchange, r *fhir.Resource) *RespondRequest {
	req := &RespondRequest{Referral: refOf(x.Focus).ID, Status: r.Get("status").Text()}
	validation := application(x.UseCase) == 4
	switch {
	case !validation && application(x.UseCase) != 6:
		return nil
	case req.Status == "cancelled":
		req.Answer = AnswerRejected
		if reason := r.Get("reasonCode").At(0); reason.Exists() {
			req.Reason = fhir.ObjectOf(reason)
		}
		return req
	case !validation:
		req.Answer = AnswerStatus
		switch req.Status {
		case "planned", "arrived", "in-progress", "finished":
			return req
		}
		return nil // the standard has no word for it
	case req.Status == "in-progress" && x.Interim == "":
		req.Answer = AnswerInterim
	case req.Status == "finished":
		req.Answer = AnswerFull
	default:
		return nil
	}
	return req
}

// withdrawn says that the sender has taken the referral back: then nobody waits
// for an answer.
func (r *reply) withdrawn(ctx context.Context) (bool, error) {
	_, referral, err := r.read(ctx, r.w.focus)
	if err != nil {
		return false, err
	}
	status := referral.Get("status").Text()
	return status == "revoked" || status == "entered-in-error", nil
}

// explained is the Encounter as the message shows it: a validation's says what
// it is for.
func explained(x *exchange, r *fhir.Resource) (*fhir.Resource, error) {
	if x.Category != CategoryValidation || r.Get("reasonCode").Exists() {
		return r, nil
	}
	return r.Edit().Set(r.Root(), "reasonCode", validationReason()).Done()
}

func validationReason() []byte {
	return []byte(`[{"coding":[{"system":"` + systemEncounterReason + `","code":"` + triageOutcome + `"}]}]`)
}

// addPlans adds the newest CarePlan of our Encounter, which says what came of a
// validation: the standard has room for one.
func (r *reply) addPlans(ctx context.Context, encounter store.Ref) error {
	found, err := r.w.d.find(ctx, "CarePlan", search.Has("encounter:"+encounter.String()), maxPlans)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fhir.NewOutcome(fhir.KindProcessing, "Encounter.status", "a validation ends with its outcome: write the CarePlan of this Encounter first")
	}
	newest := slices.MaxFunc(found, func(a, b *store.Record) int { return a.LastUpdated.Compare(b.LastUpdated) })
	plan, err := fhir.Parse(newest.Body)
	if err != nil {
		return err
	}
	others, err := r.w.d.ofOthers(ctx, map[store.Ref]*store.Record{newest.Ref(): newest}, refOf(r.x.Patient))
	if err != nil {
		return err
	}
	if others[newest.Ref()] {
		return fhir.NewOutcome(fhir.KindProcessing, "Encounter.status", "the newest CarePlan of this Encounter is another patient's")
	}
	r.changed[newest.Ref()] = plan
	return nil
}
