package bars

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// walkPage is how many claims or records a walk reads at once.
const walkPage = 500

// claims walks the claims and looks at the slots of those that seem wrong.
func (v *verifier) claims(ctx context.Context) error {
	for after := ""; ; {
		page, err := v.d.store.AuxScan(ctx, "claim", "", after, walkPage)
		if err != nil || len(page) == 0 {
			return err
		}
		after = page[len(page)-1].Key
		v.report.Claims += len(page)
		var slots, owners []store.Ref
		times := map[string]int{} // a slot's claims come with one page
		for _, c := range page {
			if c.Expires.IsZero() {
				times[c.Key]++
				slots = append(slots, store.Ref{Type: "Slot", ID: c.Key})
				if ref, is := appointmentOf(c); is {
					owners = append(owners, ref)
				}
			}
		}
		slotBodies, err := v.bodies(ctx, slots)
		if err != nil {
			return err
		}
		ownerBodies, err := v.bodies(ctx, owners)
		if err != nil {
			return err
		}
		for _, c := range page {
			if !c.Expires.IsZero() {
				continue
			}
			slot := store.Ref{Type: "Slot", ID: c.Key}
			ref, byAppointment := appointmentOf(c)
			fine := times[c.Key] == 1 && slotBodies[slot] != nil && slotBodies[slot].Get("status").Text() != "free"
			if byAppointment {
				fine = fine && ownerBodies[ref] != nil && v.has(ownerBodies[ref], slot)
			} else {
				fine = fine && string(c.Value) == slotOwner(slot.ID)
			}
			if fine {
				continue
			}
			if err := v.slot(ctx, slot); err != nil {
				return err
			}
		}
	}
}

func appointmentOf(claim store.Aux) (store.Ref, bool) {
	id, is := strings.CutPrefix(string(claim.Value), "Appointment/")
	return store.Ref{Type: "Appointment", ID: id}, is
}

// has says whether an Appointment occupies a slot.
func (v *verifier) has(appointment *fhir.Resource, slot store.Ref) bool {
	return occupies(appointment.Get("status").Text()) && slices.Contains(v.d.slotRefs(appointment), slot)
}

// bodies reads records; what isn't there, is deleted or can't be read is left
// out.
func (v *verifier) bodies(ctx context.Context, refs []store.Ref) (map[store.Ref]*fhir.Resource, error) {
	out := map[store.Ref]*fhir.Resource{}
	for chunk := range slices.Chunk(refs, store.MaxMany) {
		found, err := v.d.store.GetMany(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, rec := range found {
			if r, err := fhir.Parse(rec.Body); err == nil {
				out[rec.Ref()] = r
			}
		}
	}
	return out, nil
}

// walk reads all records of a type in one of these statuses.
func (v *verifier) walk(ctx context.Context, typ string, statuses []string, f func([]*store.Record) error) error {
	q := &search.Query{Type: typ, Where: inStatus(statuses), Count: walkPage, Sort: []search.Sort{{Param: "_id"}}}
	for {
		page, err := v.d.store.Search(ctx, q)
		if err != nil {
			return err
		}
		if err := f(page.Records); err != nil || page.Next == "" {
			return err
		}
		q.Cursor = page.Next
	}
}

// claimsOf reads the claims for good of slots, by slot id.
func (v *verifier) claimsOf(ctx context.Context, slots []store.Ref) (map[string][]string, error) {
	out := map[string][]string{}
	for chunk := range slices.Chunk(slots, store.MaxMany) {
		ids := make([]string, len(chunk))
		for i, s := range chunk {
			ids[i] = s.ID
		}
		found, err := v.d.store.AuxGet(ctx, "claim", ids)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			if c.Expires.IsZero() {
				out[c.Key] = append(out[c.Key], string(c.Value))
			}
		}
	}
	return out, nil
}

