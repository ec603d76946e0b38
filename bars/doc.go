// Package bars is the room: the rules of the NHS Booking and Referral Standard,
// carried out once for every door. It holds the message decision tables and
// MessageDefinitions, referral and booking, slot exclusivity, idempotency, who
// wrote what, and the backend that plain FHIR REST writes through, so that no
// client walks round a rule.
//
// It knows no HTTP, no SOAP and no database engine, and it imports no door. The
// doors (adapters, portal), journey and cmd use it.
package bars
