package bars_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

// Paths of the workflow variables.
const (
	reason         = "MessageHeader.reason.coding[0].code"
	event          = "MessageHeader.eventCoding.code"
	definition     = "MessageHeader.definition"
	srStatus       = "ServiceRequest.status"
	srCategory     = "ServiceRequest.category[0].coding[0].code"
	srUseCase      = "ServiceRequest.category[0].coding[1].code"
	bookingUseCase = "Appointment.serviceCategory[0].coding[0].code"
	definitions    = "https://fhir.nhs.uk/MessageDefinition/"
)

func with(list ...changes) changes {
	out := changes{}
	for _, c := range list {
		for k, v := range c {
			out[k] = v
		}
	}
	return out
}

// validation makes a request for validation of a referral.
var validation = changes{srCategory: "validation", srUseCase: "a4t1", "CarePlan.status": "active", "Encounter.status": "triaged",
	definition: definitions + "bars-message-servicerequest-request-validation", "-Condition": nil, "ServiceRequest.reasonReference": nil,
	"+": []string{`{"resourceType":"Location","name":"The scene","extension":[{"url":"https://fhir.nhs.uk/StructureDefinition/LocationExtension",
		"extension":[{"url":"what3words","valueString":"sample.sample.sample"}]}]}`}}

// cadCase is always of one journey, so that it can be updated.
var cadCase = changes{srUseCase: "a6t1", "CarePlan.status": "active", journey: "EpisodeOfCare/0c000000-0000-4000-8000-000000000001"}

func TestReferralsThatTheDecisionTableKnowsAreTaken(t *testing.T) {
	s := open(t)
	for name, c := range map[string]changes{
		"application 1":                          {},
		"application 2":                          {srUseCase: "a2t6"},
		"application 3":                          {srUseCase: "a3t1"},
		"application 5":                          {srUseCase: "a5t1"},
		"application 5's old code":               {srUseCase: "referraltopharmacy"},
		"application 8":                          {srUseCase: "a8t1"},
		"the guide's upper case":                 {srUseCase: "A1T10"},
		"Encounter triaged":                      {"Encounter.status": "triaged"},
		"application 6, Encounter finished":      cadCase,
		"application 6, Encounter triaged":       with(cadCase, changes{"Encounter.status": "triaged"}),
		"application 6, Encounter in progress":   with(cadCase, changes{"Encounter.status": "in-progress"}),
		"application 6 with a Task":              with(cadCase, changes{"+": []string{`{"resourceType":"Task","status":"requested","intent":"plan"}`}}),
		"application 4":                          validation,
		"application 4, Encounter in progress":   with(validation, changes{"Encounter.status": "in-progress"}),
		"a definition that names its version":    {definition: definitions + "bars-message-servicerequest-request-referral|1.0.0"},
		"the same category in two spellings too": {"ServiceRequest.category[0].coding[2]": map[string]any{"system": bars.SystemCategories, "code": "referral"}},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := s.sendTo(hospital, referral(t, toService(hospital), c, changes{journey: "EpisodeOfCare/" + uuid.NewString()}))
			require.NoError(t, err)
			require.Equal(t, "active", s.status("ServiceRequest", focus(result)))
		})
	}
}

func TestBookingsThatTheDecisionTableKnowsAreTaken(t *testing.T) {
	for name, c := range map[string]changes{
		"application 1":          {},
		"application 2":          {bookingUseCase: "a2t2"},
		"application 7":          {bookingUseCase: "a7t1"},
		"the guide's upper case": {bookingUseCase: "A1T2"},
		"application 7's service category": {"Appointment.serviceCategory[0].coding[0]": map[string]any{
			"system": "http://terminology.hl7.org/CodeSystem/service-category", "code": "17"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			require.Equal(t, "booked", s.status("Appointment", focus(s.accepted(booking(t, 0, c)))))
		})
	}
}

