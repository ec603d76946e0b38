package bars

import (
	"encoding/json"
	"slices"

	"github.com/onward-health/onward/fhir"
)

// holdSlots takes the Slots and Schedules out of a booking that was sent and puts
// them into its Appointment, as contained resources. They are the receiver's: as
// records of ours they would be offered here, and the Appointment would lack
// their claims. It returns the focus.
func (m *message) holdSlots() (*fhir.Resource, error) {
	names := map[string]string{}
	var theirs []*entry
	for _, e := range m.entries {
		if e.typ == "Slot" || e.typ == "Schedule" {
			names[e.fullURL] = "their-" + itoa(len(theirs)+1)
			theirs = append(theirs, e)
		}
	}
	if len(theirs) == 0 {
		return m.focus.resource(), nil
	}
	var contained []json.RawMessage
	for _, e := range theirs {
		r := e.resource()
		edit := referTo(r, names).Remove(r.Root(), "meta")
		edit.SetText(r.Root(), "id", names[e.fullURL])
		held, err := edit.Done()
		if err != nil {
			return nil, err
		}
		contained = append(contained, held.JSON())
	}
	for item := range m.focus.res.Get("contained").Items() {
		contained = append(contained, item.Raw())
	}
	text, err := json.Marshal(contained)
	if err != nil {
		return nil, err
	}
	m.entries = slices.DeleteFunc(m.entries, func(e *entry) bool { return slices.Contains(theirs, e) })
	focus := m.focus.resource()
	return referTo(focus, names).Set(focus.Root(), "contained", text).Done()
}

// referTo replaces references to entries by those to contained resources.
func referTo(r *fhir.Resource, names map[string]string) *fhir.Edit {
	edit := r.Edit()
	fhir.Walk(r.Root(), func(name string, v fhir.Value) {
		if to := names[v.Text()]; to != "" && name == "reference" {
			edit.Replace(v, fhir.Quote("#"+to))
		}
	})
	return edit
}
