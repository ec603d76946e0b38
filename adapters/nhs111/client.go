package nhs111

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/xmltree"
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
)

// Client sends BaRS referrals to receivers that only have an NHS 111 SOAP door.
type Client struct {
	// HTTP makes the connections: with the client certificate, and to addresses
	// that may be called only. Default: 30 seconds for an answer.
	HTTP *http.Client
	// Sender is the organisation that this software speaks for.
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
	MessageID string `json:"messageId"`
	Service   string `json:"service"`
	Envelope  []byte `json:"envelope"`
}

// Compose writes a BaRS referral message as an ITK message that holds a 111
// report. All ids follow from the Bundle's, so that the receiver knows the same
// message again, whoever composes it. version is the document's in its set,
// from 1. The error is a KindProcessing Outcome.
func (c *Client) Compose(message *fhir.Resource, version int) (*Outgoing, error) {
	if !fhir.ValidUUID(message.ID()) {
		return nil, fhir.NewOutcome(fhir.KindProcessing, "Bundle.id", "must be a UUID, which becomes the MessageID")
	}
	id := uuid.MustParse(message.ID())
	derived := func(what string) string { return strings.ToUpper(uuid.NewSHA1(id, []byte(what)).String()) }
	made := 0
	document, err := writeDocument(message, documentOptions{Version: version, NewID: func() string {
		made++
		return derived("document " + strconv.Itoa(made))
	}})
	if err != nil {
		return nil, err
	}
	header := message.Get("entry").At(0).Get("resource")
	addresses := c.addresses(message, header)
	if len(addresses) == 0 {
		return nil, fhir.NewOutcome(fhir.KindProcessing, "MessageHeader.destination", "must name a DoS service or an organisation by ODS code")
	}
	payload := "uuid_" + derived("payload")
	interaction := interactionOther
	for category := range referralOf(message).Get("category").Items() {
		if fhir.CodeOf(category, codeSystemBase+"usecases-categories-bars") == useCaseED {
			interaction = interactionED
		}
	}
	envelope := el("itk:DistributionEnvelope", at("xmlns:itk", nsITK),
		el("itk:header", at("service", sendReport, "trackingid", derived("tracking")),
			el("itk:addresslist", nil, addresses...),
			el("itk:auditIdentity", nil, el("itk:id", at("uri", auditURI+string(c.Sender)))),
			el("itk:manifest", at("count", "1"), el("itk:manifestitem", at("id", payload, "mimetype", "text/xml", "profileid", reportProfile))),
			el("itk:senderAddress", at("uri", odsURI+string(c.Sender))),
			el("itk:handlingSpecification", nil, el("itk:spec", at("key", nsITK+":interaction", "value", interactionBase+interaction)))),
		el("itk:payloads", at("count", "1"), el("itk:payload", at("id", payload), &xmlElement{raw: document})))
	var b strings.Builder
	envelope.write(&b)
	return &Outgoing{MessageID: strings.ToUpper(message.ID()), Service: sendReport, Envelope: []byte(b.String())}, nil
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
				el("wsse:UsernameToken", nil, textEl("wsse:Username", orElse(c.Username, "CN="+string(c.Sender)))))),
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

// Refused is what a receiver answered instead of taking a message, or why there
// was no answer. Its text never holds what the receiver wrote.
type Refused struct {
	Status int    // of HTTP; 0: no answer
	Code   string // ITK error code, "" where the receiver gave none
	// Temporary says that the same message may be sent again.
	Temporary bool
	After     time.Duration // how long the receiver asked to be left alone
	Cause     error
}

func (r *Refused) Error() string {
	switch {
	case r.Status == 0:
		return "nhs111: the receiver didn't answer"
	case r.Code == "":
		return fmt.Sprintf("nhs111: the receiver answered HTTP %d", r.Status)
	}
	return fmt.Sprintf("nhs111: the receiver answered HTTP %d, ITK error %s", r.Status, r.Code)
}

// Unwrap returns what stopped the connection.
func (r *Refused) Unwrap() error { return r.Cause }

// Send posts a message. nil means that the receiver took it; else a *Refused.
func (c *Client) Send(ctx context.Context, endpoint string, m *Outgoing) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(c.SOAP(endpoint, m)))
	if err != nil {
		return &Refused{Cause: err}
	}
	request.Header.Set("Content-Type", "text/xml; charset=utf-8")
	request.Header.Set("SOAPAction", `"`+m.Service+`"`)
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: defaultWait}
	}
	answer, err := client.Do(request)
	if err != nil {
		return &Refused{Temporary: true, Cause: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Refused{Status: answer.StatusCode, Temporary: true, Cause: err}
	}
	refused := judge(answer.StatusCode, body)
	if refused == nil {
		return nil
	}
	refused.After = outbox.RetryAfter(answer.Header, c.now())
	return refused
}

// judge reads an answer. ITK's codes: 1000 the message is wrong, 3000 not
// allowed, 2100 try again later, 2200 the receiver failed. Some receivers put
// the code into faultcode and leave the detail empty.
func judge(status int, body []byte) *Refused {
	root, err := xmltree.Read(body, xmltree.Rules{Instructions: true})
	if err != nil || !root.Is(nsSOAP, "Envelope") {
		return &Refused{Status: status, Temporary: status >= 500 || status == 408 || status == 429 || status < 300}
	}
	content := root.Child("Body")
	failed := content.Child("Fault")
	if failed == nil {
		if status == http.StatusOK && len(content.AllIn(nsITK, "SimpleMessageResponse")) == 1 {
			return nil
		}
		return &Refused{Status: status, Temporary: status >= 500 || status < 300}
	}
	code, faultCode := "", ""
	for _, part := range failed.Elements() { // unqualified, or in SOAP's namespace where that is the default
		switch part.Local {
		case "faultcode":
			faultCode = part.Content()
		case "detail":
			for _, info := range part.AllIn(nsITK, "ToolkitErrorInfo") {
				code = info.Child("ErrorCode").Content()
			}
		}
	}
	if code == "" {
		code = faultCode[strings.Index(faultCode, ":")+1:]
	}
	if len(code) != 4 || !allDigits(code) {
		code = ""
	}
	return &Refused{Status: status, Code: code, Temporary: code == "2100" || code == "2200" || code == "" && status >= 500}
}
