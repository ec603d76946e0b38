package bars

import (
	"slices"
	"strings"
)

// Systems and addresses of the standard (its published CodeSystems).
const (
	SystemEvents        = "https://fhir.nhs.uk/CodeSystem/message-events-bars"
	SystemReasons       = "https://fhir.nhs.uk/CodeSystem/message-reason-bars"
	SystemCategories    = "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest"
	SystemUseCases      = "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"
	ProfileBundle       = "https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"
	definitionBase      = "https://fhir.nhs.uk/MessageDefinition/"
	systemActCode       = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	systemServiceCat    = "http://terminology.hl7.org/CodeSystem/service-category"
	ukCore              = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
	profileAnswerHeader = "https://fhir.nhs.uk/StructureDefinition/BARSMessageHeader-servicerequest-response"
	profileEncounter    = ukCore + "Encounter"
	generalPractice     = "17" // service-category that application 7 writes instead of a use case
	useCaseGPBooking    = "a7t1"
	systemUsageContext  = "http://terminology.hl7.org/CodeSystem/usage-context-type"
)

// SystemServiceAttributes holds our own codes of HealthcareService.characteristic,
// for attributes that the Directory of Services keeps and FHIR has no element
// for.
const (
	SystemServiceAttributes = "https://github.com/onward-health/onward/CodeSystem/service-attributes"
	attributeNeedsBooking   = "requirebooking" // no referral without a booking
)

// Older spellings that published examples still carry; taken in lenient mode.
const (
	oldSystemEvents  = "https://fhir.nhs.uk/CodeSystem/message-event-servicerequest"
	oldSystemReasons = "https://fhir.nhs.uk/CodeSystem/message-reason-servicerequest"
)

// Events of the standard.
const (
	EventReferral        = "servicerequest-request"
	EventReferralAnswer  = "servicerequest-response"
	EventBooking         = "booking-request"
	eventBookingResponse = "booking-response"
)

// Reasons of the standard.
const (
	ReasonNew    = "new"
	ReasonUpdate = "update"
	ReasonDelete = "delete"
)

// Categories of a ServiceRequest.
const (
	CategoryReferral   = "referral"
	CategoryValidation = "validation"
)

// useCases lists every use case of the standard (section 10) in its order.
var useCases = []string{
	"a1t1", "a1t2", "a1t3", "a1t4", "a1t5", "a1t6", "a1t7", "a1t8", "a1t9", "a1t10", "a1t11", "a1t12",
	"a2t1", "a2t2", "a2t3", "a2t4", "a2t5", "a2t6",
	"a3t1",
	"a4t1", "a4t2", "a4t3", "a4t4",
	"a5t1", "a5t2", "a5t3", "referraltopharmacy",
	"a6t1", "a6t2", "a6t3",
	"a7t1",
	"a8t1", "a8t2", "a8t3",
}

// UseCases returns every use-case code of the standard.
func UseCases() []string { return slices.Clone(useCases) }

// foldUseCase returns the code in the spelling that we emit; ok is false for
// codes that the standard doesn't have. The guide prints upper case, so case
// doesn't count.
func foldUseCase(code string) (string, bool) {
	code = strings.ToLower(code)
	return code, slices.Contains(useCases, code)
}

// application returns the number of the application that a use case belongs to.
func application(useCase string) int {
	if useCase == "referraltopharmacy" {
		return 5
	}
	if len(useCase) > 1 && useCase[0] == 'a' {
		return int(useCase[1] - '0')
	}
	return 0
}
