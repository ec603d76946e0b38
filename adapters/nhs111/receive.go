package nhs111

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// exchange is one request and what is known of it.
type exchange struct {
	door     *door
	generic  bool
	soap     soapVersion
	envelope *envelope // nil until it could be read
	text     []byte    // the message as UTF-8
	reply    *distribution
	arrived  bool // the DistributionEnvelope is in order and its payloads can be read
}

func (x *exchange) relatesTo() string {
	if x.envelope == nil {
		return ""
	}
	return x.envelope.MessageID
}

// receive carries one request through. What is known of the message is left in
// the exchange, so that a fault can relate to it.
func (d *door) receive(w http.ResponseWriter, r *http.Request, x *exchange) error {
	parameters, err := x.mediaType(r)
	if err != nil {
		return err
	}
	body, err := d.read(w, r)
	if err != nil {
		return err
	}
	if x.text, err = xmltree.ToUTF8(body, parameters["charset"]); err != nil {
		return refuse(textNotXML, err.Error())
	}
	root, err := xmltree.Read(x.text, xmltree.Rules{Instructions: d.Mode == Compat})
	if err != nil {
		return refuse(textNotXML, err.Error())
	}
	e, f := readEnvelope(root)
	x.envelope = e
	if f != nil {
		return f
	}
	if e.SOAP != x.soap {
		return &fault{Code: faultVersionMismatch, Number: codeInvalid, Text: textVersion,
			Diag: "The envelope must be of the SOAP version that the media type says, namespace " + x.soap.namespace()}
	}
	rules := d.rules()
	rules.Generic = x.generic
	if f := e.check(rules); f != nil {
		return f
	}
	if f := e.checkTransport(rules, r.Header, parameters["action"]); f != nil {
		return f
	}
	if f := d.checkSignature(e, x.text); f != nil {
		return f
	}
	d.warnOfIDs(e)
	if kind, _ := kindOf(e.Service, e.Interaction); kind == query {
		return d.answerQuery(r, x)
	}
	return d.deliver(r, x, rules, body, wellFormed(r.Header.Get("Content-Type")))
}

// mediaType finds the SOAP version by the media type. Only ITK's generic service
// takes SOAP 1.2.
func (x *exchange) mediaType(r *http.Request) (parameters map[string]string, err error) {
	mediaType, parameters, err := mime.ParseMediaType(wellFormed(r.Header.Get("Content-Type")))
	says := "The body must be text/xml or application/xml"
	if x.generic {
		says += ", or application/soap+xml"
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		says += ", in one part (no MTOM)"
	}
	unsupported := &fault{Code: faultClient, Number: codeInvalid, Text: textMediaType, Diag: says, status: http.StatusUnsupportedMediaType}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		unsupported.Diag = "The body may not have a Content-Encoding"
		return nil, unsupported
	}
	switch {
	case err != nil:
	case mediaType == "text/xml", mediaType == "application/xml":
		return parameters, nil
	case mediaType == "application/soap+xml" && x.generic:
		x.soap = soap12
		return parameters, nil
	}
	return nil, unsupported
}

// read takes the body, up to the limit.
func (d *door) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, d.MaxBody))
	if err == nil {
		return body, nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, &fault{Code: faultClient, Number: codeInvalid, Text: textTooLarge,
			Diag: "The body is larger than " + strconv.FormatInt(d.MaxBody, 10) + " bytes", status: http.StatusRequestEntityTooLarge}
	}
	return nil, refuse(textNotXML, "The body ended early")
}

// warnOfIDs logs ids that should differ and don't; some senders reuse one, so
// nothing is refused (ITK 2.2, cross checks).
func (d *door) warnOfIDs(e *envelope) {
	if e.MessageID != "" && strings.EqualFold(e.MessageID, e.TrackingID) {
		d.Log.Info("nhs111: MessageID and trackingid are the same", "messageId", e.MessageID)
	}
}

func (d *door) rules() checkRules {
	return checkRules{Mode: d.Mode, SOAPChecks: d.SOAPChecks, SendTo: d.SendTo,
		ODSCodes: d.ODSCodes, DoSIDs: d.DoSIDs, Now: d.Clock(), Skew: d.Skew, Verifies: d.Signers != nil}
}
