// Package nhs111 is the NHS 111 SOAP door: POST /nhs111/report takes an NHS 111
// or Integrated Urgent Care report (SOAP 1.1, WS-Addressing 1.0, ITK 2.2
// DistributionEnvelope 2.0, CDA document POCD_MT200001GB02 and its predecessor)
// or an ambulance request (REPC_MT200001GB02) and hands it to the room as a BaRS
// referral message (BaRS Core 1.5, application 1), with the document kept whole
// beside it. A copy for information becomes documents only: it asks nobody to
// act. The message stands on its own, so that it can be sent on: it names the
// documents by identifier, and their DocumentReferences point at the referral.
//
// How a report reads in FHIR R4, where the standards leave a choice:
//   - interaction primary…Recipient… is a referral, copy… is an attachment;
//     a report to the repeat caller repository asks nobody to act either, so it
//     is treated as a copy. Of a repeat caller document set the document with
//     the latest effectiveTime is the referral, the others are attached; they
//     must name the same NHS number.
//   - the room keeps one referral for the versions of a document (setId and
//     versionNumber, or relatedDocument RPLC; replacementOf of an ambulance
//     request): a higher one updates it, one that was taken is taken again
//     without effect, anything else is refused. Nullification withdraws it.
//   - the use case is what the interaction says (a1t1 for an emergency
//     department, a1t10 for an ambulance request, else the configured one),
//     unless the service offers only other ones that begin at 111.
//   - HL7 times without offset are Europe/London wall time; of the doubled hour
//     in October the first is meant, an hour that the clocks skip in March
//     counts as GMT. Dates without a time stay dates.
//   - an organisation given by site code carries that code as ods-site-code and
//     as ods-organization-code, because the room finds organisations by the
//     latter and the two share one code space.
//   - without a DoS address the HealthcareService is named by the ODS address;
//     a recipient that the document doesn't name is known by its code only.
//   - BaRS wants a journey that is a UUID: another id gives a UUID derived from
//     it, the same one each time, and is kept beside it.
//   - BaRS wants a Consent: where the document has neither authorization nor
//     permission to view it says implied consent for direct care, nothing more.
//   - BaRS wants contacts with ranks: whoever gave an emergency number comes
//     first (111 marks the number to call back so), then the patient, then those
//     who spoke for the patient. A report without any telecom gives no contact.
//     The participant CALLBCK is the sender's own desk, not the patient's number;
//     it becomes MessageHeader.source.contact.
//   - where the disposition's display, the triage's outcome or the first line of
//     the disposition section names the time limit in words ("within 6 hours"),
//     occurrencePeriod.end is start plus that; no table of dispositions is used.
//   - an ambulance scene that isn't said to be safe is flagged as unknown.
//
// A message is the same again when its MessageID or its trackingid is and its
// DistributionEnvelope is byte for byte: a retry may stamp the SOAP headers anew.
//
// Beside the NHS 111 services (SOAP 1.1) the door has ITK's generic service (SOAP
// 1.1 and 1.2). It answers repeat caller queries from the reports of the last four
// days, verifies XML signatures against authorities that it is given, and puts the
// acknowledgements that a sender asks for (ackrequested, infackrequested), of refusals
// too, into the outbox.
//
// GET /nhs111/report/{MessageID} reads a message back in FHIR R4, or in STU3 as the
// reference adaptor maps it (stu3.go). The way out is Client: a BaRS referral
// written as a report (cda_write.go) or an ambulance request (request_write.go) for
// receivers that only have a SOAP door; NotWritten lists what it loses, and Sender
// delivers it from the outbox.
//
// Not supported, refused with a fault and nothing stored: acknowledgement
// messages, interactions answered with a FHIR bundle (…Response-v3-0), encrypted
// payloads. NotCarried lists what of a document is kept only in the original; the
// Provenance of each message says which of that it held.
//
// cmd mounts the door; it calls the room through Desk and holds no referral rule.
package nhs111