func TestCancellationsThatTheDecisionTableKnowsAreTaken(t *testing.T) {
	for _, why := range []string{"update", "delete"} {
		for _, status := range []string{"cancelled", "entered-in-error"} {
			t.Run("booking "+why+" "+status, func(t *testing.T) {
				s := open(t)
				id := focus(s.accepted(booking(t, 0)))
				s.accepted(bookingCancel(t, id, 0, changes{reason: why, "Appointment.status": status}))
				require.Equal(t, status, s.status("Appointment", id))
				s.invariant()
			})
		}
		for _, status := range []string{"revoked", "entered-in-error"} {
			t.Run("referral "+why+" "+status, func(t *testing.T) {
				s := open(t)
				id := focus(s.accepted(referral(t)))
				s.accepted(referralCancel(t, id, changes{reason: why, srStatus: status}))
				require.Equal(t, status, s.status("ServiceRequest", id))
			})
		}
	}
}

const (
	header = "Bundle.entry[0].resource"
	first  = "Bundle.entry[1].resource" // the focus
)

type refusal struct {
	name   string
	change changes
	kind   fhir.Kind
	at     []string
}

// refuses demands that a message is refused as a row says, and stores nothing.
func (s *scene) refuses(t *testing.T, row refusal, body []byte) {
	t.Helper()
	before := s.size()
	_, err := s.send(body)
	refused(t, err, row.kind, row.at...)
	require.Equal(t, before, s.size())
}

