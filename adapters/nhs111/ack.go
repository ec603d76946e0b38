package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Acks sends the acknowledgements that a sender asks for in the handling
// specification (ITK 2.2): infrastructure (the message has arrived) and business
// (it has been taken). They are written to the outbox in the batch that stores
// the message, so a message that was stored is acknowledged and a repeated one
// isn't twice. What is told of a message that is refused is in ack_refusal.go.
type Acks struct {
	// Address is where messages to an organisation are posted; ok is false where
	// that isn't known.
	Address func(organisation nhs.ODSCode) (endpoint string, ok bool)
}

// AckKind is the kind of an acknowledgement in the outbox. Its recipient is the
// organisation's ODS code, its focus the trackingid of the message that it
// acknowledges, its body the SOAP 1.1 envelope.
const AckKind = "nhs111-ack"

const (
	infrastructureService = servicePrefix + "SendInfrastructureAck-v1-0"
	businessService       = servicePrefix + "SendBusinessAck-v1-0"
	businessProfile       = "urn:nhs-en:profile:ITKBusinessAcknowledgement-v2-0"
	businessInteraction   = "ITKBusinessAcknowledgement-v1-0"
)

// of makes the operations that queue what the sender of a message asks for. An
// address that isn't known is logged: the message itself is worth more.
func (a *Acks) of(x *exchange, d *door) ([]store.Op, error) {
	e := x.envelope
	var wanted []*distribution
	if e.InfrastructureAck && !e.synchronous() {
		wanted = append(wanted, d.infrastructureAck(e))
	}
	if e.BusinessAck {
		wanted = append(wanted, d.businessAck(e))
	}
	return a.queue(x, d, wanted, func(*distribution) string { return d.uuid() })
}

// synchronous says whether the answer to the message is the infrastructure
// acknowledgement itself.
func (e *envelope) synchronous() bool { return e.Action == sendReceiveAction }

