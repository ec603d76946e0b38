package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

const pathAppointment = classification + "/entry/encounter"

// appointmentInfo names an appointment that was booked along with the report:
// the message type has no room for an Appointment.
func (m *mapper) appointmentInfo() *fhir.Object {
	booking := m.report.appointment
	if booking == nil {
		return nil
	}
	const path = pathAppointment
	display := "Appointment"
	if at := m.time(booking.Child("effectiveTime"), path+"/effectiveTime"); !at.zero() {
		display += " at " + at.dateTime()
	}
	if place := booking.Child("participant", "participantRole", "playingEntity", "name").Content(); place != "" {
		display += ", " + oneLine(place)
	}
	o := fhir.Obj("type", "Appointment")
	if ids := m.identifiers(booking.All("id"), path+"/id"); len(ids) > 0 {
		o.Set("identifier", ids[0])
	}
	return o.Set("display", display)
}

// addAppointmentPlace makes the Location at which such an appointment is.
func (m *mapper) addAppointmentPlace() *fhir.Object {
	role := m.report.appointment.Child("participant", "participantRole")
	if role == nil {
		return nil
	}
	var codes []*fhir.Object
	for _, id := range role.All("id") {
		if root := id.Attr("root"); (root == oidODS || root == oidODSSite) && id.Attr("extension") != "" {
			m.assigned(id)
			codes = append(codes, odsIdentifiers(oidODSSite, strings.ToUpper(strings.TrimSpace(id.Attr("extension"))))...)
		} else {
			codes = append(codes, list(m.identifier(id, pathAppointment+"/participant/participantRole/id"))...)
		}
	}
	place := m.ukCore("Location").
		Set("identifier", codes).
		Set("status", "active").
		Set("name", oneLine(role.Child("playingEntity", "name").Content())).
		Set("description", oneLine(role.Child("playingEntity", "desc").Content()))
	if all := m.addresses(role.All("addr"), pathAppointment+"/participant/participantRole"); len(all) > 0 {
		place.Set("address", all[0])
	}
	url := m.url()
	m.add(url, place)
	return ref(url).Set("display", placeOfAppointment)
}

// placeOfAppointment is how the supporting information names it.
const placeOfAppointment = "Place of the appointment"
