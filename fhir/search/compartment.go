package search

import "slices"

// compartment lists the parameters that put a record of a type in the
// compartment of the patient that they refer to (R4
// compartmentdefinition-patient.html). Types that aren't here, Task among them,
// are never in it.
var compartment = map[string][]string{
	"AllergyIntolerance":    {"asserter", "patient", "recorder"},
	"Appointment":           {"actor"},
	"CarePlan":              {"patient", "performer"},
	"Communication":         {"recipient", "sender", "subject"},
	"Condition":             {"asserter", "patient"},
	"Consent":               {"patient"},
	"DocumentReference":     {"author", "subject"},
	"Encounter":             {"patient"},
	"Flag":                  {"patient"},
	"MedicationStatement":   {"subject"},
	"Observation":           {"performer", "subject"},
	"Patient":               {"link"},
	"Procedure":             {"patient", "performer"},
	"QuestionnaireResponse": {"author", "subject"},
	"RelatedPerson":         {"patient"},
	"Schedule":              {"actor"},
	"ServiceRequest":        {"performer", "subject"},
}

// CompartmentTypes lists the types that can be in a Patient's compartment,
// sorted.
func CompartmentTypes() []string {
	var list []string
	for typ := range compartment {
		list = append(list, typ)
	}
	slices.Sort(list)
	return list
}

// InCompartment is the condition of being in the compartment of the Patient with
// this id; it is never met for a type that can't be. The Patient itself is in.
func InCompartment(typ, patient string) Node {
	entries := HasAny{}
	for _, name := range compartment[typ] {
		entries = append(entries, entry(name, ":", "Patient/"+patient))
	}
	if typ == "Patient" {
		return Or{IDs{patient}, entries}
	}
	return entries
}
