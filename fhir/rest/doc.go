// Package rest is the FHIR R4 RESTful API (R4 http.html and search.html) over a
// Backend: routes, content negotiation, version headers, bundles and errors.
//
// Offered: create, read, vread, update, patch (JSON Patch, JSON Merge Patch and
// FHIRPath Patch), delete, the conditional writes, history of a record, a type and
// the server, OPTIONS, search by GET and POST of one type, of several and of
// compartments, Patient/id/$everything, batch and transaction Bundles and $validate,
// in JSON and XML, compressed or not. A header that sets a condition which
// an interaction doesn't carry out is refused as well, for a condition that is
// passed over in silence overwrites or duplicates a record. The exceptions are
// If-None-Match and If-Modified-Since on a GET of a bundle: a bundle has no
// version to compare, so it is simply sent.
//
// Everything behind this package sees JSON only. XML is converted at its edge by
// the definitions in Options.Tables; what XML can't hold of a stored record is
// refused with its place, never left out. A Binary's own bytes can be read, not
// written.
//
// It doesn't know who asks (the context carries that to the Backend), doesn't
// validate the content of what is written, resolves no chained search parameters and holds
// no rule of booking or referral: all that is the Backend's. JSON passes
// through as the bytes that were sent and stored; only id and meta differ.
//
// The room (package bars) fulfils Backend, cmd mounts the Handler below its base
// path with http.StripPrefix. Other doors read and answer in the same formats with
// CheckAccept, ReadResource, WriteResource and WriteOutcomeTo.
package rest
