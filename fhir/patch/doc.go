// Package patch applies patches to FHIR resources: JSON Patch (RFC 6902), JSON
// Merge Patch (RFC 7396) and FHIRPath Patch (R4 fhirpatch.html) with simple
// paths, which needs no engine of FHIRPath. Its functions are pure. What a patch
// doesn't touch keeps its bytes: order of members, spelling of numbers and
// strings.
//
// FHIRPath Patch goes by the definitions that it is given: which elements there
// are, which repeat and of what type they are. Beyond that no rule of content is
// kept here; whoever stores the result checks that. The REST API (package
// fhir/rest) is its user.
//
// All input is hostile: the number of operations, what they copy and the depth
// and size of the result are bounded.
package patch
