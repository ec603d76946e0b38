// Package fhirxml turns FHIR XML into FHIR JSON and back without loss (FHIR R4
// xml.html, json.html and narrative.html). A table set says which elements a
// type has, so the same code serves every FHIR version. The doors that speak
// XML use it; everything behind them sees JSON only.
//
// What is kept: every element, attribute value and extension, ids and
// extensions of primitives, the spelling of numbers, the narrative's own text.
// What is dropped because it means nothing in FHIR: comments and white space
// outside the narrative, the choice of prefixes and quotes, the XML
// declaration, xml-stylesheet and xml-model instructions before the root, and
// xsi:schemaLocation. Line ends are read as XML 1.0 section 2.11 says, and white
// space in attribute values as section 3.3.3 says: a line break that isn't
// written as a character reference is a space.
//
// What is refused: anything that isn't well-formed XML 1.0 with namespaces, an
// encoding other than UTF-8, a document type, entities beyond XML's five,
// unknown elements and attributes, text between elements, elements out of the
// definition's order or repeated where it allows one, two alternatives of a
// choice, empty elements and attributes. ToJSONInAnyOrder takes elements out of
// order for doors that are lenient. The rest of validation (cardinality,
// formats, codes, invariants, what HTML the narrative may use) is the
// validator's.
package fhirxml
