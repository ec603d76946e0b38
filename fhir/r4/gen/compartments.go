package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

// patientFile is the one compartment definition that the package carries.
const patientFile = "compartmentdefinition-patient.json"

// corrections are the members of the patient's compartment where the package
// has R5's parameters; the narrative of the same file still lists R4's.
var corrections = map[string][]string{"Encounter": {"patient"}, "Task": nil}

// otherCompartments are those of R4 4.0.1 that the package lacks, written out as
// published (R4 compartmentdefinition.html): a type, a colon and its parameters
// with commas. What belongs to a compartment as its owner has no parameters.
var otherCompartments = map[string]string{
	"Device": `Account:subject Appointment:actor AppointmentResponse:actor AuditEvent:agent
		ChargeItem:enterer,performer-actor Claim:procedure-udi,item-udi,detail-udi,subdetail-udi Communication:sender,recipient
		CommunicationRequest:sender,recipient Composition:author DetectedIssue:author
		DeviceRequest:device,subject,requester,performer DeviceUseStatement:device DiagnosticReport:subject
		DocumentManifest:subject,author DocumentReference:subject,author
		ExplanationOfBenefit:procedure-udi,item-udi,detail-udi,subdetail-udi Flag:author Group:member Invoice:participant
		List:subject,source Media:subject MedicationAdministration:device MessageHeader:target Observation:subject,device
		Provenance:agent QuestionnaireResponse:author RequestGroup:author RiskAssessment:performer Schedule:actor
		ServiceRequest:performer,requester Specimen:subject SupplyRequest:requester`,
	"Encounter": `CarePlan:encounter CareTeam:encounter ChargeItem:context Claim:encounter ClinicalImpression:encounter
		Communication:encounter CommunicationRequest:encounter Composition:encounter Condition:encounter
		DeviceRequest:encounter DiagnosticReport:encounter DocumentManifest:related-ref DocumentReference:encounter
		Encounter: ExplanationOfBenefit:encounter Media:encounter MedicationAdministration:context
		MedicationRequest:encounter NutritionOrder:encounter Observation:encounter Procedure:encounter
		QuestionnaireResponse:encounter RequestGroup:encounter ServiceRequest:encounter VisionPrescription:encounter`,
	"Practitioner": `Account:subject AdverseEvent:recorder AllergyIntolerance:recorder,asserter Appointment:actor
		AppointmentResponse:actor AuditEvent:agent Basic:author CarePlan:performer CareTeam:participant
		ChargeItem:enterer,performer-actor Claim:enterer,provider,payee,care-team ClaimResponse:requestor
		ClinicalImpression:assessor Communication:sender,recipient CommunicationRequest:sender,recipient,requester
		Composition:subject,author,attester Condition:asserter CoverageEligibilityRequest:enterer,provider
		CoverageEligibilityResponse:requestor DetectedIssue:author DeviceRequest:requester,performer
		DiagnosticReport:performer DocumentManifest:subject,author,recipient
		DocumentReference:subject,author,authenticator Encounter:practitioner,participant EpisodeOfCare:care-manager
		ExplanationOfBenefit:enterer,provider,payee,care-team Flag:author Group:member Immunization:performer
		Invoice:participant Linkage:author List:source Media:subject,operator MedicationAdministration:performer
		MedicationDispense:performer,receiver MedicationRequest:requester MedicationStatement:source
		MessageHeader:receiver,author,responsible,enterer NutritionOrder:provider Observation:performer
		Patient:general-practitioner PaymentNotice:provider PaymentReconciliation:requestor Person:practitioner
		Practitioner: PractitionerRole:practitioner Procedure:performer Provenance:agent
		QuestionnaireResponse:author,source RequestGroup:participant,author ResearchStudy:principalinvestigator
		RiskAssessment:performer Schedule:actor ServiceRequest:performer,requester Specimen:collector
		SupplyDelivery:supplier,receiver SupplyRequest:requester VisionPrescription:prescriber`,
	"RelatedPerson": `AdverseEvent:recorder AllergyIntolerance:asserter Appointment:actor AppointmentResponse:actor
		Basic:author CarePlan:performer CareTeam:participant ChargeItem:enterer,performer-actor Claim:payee
		Communication:sender,recipient CommunicationRequest:sender,recipient,requester Composition:author
		Condition:asserter Coverage:policy-holder,subscriber,payor DocumentManifest:author,recipient
		DocumentReference:author Encounter:participant ExplanationOfBenefit:payee Invoice:recipient
		MedicationAdministration:performer MedicationStatement:source Observation:performer Patient:link Person:link
		Procedure:performer Provenance:agent QuestionnaireResponse:author,source RelatedPerson: RequestGroup:participant
		Schedule:actor ServiceRequest:performer SupplyRequest:requester`,
}

// compartments lists R4's compartments by type.
func compartments(patient []byte) ([]def.Compartment, error) {
	first, err := readCompartment(patient)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", patientFile, err)
	}
	for typ, params := range corrections {
		first.Members = slices.DeleteFunc(first.Members, func(m def.Member) bool { return m.Type == typ })
		if params != nil {
			first.Members = append(first.Members, def.Member{Type: typ, Params: params})
		}
	}
	all := []def.Compartment{first}
	for typ, text := range otherCompartments {
		c := def.Compartment{Type: typ}
		for _, word := range strings.Fields(text) {
			member, params, _ := strings.Cut(word, ":")
			c.Members = append(c.Members, def.Member{Type: member, Params: strings.FieldsFunc(params, func(r rune) bool { return r == ',' })})
		}
		all = append(all, c)
	}
	for _, c := range all {
		slices.SortFunc(c.Members, func(a, b def.Member) int { return strings.Compare(a.Type, b.Type) })
		for i := range c.Members {
			slices.Sort(c.Members[i].Params)
		}
	}
	slices.SortFunc(all, func(a, b def.Compartment) int { return strings.Compare(a.Type, b.Type) })
	return all, nil
}

// readCompartment reads a CompartmentDefinition; "{def}" means the resource that
// the compartment belongs to.
func readCompartment(text []byte) (def.Compartment, error) {
	var d struct {
		ResourceType, Code string
		Resource           []struct {
			Code  string
			Param []string
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return def.Compartment{}, err
	}
	if d.ResourceType != "CompartmentDefinition" || d.Code == "" {
		return def.Compartment{}, fmt.Errorf("it is no CompartmentDefinition")
	}
	c := def.Compartment{Type: d.Code}
	for _, r := range d.Resource {
		if len(r.Param) > 0 {
			params := slices.DeleteFunc(r.Param, func(name string) bool { return name == "{def}" })
			c.Members = append(c.Members, def.Member{Type: r.Code, Params: params})
		}
	}
	return c, nil
}
