// Package tester tests a receiver of the Booking and Referral Standard from
// outside, over HTTP alone: it reads the receiver's CapabilityStatement and
// MessageDefinitions, runs the cases of what the receiver claims and reports
// requirement, request, answer and verdict of each. What it books or refers it
// cancels again, and it lists what remains.
//
// Cases that a FHIR TestScript can say are in conformance/scripts/bars; those
// that need a message of the receiver's own service, several requests at once
// or the time are written here. The same reports serve the scripts of plain
// FHIR. It knows nothing of our own server. Command onward conform uses it.
package tester
