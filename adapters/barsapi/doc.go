// Package barsapi is the Booking and Referral Standard's own door: the BaRS
// FHIR R4 API, Core 1.5, as a receiver serves it below the FHIR base path. It
// decodes the NHSD headers, translates requests into those of the room (package
// bars) and renders the room's answers and errors in the standard's dialect
// (REC_ codes). It also decides which requests speak BaRS and which plain FHIR,
// and hands the latter to the REST API.
//
// Offered: GET /metadata, GET /MessageDefinition, GET /Slot,
// POST /$process-message for new and cancelled referrals and bookings, and
// Appointment and ServiceRequest by REST: read, version read, search by patient,
// create, cancel by PUT, reschedule by PATCH, DELETE, which cancels; /_ping and
// /_status. All in JSON and XML. The proxy's registry and endpoint
// catalogue are national services, which Options.National serves where there are
// stand-ins of them (package barsapi/sandbox). No other path exists in this dialect.
//
// The other half is the sender: Client calls receivers, directly or through the
// proxy, Sender delivers what the room puts into the outbox, and the operations of
// operations.go let our own side send and answer.
//
// It holds no rule of booking or referral and never touches the store.
package barsapi
