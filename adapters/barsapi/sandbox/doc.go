// Package sandbox holds the stand-ins of the national services around a BaRS
// receiver, so that sender, proxy and receiver run on one machine: the proxy with
// its routing by target identifier, the OAuth token endpoint with signed client
// assertions, the registry of pointers (DocumentReference) and the endpoint
// catalogue (Organization, HealthcareService, Endpoint, $template). BaRS Core 1.5,
// routing, security, error handling, endpoint catalogue and DocumentReference
// pattern.
//
// It behaves as the national services do as far as their published sources say. It
// is for development: tokens live in memory, the receiver is called without a
// client certificate, and nothing here may carry real patients.
//
// Its records are auxiliary documents of kinds that begin with "sandbox-", so that
// they never mix with the resources of this program's own FHIR API (design D9).
// That is why it is given a part of the store. cmd mounts it where the sandbox is
// on; package barsapi hands it the BaRS requests to its paths.
package sandbox
