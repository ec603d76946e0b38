// Package fhir is FHIR R4's data: a resource kept exactly as its sender wrote
// it, a cheap read-only view on it, edits that touch nothing else, the FHIR
// primitive types that rules need (instants, references, identifiers), and
// OperationOutcome as the one error type of the whole program.
//
// It knows nothing of the NHS, of HTTP or of any database, and it does not
// validate a resource against the R4 definitions. Every other package uses it.
package fhir
