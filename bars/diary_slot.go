package bars

import (
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// slotCase is one slot of a diary: who has it, who wants it, what its publisher
// makes of it.
type slotCase struct {
	id              string
	owner           string // of its claim, "" for none; a hold is none
	holder          string // of a hold
	takers, leavers []*want
	write           *slotWrite
	stored          *slotRecord // nil where there is none, or where it is written
}

func (c *slotCase) settle(out *settlement) (int, error) {
	switch {
	case len(c.takers) > 0:
		return c.taken(out)
	case c.owner != "" && c.owner != slotOwner(c.id) && !c.left():
		return c.kept(out)
	default:
		return c.opened(out)
	}
}

// left says whether the slot's owner gives it up.
func (c *slotCase) left() bool {
	for _, l := range c.leavers {
		if c.owner == l.owner.String() || c.owner == "" {
			return true
		}
	}
	return false
}

func notFree(w *want) (int, error) {
	return w.change, fhir.NewOutcome(fhir.KindConflict, w.at+".slot", "the slot is not free")
}

// closed says whether a publisher keeps a slot with this status from being
// booked.
func closed(status string) bool { return status == "busy-unavailable" || status == "entered-in-error" }

// taken gives the slot to the Appointment that wants it.
func (c *slotCase) taken(out *settlement) (int, error) {
	taker := c.takers[0]
	owner := taker.owner.String()
	for _, other := range c.takers[1:] {
		if other.owner != taker.owner {
			return other.change, fhir.NewOutcome(fhir.KindConflict, other.at+".slot", "another entry of the transaction books the same Slot")
		}
	}
	mine := c.owner == owner || c.holder == owner
	publisher := c.write != nil && c.owner == slotOwner(c.id)
	if c.owner != "" && !mine && !c.left() && !publisher {
		return notFree(taker)
	}
	out.claim(taker.change, store.Claim{Slot: c.id, Owner: owner, Predecessor: c.owner})
	if c.write != nil {
		return c.takenAsWritten(out, taker)
	}
	if c.stored == nil {
		return taker.change, fhir.NewOutcome(fhir.KindProcessing, taker.at+".slot", "the Appointment names a Slot that is not here")
	}
	status := c.stored.res.Get("status").Text()
	if status != "free" && !mine && (!c.left() || closed(status)) {
		return notFree(taker)
	}
	return out.setStatus(taker.change, c.stored, "busy")
}

// takenAsWritten is taken where the publisher writes the Slot too: what they say
// of it must agree.
func (c *slotCase) takenAsWritten(out *settlement, taker *want) (int, error) {
	if c.write.res == nil {
		return taker.change, fhir.NewOutcome(fhir.KindConflict, taker.at+".slot", "another entry of the transaction deletes the Slot")
	}
	status := c.write.res.Get("status").Text()
	if closed(status) {
		return notFree(taker)
	}
	if status == "free" {
		r, err := c.write.res.Edit().SetText(c.write.res.Root(), "status", "busy").Done()
		if err != nil {
			return c.write.change, err
		}
		c.write.res = r
	}
	return out.write(c.write)
}

// kept leaves the slot with the Appointment that has it.
func (c *slotCase) kept(out *settlement) (int, error) {
	if c.write == nil {
		return 0, nil // who leaves it doesn't have it
	}
	refused := func(at, text string) (int, error) {
		return c.write.change, fhir.NewOutcome(fhir.KindConflict, at, text)
	}
	switch r, before := c.write.res, c.write.before; {
	case r == nil:
		return refused("Slot", "an Appointment has this Slot; it can't be deleted")
	case r.Get("status").Text() == "free":
		return refused("Slot.status", "an Appointment has this Slot; cancel the Appointment to free it")
	case before != nil && movesSlot(r, before):
		return refused("Slot", "an Appointment has this Slot; start, end and schedule can't change")
	}
	return out.write(c.write)
}

// opened settles a slot that no Appointment has now: its publisher's word holds.
// One that an Appointment leaves is free again, unless its publisher has closed
// it meanwhile.
func (c *slotCase) opened(out *settlement) (int, error) {
	closedByPublisher := store.Claim{Slot: c.id, Owner: slotOwner(c.id), Predecessor: c.owner}
	if c.write != nil {
		if r := c.write.res; r == nil || r.Get("status").Text() == "free" {
			// An unclaimed slot may be held, which is no concern of its publisher's.
			out.release(c.write.change, c.id, c.owner)
		} else {
			out.claim(c.write.change, closedByPublisher)
		}
		return out.write(c.write)
	}
	change := c.leavers[0].change
	if c.stored == nil {
		out.release(change, c.id, c.owner)
		return 0, nil
	}
	if closed(c.stored.res.Get("status").Text()) {
		// The publisher may open the slot in the same moment.
		out.guards = append(out.guards, store.VersionGuard{Ref: c.stored.rec.Ref(), Version: c.stored.rec.Version})
		out.claim(change, closedByPublisher)
		return 0, nil
	}
	out.release(change, c.id, c.owner)
	return out.setStatus(change, c.stored, "free")
}
