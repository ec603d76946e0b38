package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// addAppointment writes the appointment that the encounter names, and where it
// is. The reference names it and leaves it out.
//
// Start and end are left out, as there: the end isn't known, and STU3 wants both
// or none. requestedPeriod has the start.
func (m *stu3Mapper) addAppointment() {
	booking := m.report.appointment
	if booking == nil {
		return
	}
	participants := []*fhir.Object{fhir.Obj("actor", ref(m.patient), "required", "required", "status", "accepted")}
	var places []entry
	for _, participant := range booking.All("participant") {
		role := participant.Child("participantRole")
		place := m.url()
		participants = append(participants, fhir.Obj("actor", ref(place), "required", "required", "status", "accepted"))
		places = append(places, entry{place, m.resource("Location", place).
			Set("name", nodeValue(role.Child("playingEntity", "name"))).
			Set("description", nodeValue(role.Child("playingEntity", "desc"))).
			Set("address", stu3Address(role.Child("addr")))})
	}
	title, comment := "", ""
	for _, top := range sectionsOf(m.root.Child("component", "structuredBody")) {
		for _, section := range sectionsOf(top) {
			if section.Child("code").Attr("code") == sectionAppointment {
				title, comment = nodeValue(section.Child("title")), nodeValue(section.Child("text", "content"))
			}
		}
	}
	m.add(m.appointment, m.resource("Appointment", m.appointment).Set("status", "booked").
		Set("description", title).Set("comment", comment).
		Set("incomingReferral", refs(m.referral)).Set("participant", participants).
		Set("requestedPeriod", list(fhir.Obj("start", stu3Time(booking.Child("effectiveTime"))))))
	m.entries = append(m.entries, places...)
}

// allText is all text below an element.
func allText(n *xmltree.Node) string {
	if n == nil {
		return ""
	}
	if n.Local == "" {
		return n.Text
	}
	var b strings.Builder
	for _, c := range n.Children {
		b.WriteString(allText(c))
		b.WriteByte(' ')
	}
	return b.String()
}