func TestReferralsThatTheDecisionTableDoesNotKnowAreRefused(t *testing.T) {
	s := open(t)
	workflow := []string{first + ".status"}
	for _, row := range []refusal{
		{"new and revoked", changes{srStatus: "revoked"}, fhir.KindWorkflow, workflow},
		{"new and on-hold", changes{srStatus: "on-hold"}, fhir.KindWorkflow, workflow},
		{"new and draft", changes{srStatus: "draft"}, fhir.KindWorkflow, workflow},
		{"no status", changes{srStatus: nil}, fhir.KindInvariant, workflow},
		{"update and active in application 1", changes{reason: "update"}, fhir.KindWorkflow, workflow},
		{"update and active in application 2", changes{reason: "update", srUseCase: "a2t1"}, fhir.KindWorkflow, workflow},
		{"update and active in application 5", changes{reason: "update", srUseCase: "a5t1"}, fhir.KindWorkflow, workflow},
		{"update and active in application 8", changes{reason: "update", srUseCase: "a8t1"}, fhir.KindWorkflow, workflow},
		{"update and completed in application 3", changes{reason: "update", srUseCase: "a3t1", srStatus: "completed"}, fhir.KindWorkflow, workflow},
		{"delete and active", changes{reason: "delete"}, fhir.KindWorkflow, workflow},
		{"revoked in application 8", changes{reason: "update", srUseCase: "a8t1", srStatus: "revoked"}, fhir.KindWorkflow, workflow},
		{"referral in application 7", changes{srUseCase: "a7t1"}, fhir.KindWorkflow, workflow},
		{"referral in application 4", changes{srUseCase: "a4t1"}, fhir.KindWorkflow, workflow},
		{"validation in application 1", changes{srCategory: "validation"}, fhir.KindWorkflow, workflow},
		{"unknown reason", changes{reason: "renew"}, fhir.KindWorkflow, workflow},

		{"booking-response", changes{event: "booking-response"}, fhir.KindInvariant, []string{header + ".eventCoding"}},
		{"unknown event", changes{event: "servicerequest-reminder"}, fhir.KindInvariant, []string{header + ".eventCoding"}},
		{"another event than the focus", changes{event: "booking-request"}, fhir.KindInvariant, []string{header + ".focus[0]"}},
		{"a response without response", changes{event: "servicerequest-response"}, fhir.KindInvariant, []string{header + ".response"}},
		{"a response to nothing that we sent", changes{event: "servicerequest-response", "MessageHeader.response": map[string]any{"identifier": "x", "code": "ok"}},
			fhir.KindNotFound, []string{header + ".response.identifier"}},

		{"no category", changes{"ServiceRequest.category": nil}, fhir.KindInvariant, []string{first + ".category", first + ".category"}},
		{"no category code", changes{"ServiceRequest.category[0].coding[0].system": "https://other.example"}, fhir.KindInvariant, []string{first + ".category"}},
		{"two categories", changes{"ServiceRequest.category[0].coding[2]": map[string]any{"system": bars.SystemCategories, "code": "validation"}},
			fhir.KindInvariant, []string{first + ".category"}},
		{"two categories in two concepts", changes{"ServiceRequest.category[1].coding": []any{map[string]any{"system": bars.SystemCategories, "code": "validation"}}},
			fhir.KindInvariant, []string{first + ".category"}},
		{"unknown category", changes{srCategory: "advice"}, fhir.KindInvariant, []string{first + ".category"}},
		{"no use case", changes{"ServiceRequest.category[0].coding[1].system": "https://other.example"}, fhir.KindInvariant, []string{first + ".category"}},
		{"two use cases", changes{"ServiceRequest.category[0].coding[2]": map[string]any{"system": bars.SystemUseCases, "code": "a1t1"}},
			fhir.KindInvariant, []string{first + ".category"}},
		{"unknown use case", changes{srUseCase: "a9t1"}, fhir.KindInvariant, []string{first + ".category"}},

		{"CarePlan active in application 1", changes{"CarePlan.status": "active"}, fhir.KindInvariant, []string{"Bundle.entry[3].resource.status"}},
		{"CarePlan without intent plan", changes{"CarePlan.intent": "order"}, fhir.KindInvariant, []string{"Bundle.entry[3].resource.intent"}},
		{"Encounter planned", changes{"Encounter.status": "planned"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource.status"}},
		{"Encounter in progress in application 1", changes{"Encounter.status": "in-progress"}, fhir.KindInvariant, []string{"Bundle.entry[2].resource.status"}},
		{"intent order", changes{"ServiceRequest.intent": "order"}, fhir.KindInvariant, []string{first + ".intent"}},
		{"CarePlan completed in application 6", with(cadCase, changes{"CarePlan.status": "completed"}), fhir.KindInvariant, []string{"Bundle.entry[3].resource.status"}},
		{"Encounter arrived in application 6", with(cadCase, changes{"Encounter.status": "arrived"}), fhir.KindInvariant, []string{"Bundle.entry[2].resource.status"}},
		{"class wrong in application 6", with(cadCase, changes{"Encounter.class.code": "VR"}), fhir.KindInvariant, []string{"Bundle.entry[2].resource.class"}},
		{"Task completed in application 6", with(cadCase, changes{"+": []string{minimal("Task")}}),
			fhir.KindInvariant, []string{"Bundle.entry[12].resource.status"}},
		{"several conditions at once", changes{"CarePlan.status": "active", "Encounter.status": "planned"}, fhir.KindInvariant,
			[]string{"Bundle.entry[3].resource.status", "Bundle.entry[2].resource.status"}},

		{"validation request for a referral's definition", with(validation, changes{definition: definitions + "bars-message-servicerequest-request-referral"}),
			fhir.KindInvariant, nil},
		{"validation request with CarePlan completed", with(validation, changes{"CarePlan.status": "completed"}), fhir.KindInvariant, []string{"Bundle.entry[3].resource.status"}},
		{"validation request with Encounter finished", with(validation, changes{"Encounter.status": "finished"}), fhir.KindInvariant, []string{"Bundle.entry[2].resource.status"}},
		{"new validation request on hold", with(validation, changes{srStatus: "on-hold"}), fhir.KindWorkflow, workflow},
		{"update without the id", changes{reason: "update", srUseCase: "a3t1"}, fhir.KindInvariant, []string{first + ".id"}},
		{"update of an unknown referral", with(cadCase, changes{reason: "update", "ServiceRequest.id": "0b000000-0000-4000-8000-00000000000a"}), fhir.KindNotFound, []string{first + ".id"}},
		{"update of a CAD referral on hold", with(cadCase, changes{reason: "update", srStatus: "on-hold"}), fhir.KindWorkflow, workflow},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := s.size()
			_, err := s.sendTo(hospital, referral(t, toService(hospital), row.change))
			refused(t, err, row.kind, row.at...)
			require.Equal(t, before, s.size(), "a refused message writes nothing")
		})
	}
}

