// Package patch applies patches to FHIR resources: JSON Patch (RFC 6902) and
// JSON Merge Patch (RFC 7396), the forms of R4 http.html#patch but for FHIRPath
// Patch. Its functions are pure. What a patch doesn't touch keeps its bytes:
// order of members, spelling of numbers and strings.
//
// It doesn't know FHIR's elements, so it keeps no rule of content; whoever stores
// the result checks that. The REST API (package fhir/rest) is its user.
//
// All input is hostile: the number of operations, what they copy and the depth
// and size of the result are bounded.
package patch