// appointments walks those that occupy slots and looks at slots whose claim
// isn't theirs.
func (v *verifier) appointments(ctx context.Context) error {
	return v.walk(ctx, "Appointment", occupying, func(records []*store.Record) error {
		v.report.Appointments += len(records)
		wants := map[string][]store.Ref{}
		var all []store.Ref
		for _, rec := range records {
			r, err := fhir.Parse(rec.Body)
			if err != nil {
				continue // a breach of RuleBody
			}
			wants[rec.ID] = v.d.slotRefs(r)
			all = append(all, wants[rec.ID]...)
		}
		owners, err := v.claimsOf(ctx, all)
		if err != nil {
			return err
		}
		for id, slots := range wants {
			for _, slot := range slots {
				if slices.Contains(owners[slot.ID], "Appointment/"+id) {
					continue
				}
				if err := v.slot(ctx, slot); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// closedSlots walks slots that aren't free and looks at those that nothing
// claims.
func (v *verifier) closedSlots(ctx context.Context) error {
	closed := []string{"busy", "busy-unavailable", "busy-tentative", "entered-in-error"} // all but free
	return v.walk(ctx, "Slot", closed, func(records []*store.Record) error {
		v.report.Slots += len(records)
		refs := make([]store.Ref, len(records))
		for i, rec := range records {
			refs[i] = rec.Ref()
		}
		owners, err := v.claimsOf(ctx, refs)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if len(owners[ref.ID]) > 0 {
				continue
			}
			if err := v.slot(ctx, ref); err != nil {
				return err
			}
		}
		return nil
	})
}

// slotScene is all that stands around one slot.
type slotScene struct {
	slot         *store.Record // nil: not here
	owners       []string      // of the claims for good
	appointments []*store.Record
}

func (s slotScene) same(o slotScene) bool {
	if (s.slot == nil) != (o.slot == nil) || (s.slot != nil && s.slot.Version != o.slot.Version) || !slices.Equal(s.owners, o.owners) {
		return false
	}
	return slices.EqualFunc(s.appointments, o.appointments, func(a, b *store.Record) bool { return a.ID == b.ID && a.Version == b.Version })
}

// settle bounds how often a slot is read until it stands still.
const settle = 10

// slot judges one slot once two readings of it are the same: a booking that
// comes in between would else look like a breach.
func (v *verifier) slot(ctx context.Context, ref store.Ref) error {
	before, err := v.around(ctx, ref)
	if err != nil {
		return err
	}
	for range settle {
		now, err := v.around(ctx, ref)
		if err != nil {
			return err
		}
		if now.same(before) {
			return v.judge(ctx, ref, now)
		}
		before = now
	}
	v.report.Unsettled++
	return nil
}

func (v *verifier) around(ctx context.Context, ref store.Ref) (slotScene, error) {
	var s slotScene
	slots, err := v.d.store.GetMany(ctx, []store.Ref{ref})
	if err != nil {
		return s, err
	}
	if len(slots) == 1 {
		s.slot = slots[0]
	}
	owners, err := v.claimsOf(ctx, []store.Ref{ref})
	if err != nil {
		return s, err
	}
	s.owners = owners[ref.ID]
	// By the index, and by the claim in case that the index is wrong.
	list, err := v.occupants(ctx, ref)
	if err != nil {
		return s, err
	}
	for _, owner := range s.owners {
		id, is := strings.CutPrefix(owner, "Appointment/")
		if !is {
			continue
		}
		rec, err := v.d.store.Get(ctx, store.Ref{Type: "Appointment", ID: id})
		if err == nil && !rec.Deleted {
			list = append(list, rec)
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return s, err
		}
	}
	slices.SortFunc(list, func(a, b *store.Record) int { return strings.Compare(a.ID, b.ID) })
	list = slices.CompactFunc(list, func(a, b *store.Record) bool { return a.ID == b.ID })
	for _, rec := range list {
		if r, err := fhir.Parse(rec.Body); err == nil && v.has(r, ref) {
			s.appointments = append(s.appointments, rec)
		}
	}
	return s, nil
}

// occupants finds the Appointments that occupy a slot. Those that once did may be
// hundreds.
func (v *verifier) occupants(ctx context.Context, slot store.Ref) ([]*store.Record, error) {
	q := &search.Query{Type: "Appointment", Count: search.MaxCount, Where: search.And{search.Has("slot:" + slot.String()), inStatus(occupying)}}
	var list []*store.Record
	for {
		page, err := v.d.store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Records...)
		if page.Next == "" {
			return list, nil
		}
		q.Cursor = page.Next
	}
}

func inStatus(statuses []string) search.HasAny {
	any := search.HasAny{}
	for _, s := range statuses {
		any = append(any, "status:"+s)
	}
	return any
}

func (v *verifier) judge(ctx context.Context, ref store.Ref, s slotScene) error {
	occupant := map[string]bool{}
	for _, rec := range s.appointments {
		occupant[rec.Ref().String()] = true
	}
	if len(s.owners) > 1 {
		v.add(Breach{Rule: RuleOnce, What: ref.String(), Note: "the Slot has several claims"})
	}
	for _, owner := range s.owners {
		if !occupant[owner] && !(owner == slotOwner(ref.ID) && s.slot != nil) {
			v.add(Breach{Rule: RuleOwner, What: ref.String(), Other: recordName(owner), Note: "the owner of the claim doesn't occupy the slot"})
		}
	}
	for _, rec := range s.appointments {
		name := rec.Ref().String()
		if s.slot == nil {
			v.add(Breach{Rule: RuleSlotHere, What: name, Other: ref.String(), Note: "the Appointment names a Slot that isn't here"})
		}
		if slices.Contains(s.owners, name) {
			continue
		}
		rule, err := v.ofAppointment(ctx, rec)
		if err != nil {
			return err
		}
		v.add(Breach{Rule: rule, What: name, Other: ref.String(), Note: "the Appointment occupies the Slot without its claim"})
	}
	if s.slot == nil {
		return nil
	}
	return v.status(ctx, s)
}

// ofAppointment tells an Appointment that has none of its slots from one that
// has some.
func (v *verifier) ofAppointment(ctx context.Context, rec *store.Record) (Rule, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return RuleClaimed, nil
	}
	owners, err := v.claimsOf(ctx, v.d.slotRefs(r))
	if err != nil {
		return "", err
	}
	for _, list := range owners {
		if slices.Contains(list, rec.Ref().String()) {
			return RulePartly, nil
		}
	}
	return RuleClaimed, nil
}

// recordName keeps what can only be a record's name: an owner may be the id of a
// link.
func recordName(owner string) string {
	if typ, id, _ := strings.Cut(owner, "/"); (typ == "Appointment" || typ == "Slot") && fhir.ValidID(id) {
		return owner
	}
	return ""
}
