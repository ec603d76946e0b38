package search

import "strings"

// summaries are the top-level elements that R4 marks as part of a summary (Σ in
// the definitions of R4 4.0.1); those of every resource are in always.
var summaries = map[string][]string{
	"AllergyIntolerance":    strings.Fields("identifier clinicalStatus verificationStatus type category criticality code patient asserter"),
	"Appointment":           strings.Fields("identifier status cancelationReason serviceCategory serviceType specialty appointmentType reasonCode start end"),
	"Binary":                strings.Fields("contentType securityContext"),
	"CarePlan":              strings.Fields("identifier instantiatesCanonical instantiatesUri basedOn replaces partOf status intent category title description subject encounter period created author addresses"),
	"Communication":         strings.Fields("identifier instantiatesCanonical instantiatesUri basedOn partOf status statusReason priority subject encounter reasonCode reasonReference"),
	"Condition":             strings.Fields("identifier clinicalStatus verificationStatus code bodySite subject encounter onset recordedDate recorder asserter"),
	"Consent":               strings.Fields("identifier status scope category patient dateTime performer organization source policyRule verification provision"),
	"Device":                strings.Fields("udiCarrier status safety"),
	"DocumentReference":     strings.Fields("masterIdentifier identifier status docStatus type category subject date author relatesTo description securityLabel content context"),
	"Encounter":             strings.Fields("identifier status class type serviceType subject episodeOfCare participant appointment reasonCode reasonReference diagnosis"),
	"Endpoint":              strings.Fields("identifier status connectionType name managingOrganization period payloadType payloadMimeType address"),
	"Flag":                  strings.Fields("identifier status category code subject period encounter author"),
	"HealthcareService":     strings.Fields("identifier active providedBy category type specialty location name comment photo"),
	"Location":              strings.Fields("identifier status operationalStatus name description mode type physicalType managingOrganization"),
	"MedicationStatement":   strings.Fields("identifier basedOn partOf status category medication subject context effective dateAsserted"),
	"Observation":           strings.Fields("identifier basedOn partOf status code subject focus encounter effective issued performer value hasMember derivedFrom component"),
	"Organization":          strings.Fields("identifier active type name partOf"),
	"Patient":               strings.Fields("identifier active name telecom gender birthDate deceased address managingOrganization link"),
	"Practitioner":          strings.Fields("identifier active name telecom address gender birthDate"),
	"PractitionerRole":      strings.Fields("identifier active period practitioner organization code specialty location telecom"),
	"Procedure":             strings.Fields("identifier instantiatesCanonical instantiatesUri basedOn partOf status statusReason category code subject encounter performed recorder asserter performer location reasonCode reasonReference bodySite outcome"),
	"Questionnaire":         strings.Fields("url identifier version name title status experimental subjectType date publisher contact useContext jurisdiction effectivePeriod code"),
	"QuestionnaireResponse": strings.Fields("identifier basedOn partOf questionnaire status subject encounter authored author source"),
	"RelatedPerson":         strings.Fields("identifier active patient relationship name telecom gender birthDate address"),
	"Schedule":              strings.Fields("identifier active serviceCategory serviceType specialty actor planningHorizon"),
	"ServiceRequest":        strings.Fields("identifier instantiatesCanonical instantiatesUri basedOn replaces requisition status intent category priority doNotPerform code orderDetail quantity subject encounter occurrence asNeeded authoredOn requester performerType performer locationCode locationReference reasonCode reasonReference specimen bodySite patientInstruction"),
	"Slot":                  strings.Fields("identifier serviceCategory serviceType specialty appointmentType schedule status start end"),
	"Subscription":          strings.Fields("status contact end reason criteria error channel"),
	"Task":                  strings.Fields("instantiatesCanonical instantiatesUri basedOn groupIdentifier partOf status statusReason businessStatus intent code description focus for encounter executionPeriod lastModified requester owner location"),
}