func TestBookingsThatTheDecisionTableDoesNotKnowAreRefused(t *testing.T) {
	s := open(t)
	workflow := []string{first + ".status"}
	for _, row := range []refusal{
		{"new and cancelled", changes{"Appointment.status": "cancelled"}, fhir.KindWorkflow, workflow},
		{"new and proposed", changes{"Appointment.status": "proposed"}, fhir.KindWorkflow, workflow},
		{"update and booked", changes{reason: "update"}, fhir.KindWorkflow, workflow},
		{"update and arrived", changes{reason: "update", "Appointment.status": "arrived"}, fhir.KindWorkflow, workflow},
		{"delete and booked", changes{reason: "delete"}, fhir.KindWorkflow, workflow},
		{"application 3", changes{bookingUseCase: "a3t1"}, fhir.KindWorkflow, workflow},
		{"no use case", changes{"Appointment.serviceCategory": nil}, fhir.KindInvariant, []string{first + ".serviceCategory"}},
		{"two use cases", changes{"Appointment.serviceCategory[0].coding[1]": map[string]any{"system": bars.SystemUseCases, "code": "a1t1"}},
			fhir.KindInvariant, []string{first + ".serviceCategory"}},
		{"unknown use case", changes{bookingUseCase: "a1t99"}, fhir.KindInvariant, []string{first + ".serviceCategory"}},
		{"another service category", changes{"Appointment.serviceCategory[0].coding[0]": map[string]any{
			"system": "http://terminology.hl7.org/CodeSystem/service-category", "code": "10"}}, fhir.KindInvariant, []string{first + ".serviceCategory"}},
		{"booking-response", changes{event: "booking-response"}, fhir.KindInvariant, []string{header + ".eventCoding"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := s.send(booking(t, 0, row.change))
			refused(t, err, row.kind, row.at...)
			require.Equal(t, "free", s.status("Slot", slotID(clinic, 0)))
			s.invariant()
		})
	}
}

// A use case that the service doesn't offer is known to the standard, so the
// answer is another one than for nonsense.
func TestAUseCaseThatTheServiceDoesNotOfferIsUnsupported(t *testing.T) {
	s := open(t)
	_, err := s.send(referral(t, changes{srUseCase: "a5t1"}))
	refused(t, err, fhir.KindUnsupportedUse, first)
	require.Equal(t, 422, fhir.AsOutcome(err).Kind.Row().BaRSStatus)
	_, err = s.sendTo(hospital, referral(t, toService(hospital), changes{srUseCase: "a5t1"}))
	require.NoError(t, err, "a service that lists none offers all")
}

// A published example cancels with the reason "new"; lenient mode believes the
// status.
func TestLenientModeBelievesACancellingStatus(t *testing.T) {
	s := open(t, lenient)
	id := focus(s.accepted(booking(t, 0)))
	s.accepted(bookingCancel(t, id, 0, changes{reason: "new"}))
	require.Equal(t, "cancelled", s.status("Appointment", id))
	sr := focus(s.accepted(referral(t)))
	s.accepted(referralCancel(t, sr, changes{reason: "new"}))
	require.Equal(t, "revoked", s.status("ServiceRequest", sr))

	strict := open(t)
	id = focus(strict.accepted(booking(t, 0)))
	_, err := strict.send(bookingCancel(t, id, 0, changes{reason: "new"}))
	refused(t, err, fhir.KindWorkflow, first+".status")
	require.Equal(t, "booked", strict.status("Appointment", id))
}

func TestOldCodeSystemsAreTakenInLenientModeOnly(t *testing.T) {
	old := changes{
		"MessageHeader.eventCoding.system":      "https://fhir.nhs.uk/CodeSystem/message-event-servicerequest",
		"MessageHeader.reason.coding[0].system": "https://fhir.nhs.uk/CodeSystem/message-reason-servicerequest",
	}
	open(t, lenient).accepted(referral(t, old))
	_, err := open(t).send(referral(t, old))
	refused(t, err, fhir.KindInvariant, header+".eventCoding", header+".reason")
}
