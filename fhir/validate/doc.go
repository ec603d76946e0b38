// Package validate checks a resource against the definitions of a FHIR version:
// members, JSON types, primitive formats, cardinality, required codes, reference
// targets, contained resources, narrative, and the standard's invariants. It
// reads the resource's flat nodes once and allocates next to nothing unless
// something is wrong. It is for those who take a resource in, before it is stored.
//
// Each issue has a class (design D5). Structure: it isn't FHIR JSON (unknown
// members, wrong JSON types, null, empty objects and arrays: json.html says what
// a member may be at all). Value: the JSON type is right but the text isn't one
// of the element's type; an empty string is of this class, since a string is
// what belongs there. Rule: cardinality, choices, required codes, reference
// targets, invariants.
//
// It doesn't check profiles (package profile does), bindings that aren't
// required or whose codes FHIR doesn't list (MIME types, languages, currencies,
// units), what a reference leads to outside the Bundle that is checked, or
// canonical targets. The
// invariants of resource types that no door stores aren't written; a test lists
// those types with the reason.
package validate
