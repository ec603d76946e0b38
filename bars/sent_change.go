package bars

import (
	"context"
	"net/url"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// kindTheirs finds a referral or booking that was sent by the id that its
// receiver gave it.
const kindTheirs = "theirs"

func theirsKey(receiver nhs.ServiceID, ref string) string {
	return url.PathEscape(receiver.String()) + "|" + ref
}

// noteTheirs notes which ids the receiver gave: later messages go by them.
func (w *work) noteTheirs(m *message, x *exchange, answer *fhir.Resource) {
	if answer == nil {
		return
	}
	x.Theirs = map[string]string{}
	for item := range answer.Get("entry").Items() {
		res := item.Get("resource")
		ours, theirs := x.Parts[localName(item.Get("fullUrl").Text())], store.Ref{Type: res.Get("resourceType").Text(), ID: res.Get("id").Text()}
		if ours == "" || !fhir.ValidID(theirs.ID) || refOf(ours).Type != theirs.Type {
			continue
		}
		x.Theirs[theirs.String()] = ours
		if ours == x.Focus {
			w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: kindTheirs, Key: theirsKey(m.destination.service, theirs.String()), Value: []byte(ours)})
		}
	}
}

// changeSent brings our records of what was sent to where a later message of ours
// has brought the receiver's.
func (w *work) changeSent(ctx context.Context, m *message) error {
	notKept := fhir.NewOutcome(fhir.KindNotFound, m.focus.path(), "what this message changes is not kept here")
	found, err := w.d.store.AuxGet(ctx, kindTheirs, []string{theirsKey(m.destination.service, m.focus.typ+"/"+m.focus.id)})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return notKept
	}
	w.focus = refOf(string(found[0].Value))
	x, err := w.d.exchangeOf(ctx, w.focus)
	if err != nil {
		return err
	}
	stored, err := w.d.store.GetMany(ctx, []store.Ref{w.focus})
	if err != nil {
		return err
	}
	if x == nil || !x.Sent || len(stored) == 0 {
		return notKept
	}
	if m.rule.act == actUpdateReferral {
		return w.updateSent(ctx, m, x, stored[0])
	}
	held, err := fhir.Parse(stored[0].Body)
	if err != nil {
		return err
	}
	x.Version = stored[0].Version + 1
	x.LastUpdated = laterText(m.bundle.Get("meta", "lastUpdated").Text(), x.LastUpdated)
	if err := w.closePlanned(ctx, x); err != nil {
		return err
	}
	if err := w.applyStatus(m.focus, stored[0], held); err != nil {
		return err
	}
	return w.remember(x)
}

// updateSent writes what an update says, as its receiver does: what is later
// replaces, what is new is added.
func (w *work) updateSent(ctx context.Context, m *message, x *exchange, stored *store.Record) error {
	if err := w.place(ctx, m.entries); err != nil {
		return err
	}
	for _, e := range m.entries {
		ours := refOf(x.Theirs[e.typ+"/"+e.id])
		switch {
		case e == m.focus:
			w.mean(e, plan{ref: w.focus, known: true})
		case e.typ == "Encounter" && x.Answers[e.fullURL] == x.Planned && x.Planned != "":
			w.mean(e, plan{ref: refOf(x.Planned), link: true}) // the receiver's, shown back to it
		case e.plan.link:
		default:
			if ours.Type != e.typ {
				ours = x.part(e, x.Parts)
			}
			if ours.ID == "" {
				continue
			}
			if err := w.brings(ctx, e, ours); err != nil {
				return err
			}
		}
	}
	if err := w.writeUpdate(ctx, m, x, stored); err != nil {
		return err
	}
	return w.remember(x)
}
