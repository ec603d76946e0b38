// Package conformance says what Onward can do: the CapabilityStatement, made of
// the tables that the doors run by, so that it can't claim what isn't there.
//
// It makes no decision and serves nothing itself; cmd wires it to GET /metadata.
// The sample services of the sandbox are in conformance/sandbox.
package conformance
