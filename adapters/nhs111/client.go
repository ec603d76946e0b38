package nhs111

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const (
	sendReport       = servicePrefix + "SendNHS111Report-v2-0"
	reportProfile    = "urn:nhs-en:profile:nhs111CDADocument-v2-0"
	interactionBase  = "urn:nhs-itk:interaction:"
	defaultLife      = 10 * time.Minute
	defaultWait      = 30 * time.Second
	maxAnswer        = 1 << 20
	interactionED    = "primaryEmergencyDepartmentRecipientNHS111CDADocument-v2-0"
	interactionOther = "primaryOutofHourRecipientNHS111CDADocument-v2-0"

	requestAmbulance     = servicePrefix + "RequestAmbulanceDispatch-v2-0"
	interactionAmbulance = "primaryNHS111RequestforAmbulance-v2-0"
)

// Client sends BaRS referrals to receivers that only have an NHS 111 SOAP door.
type Client struct {
	// HTTP makes the connections: with the client certificate, and to addresses
	// that may be called only. Default: 30 seconds for an answer.
	HTTP *http.Client
	// Sender is the organisation that this software speaks for; default the
	// sender of each message.
	Sender nhs.ODSCode
	// Username of the WS-Security token; default "CN=<sender>".
	Username string
	// Life of a message's timestamp; default 10 minutes.
	Life  time.Duration
	Clock func() time.Time // default time.Now
}

// Outgoing is a message as it is sent again and again until it is taken: its
// DistributionEnvelope never changes, only the SOAP headers are stamped anew.
type Outgoing struct {
	MessageID string      `json:"messageId"`
	Service   string      `json:"service"`
	Sender    nhs.ODSCode `json:"sender"`
	Envelope  []byte      `json:"envelope"`
	// Address is where it goes, "" where a route says so.
	Address string `json:"address,omitempty"`
	// Note is the room's record of the sending, "" where there is none.
	Note string `json:"note,omitempty"`
	// Nullifies says that it withdraws a referral.
	Nullifies bool `json:"nullifies,omitempty"`

	set  string
	lost []fhir.Issue
}

// Lost lists what of the referral the report has no place for, or only in words.
func (o *Outgoing) Lost() []fhir.Issue { return o.lost }

// Form names what was written.
func (o *Outgoing) Form() string {
	if o.Service == requestAmbulance {
		return "an ambulance request"
	}
	return "a 111 report"
}

// Revision says which version of a referral's report is written. Set names the
// report over all versions; "" leaves that to the referral.
type Revision struct {
	Set    string
	Number int // from 1
}

// Compose writes a BaRS referral message as an ITK message that holds a 111
// report or an ambulance request. All ids follow from the Bundle's, so that the receiver knows the same
// message again, whoever composes it. The error is a KindProcessing Outcome.
func (c *Client) Compose(message *fhir.Resource, revision Revision) (*Outgoing, error) {
	if !fhir.ValidUUID(message.ID()) {
		return nil, fhir.NewOutcome(fhir.KindProcessing, "Bundle.id", "must be a UUID, which becomes the MessageID")
	}
	interaction := interactionOther
	for category := range referralOf(message).Get("category").Items() {
		if fhir.CodeOf(category, codeSystemBase+"usecases-categories-bars") == useCaseED {
			interaction = interactionED
		}
	}
	wrap := wrapping{sendReport, reportProfile, interaction}
	if newWriter(message).isRequest() {
		wrap = wrapping{requestAmbulance, profileAmbulance, interactionAmbulance}
	}
	out, err := c.compose(message, uuid.MustParse(message.ID()), documentOptions{Version: revision.Number, Set: revision.Set}, wrap)
	if err != nil {
		return nil, err
	}
	out.lost = notWrittenOf(message, string(out.Envelope))
	return out, nil
}

// wrapping is what an ITK envelope says of its document.
type wrapping struct{ service, profile, interaction string }

