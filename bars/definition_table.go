package bars

// Names of the nine definitions.
const (
	defBooking        = "bars-message-booking-request"
	defBookingCancel  = "bars-message-booking-request-cancelled"
	defReferral       = "bars-message-servicerequest-request-referral"
	defReferralCancel = "bars-message-servicerequest-request-cancelled"
	defValidation     = "bars-message-servicerequest-request-validation"
	defInterim        = "bars-message-servicerequest-response-validation-interim"
	defFull           = "bars-message-servicerequest-response-validation-full"
	defAnswer         = "bars-message-servicerequest-response-referral"
	defAnswerShort    = "bars-message-servicerequest-response-referral-short"
	aliasAnswerShort  = "bars-message-servicerequest-request-response-short"
)

// definitions are the messages of the standard, each with the bounds that it
// sets (BaRS Core 1.5, message definitions).
var definitions = []*Definition{
	{
		Name: defBooking, Event: EventBooking, Title: "Booking request", Focus: "Appointment", Apps: []int{1, 2, 7},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"Appointment", 1, 1}, {"ServiceRequest", 0, 1}, {"Patient", 1, 1},
			{"Location", 0, 1}, {"Organization", 2, 0}, {"Practitioner", 0, 0}, {"PractitionerRole", 0, 0},
			{"HealthcareService", 1, 1}, {"Consent", 0, 0}, {"Slot", 1, 1}, {"Schedule", 1, 1},
		},
	},
	{
		Name: defBookingCancel, Event: EventBooking, Title: "Booking cancellation", Focus: "Appointment", Apps: []int{1, 2, 7},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"Appointment", 1, 1}, {"Patient", 1, 1}, {"Organization", 2, 0},
		},
	},
	{
		Name: defReferral, Event: EventReferral, Title: "Referral request", Focus: "ServiceRequest", Apps: []int{1, 2, 3, 5, 6, 8},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 1, 1}, {"CarePlan", 1, 1},
			{"Location", 0, 0}, {"Organization", 2, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0},
			{"HealthcareService", 1, 0}, {"Consent", 1, 0}, {"Observation", 0, 0}, {"Flag", 0, 0},
			{"MedicationStatement", 0, 0}, {"AllergyIntolerance", 0, 0}, {"Questionnaire", 0, 0},
			{"QuestionnaireResponse", 0, 0}, {"Condition", 0, 0}, {"Task", 0, 0}, {"Communication", 0, 0},
			{"Procedure", 0, 0}, {"Device", 0, 1}, {"RelatedPerson", 0, 0},
		},
	},
	{
		Name: defReferralCancel, Event: EventReferral, Title: "Referral cancellation", Focus: "ServiceRequest", Apps: []int{1, 2, 3, 4, 5, 6},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Organization", 2, 0},
		},
	},
	{
		Name: defValidation, Event: EventReferral, Title: "Validation request", Focus: "ServiceRequest", Apps: []int{4},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 1, 1}, {"CarePlan", 1, 1},
			{"Location", 1, 1}, {"Organization", 2, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0},
			{"HealthcareService", 1, 1}, {"Consent", 1, 0}, {"Observation", 0, 0}, {"Flag", 0, 0},
			{"MedicationStatement", 0, 0}, {"AllergyIntolerance", 0, 0},
		},
	},
	{
		Name: defInterim, Event: EventReferralAnswer, Title: "Interim response to a validation request", Focus: "Encounter", Apps: []int{4},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 2, 2},
			{"Organization", 1, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0}, {"HealthcareService", 0, 0},
		},
	},
	{
		Name: defFull, Event: EventReferralAnswer, Title: "Full response to a validation request", Focus: "Encounter", Apps: []int{4},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 2, 3}, {"CarePlan", 1, 1},
			{"Location", 1, 1}, {"Organization", 2, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0},
			{"HealthcareService", 1, 1}, {"Consent", 1, 0}, {"Observation", 0, 0}, {"Flag", 0, 0},
			{"MedicationStatement", 0, 0}, {"AllergyIntolerance", 0, 0},
		},
	},
	{
		Name: defAnswer, Event: EventReferralAnswer, Title: "Response to a referral", Focus: "ServiceRequest", Apps: []int{1, 2},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 0, 1}, {"CarePlan", 0, 1},
			{"Location", 0, 1}, {"Organization", 2, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0},
			{"HealthcareService", 1, 1}, {"Consent", 1, 0}, {"Observation", 0, 0}, {"Flag", 0, 0},
			{"MedicationStatement", 0, 0}, {"AllergyIntolerance", 0, 0}, {"QuestionnaireResponse", 0, 0},
			{"Condition", 0, 0}, {"Task", 0, 0}, {"RelatedPerson", 0, 0}, {"Appointment", 0, 1},
		},
	},
	{
		Name: defAnswerShort, Event: EventReferralAnswer, Title: "Status of a referral", Focus: "Encounter", Apps: []int{6},
		Content: []Content{
			{"MessageHeader", 1, 1}, {"ServiceRequest", 1, 1}, {"Patient", 1, 1}, {"Encounter", 2, 2},
			{"Organization", 2, 0}, {"Practitioner", 1, 0}, {"PractitionerRole", 1, 0}, {"HealthcareService", 0, 0},
		},
	},
}
