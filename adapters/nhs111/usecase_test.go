package nhs111

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUseCaseIsTheInteractionsUnlessTheServiceOffersOthers(t *testing.T) {
	for _, c := range []struct {
		interaction, service string
		offered              []string
		want                 string
	}{
		{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "", nil, "a1t2"},
		{"primaryEmergencyDepartmentRecipientNHS111CDADocument-v2-0", "", nil, "a1t1"},
		{"primaryNHS111RequestforAmbulance-v2-0", "", nil, "a1t10"},
		{"", "urn:nhs-itk:services:201005:RequestAmbulanceDispatch-v2-0", nil, "a1t10"},
		{"primaryEmergencyDepartmentRecipientNHS111CDADocument-v2-0", "", []string{"a1t2", "a1t1"}, "a1t1"},
		{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "", []string{"a5t1", "a1t7"}, "a1t7"},
		{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "", []string{"a5t1"}, "a1t2"},
	} {
		e := &envelope{Interaction: c.interaction, Service: c.service}
		require.Equal(t, c.want, e.useCase(useCaseUTC, c.offered), c.interaction)
	}
}

func TestOnlyAddressesOfAppointmentsInBookingSectionsAreLinks(t *testing.T) {
	const title, href = "<title>Nested note</title>", "https://onward.test/leaflet"
	booked := edit{title, "<title>Booked Appointment Information</title>"}
	links := func(edits ...edit) int {
		n := 0
		for item := range mapOf(t, edits...)["ServiceRequest"][0].Get("supportingInfo").Items() {
			if item.Get("display").Text() == "Booked appointment" {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, links(booked, edit{href, "https://onward.test/FHIR/R4/Appointment/1234567"}))
	require.Zero(t, links(edit{href, "https://onward.test/FHIR/R4/Appointment/1234567"}), "of another section")
	for _, address := range []string{"https://onward.test/Appointment/", "https://onward.test/Appointment/a b", "javascript:/Appointment/1", "/Appointment/1", "https:///Appointment/1"} {
		require.Zero(t, links(booked, edit{href, address}), address)
	}
}
