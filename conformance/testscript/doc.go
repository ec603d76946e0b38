// Package testscript runs FHIR R4 TestScript resources (testscript.html)
// against a FHIR server and says what each test found.
//
// It takes fixtures (a contained resource, or a file beside the script; with
// autocreate and autodelete), variables, and setup, test and teardown actions
// with the operations and asserts that HTTP alone can decide. What it doesn't
// know in a script it refuses with its path, so that no assertion is passed
// over. It knows FHIRPath member paths with [n], where(member = literal),
// first(), last(), count(), exists() and empty(), and nothing more of FHIRPath;
// a choice element is named as in JSON. It has no profiles, no rules, no
// several servers and no validation.
//
// Package scripts holds our own scripts; the tests of cmd/onward run them
// against the built binary.
package testscript
