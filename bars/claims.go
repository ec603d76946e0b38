package bars

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// occupying are the statuses in which an Appointment claims its slots.
var occupying = []string{"proposed", "pending", "booked", "arrived", "checked-in", "fulfilled"}

func occupies(status string) bool { return slices.Contains(occupying, status) }

// terminal says whether an Appointment's status doesn't change again.
func terminal(status string) bool {
	switch status {
	case "fulfilled", "cancelled", "noshow", "entered-in-error":
		return true
	}
	return false
}

// slotOwner is the claim owner of a Slot that its publisher has closed.
func slotOwner(id string) string { return "Slot/" + id }

// slotRefs lists the slots of ours that an Appointment names, relatively or
// under our own base, sorted, once each.
func (d *Desk) slotRefs(appointment *fhir.Resource) []store.Ref {
	var refs []store.Ref
	for item := range appointment.Get("slot").Items() {
		ref, ok := fhir.ParseReference(item.Get("reference").Text())
		if ok && ref.Type == "Slot" && (ref.Base == "" || ref.Base == d.base+"/") {
			refs = append(refs, store.Ref{Type: "Slot", ID: ref.ID})
		}
	}
	slices.SortFunc(refs, func(a, b store.Ref) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(refs)
}

// take notes that an Appointment takes slots. known are those that have been
// read and judged already.
func (w *work) take(owner store.Ref, refs []store.Ref, at string, known ...slotRecord) {
	for i := range known {
		w.diary.known[known[i].rec.ID] = &known[i]
	}
	for _, ref := range refs {
		w.diary.takes = append(w.diary.takes, want{ref.ID, owner, at, w.change})
	}
}

// leave notes that an Appointment gives slots back.
func (w *work) leave(owner store.Ref, refs []store.Ref) {
	for _, ref := range refs {
		w.diary.leaves = append(w.diary.leaves, want{ref.ID, owner, "Appointment", w.change})
	}
}
