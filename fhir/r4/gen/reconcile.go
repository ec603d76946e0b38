package main

import (
	"fmt"
	"slices"
	"strings"
)

// The data elements of R4 are in the package as published in 2019; the
// profiles were changed since. So the profiles give the structure (backbone
// elements, content references) and the data elements decide what is R4.

// unlisted are R4 elements that the published data elements lack, because
// their ids would be longer than the 64 characters that R4 allows.
var unlisted = []string{
	"MedicationKnowledge.administrationGuidelines.patientCharacteristics.characteristic[x]",
	"MedicinalProductIngredient.specifiedSubstance.strength.concentration",
	"MedicinalProductIngredient.specifiedSubstance.strength.presentation",
	"MedicinalProductIngredient.specifiedSubstance.strength.referenceStrength.measurementPoint",
	"MedicinalProductIngredient.specifiedSubstance.strength.referenceStrength.strength",
	"MedicinalProductIngredient.specifiedSubstance.strength.referenceStrength.strengthLowLimit",
	"MedicinalProductIngredient.specifiedSubstance.strength.referenceStrength.substance",
	"MedicinalProductPharmaceutical.routeOfAdministration.maxDosePerDay",
	"MedicinalProductPharmaceutical.routeOfAdministration.targetSpecies.code",
	"MedicinalProductPharmaceutical.routeOfAdministration.targetSpecies.withdrawalPeriod.tissue",
	"MedicinalProductPharmaceutical.routeOfAdministration.targetSpecies.withdrawalPeriod.value",
	"ResearchElementDefinition.characteristic.participantEffectiveDescription",
	"ResearchElementDefinition.characteristic.participantEffectiveTimeFromStart",
	"ResearchElementDefinition.characteristic.participantEffective[x]",
}

// foreign are the types and elements, each with all below it, that the
// package adds to R4. Anything else that no data element knows is an error, so
// that another version of the package can't slip something in.
var foreign = []string{
	"Binary.url",
	"DeviceDefinition.bodySite",
	"DeviceDefinition.classification",
	"EvidenceVariable.characteristic.definitionByCombination",
	"EvidenceVariable.characteristic.definitionByTypeAndValue",
	"EvidenceVariable.characteristic.definitionCanonical",
	"EvidenceVariable.characteristic.definitionCodeableConcept",
	"EvidenceVariable.characteristic.definitionExpression",
	"EvidenceVariable.characteristic.definitionId",
	"EvidenceVariable.characteristic.definitionReference",
	"EvidenceVariable.characteristic.duration[x]",
	"EvidenceVariable.characteristic.instances[x]",
	"EvidenceVariable.characteristic.linkId",
	"EvidenceVariable.characteristic.note",
	"EvidenceVariable.characteristic.timeFromEvent",
	"HealthcareService.offeredIn",
	"Meta.account",
	"Meta.accounts",
	"Meta.author",
	"Meta.compartment",
	"Meta.deleted",
	"Meta.onBehalfOf",
	"Meta.project",
	"ObservationDefinition.publisher",
	"ResearchStudy.associatedParty",
	"ResearchStudy.classifier",
	"ResearchStudy.comparisonGroup",
	"ResearchStudy.descriptionSummary",
	"ResearchStudy.label",
	"ResearchStudy.name",
	"ResearchStudy.objective.description",
	"ResearchStudy.outcomeMeasure",
	"ResearchStudy.progressStatus",
	"ResearchStudy.recruitment",
	"ResearchStudy.region",
	"ResearchStudy.result",
	"ResearchStudy.studyDesign",
	"ResearchStudy.whyStopped",
	"SubscriptionStatus", // of R4B
}

// minimums are those of backbone elements that the package changed; they have
// no data elements either.
var minimums = map[string]uint8{"EvidenceVariable.characteristic": 1}

func isForeign(path string) bool {
	for _, f := range foreign {
		if path == f || strings.HasPrefix(path, f+".") {
			return true
		}
	}
	return false
}

// reconcile makes the types those of R4.
func reconcile(d *definitions) error {
	d.types = slices.DeleteFunc(d.types, func(s *structure) bool { return isForeign(s.Name) })
	for _, s := range d.types {
		kept := []*element{}
		for _, e := range s.Snapshot.Element[1:] {
			if isForeign(e.Path) {
				continue
			}
			published := d.dataElements[e.Path]
			switch {
			case published != nil:
				e = published
			case !d.structural(e) && !slices.Contains(unlisted, e.Path):
				return fmt.Errorf("%s is in the package but not in R4", e.Path)
			}
			if minimum, changed := minimums[e.Path]; changed {
				e.Min = minimum
			}
			kept = append(kept, e)
		}
		s.Snapshot.Element = append(s.Snapshot.Element[:1:1], d.restore(s.Name, kept)...)
	}
	return nil
}

// structural says whether an element is of a sort that has no data element.
func (d *definitions) structural(e *element) bool {
	switch last(e.Path) {
	case "id", "extension", "modifierExtension":
		return true
	}
	if e.ContentReference != "" || isBackbone(e) {
		return true
	}
	// What Age, Count, Distance and Duration have from Quantity.
	return e.Base.Path != e.Path && d.dataElements[e.Base.Path] != nil
}

func isBackbone(e *element) bool {
	return len(e.Type) == 1 && (e.Type[0].Code == "BackboneElement" || e.Type[0].Code == "Element")
}

// restore puts back the data elements of a type that the package took out,
// each behind the one that precedes it in R4.
func (d *definitions) restore(name string, elements []*element) []*element {
	previous := ""
	for _, path := range d.dataOrder {
		if !strings.HasPrefix(path, name+".") {
			continue
		}
		at := func(path string) int {
			return slices.IndexFunc(elements, func(e *element) bool { return e.Path == path })
		}
		if at(path) < 0 {
			elements = slices.Insert(elements, at(previous)+1, d.dataElements[path])
		}
		previous = path
	}
	return elements
}

func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func parent(path string) string { return path[:strings.LastIndexByte(path, '.')] }
