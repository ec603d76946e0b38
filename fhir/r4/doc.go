// Package r4 holds the definitions of FHIR R4 (4.0.1) as static tables: every
// resource and data type, its elements in order, their types, cardinality,
// reference targets, required codes and compartments. The XML codec, the validator and the
// REST layer look things up in it.
//
// Of the invariants it holds only the names (package validate has them as
// code); it holds no search parameters and no profiles. The tables are generated
// from the published definitions by the program in gen; see there for where the
// definitions come from.
package r4

//go:generate go run ./gen