// queue makes the operations that send acknowledgements to senderAddress.
func (a *Acks) queue(x *exchange, d *door, wanted []*distribution, newID func(*distribution) string) ([]store.Op, error) {
	e := x.envelope
	if len(wanted) == 0 {
		return nil, nil
	}
	code, _ := odsIn(e.SenderURI, odsURI)
	organisation, valid := nhs.ParseODSCode(code)
	endpoint, known := "", false
	if a != nil && valid {
		endpoint, known = a.Address(organisation)
	}
	if !known {
		d.Log.Warn("nhs111: an acknowledgement was asked for and can't be sent: no endpoint is configured for senderAddress", "messageId", e.MessageID)
		return nil, nil
	}
	var ops []store.Op
	for i, w := range wanted {
		id := newID(w)
		op, err := outbox.Put(outbox.Message{ID: id, Kind: AckKind, Recipient: string(organisation),
			Focus: store.Ref{Type: "DistributionEnvelope", ID: strings.ToUpper(e.TrackingID)}, Order: int64(i + 1), Created: d.Clock().UTC(),
			Body: soap11.write(headers{MessageID: id, Action: w.Service, To: endpoint, RelatesTo: e.MessageID}, w.xml())})
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// infrastructureAck says that the message has arrived.
func (d *door) infrastructureAck(e *envelope) *distribution {
	return d.infrastructureResponse(e, "OK", "<itk:errors/>")
}

func (d *door) infrastructureResponse(e *envelope, result, errors string) *distribution {
	out := d.answering(e, infrastructureService, "ITKInfrastructureAcknowledgement-v1-0")
	out.Payload = `<itk:InfrastructureResponse timestamp="` + fhir.FormatInstant(d.Clock().UTC()) + `" serviceRef="` + xmltree.EscapeAttr(e.Service) +
		`" trackingIdRef="` + xmltree.EscapeAttr(e.TrackingID) + `" result="` + result + `"><itk:reportingIdentity><itk:id` + out.Identity.attributes() +
		`/></itk:reportingIdentity>` + errors + `</itk:InfrastructureResponse>`
	return out
}

// businessAck says that the message has been taken (HL7
// BusinessResponseMessage, acknowledgement code AA).
func (d *door) businessAck(e *envelope) *distribution { return d.businessResponse(e, "AA", "") }

// businessResponse is HL7's BusinessResponseMessage with an acknowledgement code
// and what it says beside.
func (d *door) businessResponse(e *envelope, code, detail string) *distribution {
	out := d.answering(e, businessService, businessInteraction)
	out.Profile = businessProfile
	root := func(a itkAddress) string {
		if a.Type != "" {
			return a.Type
		}
		return itkAddressOID
	}
	party := func(function, code string, a itkAddress) string {
		return `<` + function + ` typeCode="` + code + `"><entity classCode="ENT" determinerCode="INSTANCE"><id root="` + root(a) + `" extension="` +
			xmltree.EscapeAttr(a.URI) + `"/></entity></` + function + `>`
	}
	payload := ""
	if len(e.Payloads) > 0 {
		payload = uuidOf(e.Payloads[0].Attr("id"))
	}
	organisation := out.From.URI[strings.LastIndexByte(out.From.URI, ':')+1:]
	out.Payload = `<BusinessResponseMessage xmlns="` + nsHL7 + `"><id root="` + out.PayloadID + `"/><creationTime value="` + d.Clock().UTC().Format("20060102150405") + `+0000"/>` +
		`<interactionId root="2.16.840.1.113883.2.1.3.2.4.12" extension="` + businessInteraction + `"/>` +
		`<acknowledgedBy3 typeCode="` + code + `"><conveyingTransmission><id root="` + xmltree.EscapeAttr(e.TrackingID) + `"/></conveyingTransmission>` + detail + `</acknowledgedBy3>` +
		party("communicationFunction1", "SND", out.From) + party("communicationFunction", "RCV", out.To) +
		`<controlActEvent1 classCode="CACT" moodCode="EVN"><author typeCode="AUT" contextControlCode="OP"><COCD_TP145207GB01.AssignedAuthorDevice classCode="ASSIGNED">` +
		`<id root="` + localIDs + `" extension="onward"/>` + template("COCD_TP145207GB01#AssignedAuthorDevice") +
		`<assignedAuthoringDevice classCode="DEV" determinerCode="INSTANCE"><manufacturerModelName>Onward</manufacturerModelName><softwareName>Onward</softwareName>` +
		template("COCD_TP145207GB01#assignedAuthoringDevice") + `</assignedAuthoringDevice>` +
		`<representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="` + odsOrganisationOID + `" extension="` + xmltree.EscapeAttr(organisation) + `"/>` +
		`<name>` + xmltree.EscapeText(organisation) + `</name>` + template("COCD_TP145207GB01#representedOrganization") + `</representedOrganization>` +
		`</COCD_TP145207GB01.AssignedAuthorDevice></author></controlActEvent1>` +
		`<acknowledgedBy2 typeCode="` + code + `"><conveyingTransmission><id root="` + xmltree.EscapeAttr(payload) + `"/></conveyingTransmission></acknowledgedBy2></BusinessResponseMessage>`
	return out
}

// OIDs of what we write.
const (
	itkAddressOID      = "2.16.840.1.113883.2.1.3.2.4.18.22"
	localIDs           = "2.16.840.1.113883.2.1.3.2.4.18.24"
	odsOrganisationOID = "2.16.840.1.113883.2.1.3.2.4.19.1"
	templateRoot       = "2.16.840.1.113883.2.1.3.2.4.18.2"
	contentRoot        = "2.16.840.1.113883.2.1.3.2.4.18.16"
)

func template(name string) string {
	return `<templateId root="` + templateRoot + `" extension="` + name + `"/>`
}

// uuidOf takes the UUID out of an id such as uuid_… ; an id of another form
// stays as it is.
func uuidOf(id string) string {
	if len(id) > 36 && fhir.ValidUUID(id[len(id)-36:]) {
		return strings.ToUpper(id[len(id)-36:])
	}
	return id
}