// compose writes a document and its envelope. id becomes the MessageID, and all
// other ids follow from it.
func (c *Client) compose(message *fhir.Resource, id uuid.UUID, o documentOptions, wrap wrapping) (*Outgoing, error) {
	derived := func(what string) string { return strings.ToUpper(uuid.NewSHA1(id, []byte(what)).String()) }
	made := 0
	o.NewID = func() string {
		made++
		return derived("document " + strconv.Itoa(made))
	}
	document, set, err := writeDocument(message, o)
	if err != nil {
		return nil, err
	}
	header := message.Get("entry").At(0).Get("resource")
	sender := c.senderOf(message, header)
	if sender == "" {
		return nil, fhir.NewOutcome(fhir.KindProcessing, "MessageHeader.sender", "must name an organisation by ODS code")
	}
	addresses := c.addresses(message, header)
	if len(addresses) == 0 {
		return nil, fhir.NewOutcome(fhir.KindProcessing, "MessageHeader.destination", "must name a DoS service or an organisation by ODS code")
	}
	payload := "uuid_" + derived("payload")
	envelope := el("itk:DistributionEnvelope", at("xmlns:itk", nsITK),
		el("itk:header", at("service", wrap.service, "trackingid", derived("tracking")),
			el("itk:addresslist", nil, addresses...),
			el("itk:auditIdentity", nil, el("itk:id", at("uri", auditURI+string(sender)))),
			el("itk:manifest", at("count", "1"), el("itk:manifestitem", at("id", payload, "mimetype", "text/xml", "profileid", wrap.profile))),
			el("itk:senderAddress", at("uri", odsURI+string(sender))),
			el("itk:handlingSpecification", nil, el("itk:spec", at("key", nsITK+":interaction", "value", interactionBase+wrap.interaction)))),
		el("itk:payloads", at("count", "1"), el("itk:payload", at("id", payload), &xmlElement{raw: document})))
	var b strings.Builder
	envelope.write(&b)
	return &Outgoing{MessageID: strings.ToUpper(id.String()), Service: wrap.service, Sender: sender, Envelope: []byte(b.String()), set: set}, nil
}

// senderOf is the organisation that the message is sent in the name of.
func (c *Client) senderOf(message *fhir.Resource, header fhir.Value) nhs.ODSCode {
	if c.Sender != "" {
		return c.Sender
	}
	for entry := range message.Get("entry").Items() {
		if entry.Get("fullUrl").Text() == header.Dig("sender", "reference").Text() {
			return nhs.ODSOf(entry.Get("resource").Resource())
		}
	}
	return ""
}

func referralOf(message *fhir.Resource) fhir.Value {
	for entry := range message.Get("entry").Items() {
		if r := entry.Get("resource"); r.Get("resourceType").Text() == "ServiceRequest" {
			return r
		}
	}
	return fhir.Value{}
}

// addresses are the DoS service of the message's destination and the receiving
// organisation.
func (c *Client) addresses(message *fhir.Resource, header fhir.Value) []*xmlElement {
	destination := header.Get("destination").At(0)
	var out []*xmlElement
	ods := ""
	system, value, _ := strings.Cut(destination.Get("endpoint").Text(), "|")
	for entry := range message.Get("entry").Items() {
		if entry.Get("fullUrl").Text() == destination.Dig("receiver", "reference").Text() {
			ods = string(nhs.ODSOf(entry.Get("resource").Resource()))
		}
	}
	if nhs.Canonical(system) == nhs.SystemODS {
		ods = value
	}
	if ods != "" {
		out = append(out, el("itk:address", at("uri", odsURI+ods)))
	}
	if nhs.Canonical(system) == nhs.SystemDoS && value != "" {
		out = append(out, el("itk:address", at("type", dosType, "uri", value)))
	}
	return out
}

// SOAP wraps a message in its SOAP 1.1 envelope, stamped with the time.
func (c *Client) SOAP(endpoint string, m *Outgoing) []byte {
	life := c.Life
	if life <= 0 {
		life = defaultLife
	}
	created := c.now().UTC()
	stamp := func(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }
	envelope := el("soap:Envelope", at("xmlns:soap", nsSOAP, "xmlns:wsa", nsWSA, "xmlns:wsse", nsWSSE, "xmlns:wsu", nsWSU),
		el("soap:Header", nil,
			textEl("wsa:MessageID", m.MessageID), textEl("wsa:Action", m.Service), textEl("wsa:To", endpoint),
			el("wsa:ReplyTo", nil, textEl("wsa:Address", anonymous)),
			el("wsse:Security", nil,
				el("wsu:Timestamp", nil, textEl("wsu:Created", stamp(created)), textEl("wsu:Expires", stamp(created.Add(life)))),
				el("wsse:UsernameToken", nil, textEl("wsse:Username", orElse(c.Username, "CN="+string(m.Sender)))))),
		el("soap:Body", nil, &xmlElement{raw: string(m.Envelope)}))
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	envelope.write(&b)
	return []byte(b.String())
}

func (c *Client) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}
