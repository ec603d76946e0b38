package nhs111

import (
	"fmt"
	"github.com/onward-health/onward/internal/xmltree"
	"strings"
)

// The fault codes of SOAP 1.1, section 4.4.1.
const (
	faultClient          = "Client"
	faultServer          = "Server"
	faultMustUnderstand  = "MustUnderstand"
	faultVersionMismatch = "VersionMismatch"
)

// The ITK error codes (2.16.840.1.113883.2.1.3.2.4.17.268).
const (
	codeInvalid   = 1000 // wrong in structure or content: don't send it again unchanged
	codeTemporary = 2100 // try again later
	codeInternal  = 2200 // processing failed
	codeAccess    = 3000 // not allowed
)

// The diagnostic texts and the internal error of the reference adaptor.
const (
	diagSOAP          = "Soap validation failed"
	textNotXML        = "This is not a valid XML message"
	textSchema        = "schema validation failed"
	textInvalidID     = "Invalid MessageId"
	textInternal      = "Internal Error. Please contact your system Administrator"
	diagInternal      = "Internal Error"
	textNotOffered    = "Operation not offered"
	textNotSupported  = "Message not supported"
	textTooLarge      = "Message too large"
	textMediaType     = "Media type not supported"
	textNotAuthorised = "Not authorised"
)

// fault is a refusal as ITK 2.2 words it: a SOAP fault with ToolkitErrorInfo.
type fault struct {
	Code   string // the SOAP fault code's local part
	Number int    // the ITK error code
	Text   string // ErrorText
	Diag   string // ErrorDiagnosticText

	status     int // HTTP status; 0 is 500
	retryAfter int // seconds
}

func (f *fault) Error() string {
	return fmt.Sprintf("%s %d: %s: %s", f.Code, f.Number, f.Text, f.Diag)
}

// refuse is a Client fault with code 1000, the usual one.
func refuse(text, diag string) *fault {
	return &fault{Code: faultClient, Number: codeInvalid, Text: text, Diag: diag}
}

const (
	faultAction          = "http://www.w3.org/2005/08/addressing/soap/fault"
	faultActionHeader    = "http://www.w3.org/2005/08/addressing/fault" // for MustUnderstand
	anonymous            = "http://www.w3.org/2005/08/addressing/anonymous"
	clientFaultString    = "A client related error has occurred, see detail element for further information"
	serverFaultString    = "A Server related error has occurred, see detail element for further information"
	successActionSuffix  = "Response"
	reportSuccessAction  = servicePrefix + "SendNHS111Report-v2-0" + successActionSuffix
	servicePrefix        = "urn:nhs-itk:services:201005:"
	reportServicePrefix  = servicePrefix + "SendNHS111Report"
	faultActorUnspecific = "http://source.of.fault.example.com" // the reference's; TKW wants an http address
)

// envelope renders the fault. relatesTo is the request's MessageID, "" where it
// isn't known.
func (f *fault) envelope(messageID, errorID, relatesTo string) []byte {
	action, words := faultAction, clientFaultString
	if f.Code == faultMustUnderstand {
		action = faultActionHeader
	}
	if f.Code == faultServer {
		words = serverFaultString
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.WriteString(`<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsWSA + `" xmlns:itk="` + nsITK + `">`)
	b.WriteString(`<s:Header><a:MessageID>` + messageID + `</a:MessageID><a:Action>` + action + `</a:Action><a:To>` + anonymous + `</a:To>`)
	if relatesTo != "" {
		b.WriteString(`<a:RelatesTo>` + xmltree.EscapeText(relatesTo) + `</a:RelatesTo>`)
	}
	b.WriteString(`</s:Header><s:Body><s:Fault><faultcode>s:` + f.Code + `</faultcode><faultstring>` + words + `</faultstring>`)
	b.WriteString(`<faultactor>` + faultActorUnspecific + `</faultactor><detail><itk:ToolkitErrorInfo>`)
	b.WriteString(`<itk:ErrorID>` + errorID + `</itk:ErrorID>`)
	fmt.Fprintf(&b, `<itk:ErrorCode codeSystem="2.16.840.1.113883.2.1.3.2.4.17.268">%d</itk:ErrorCode>`, f.Number)
	b.WriteString(`<itk:ErrorText>` + xmltree.EscapeText(f.Text) + `</itk:ErrorText>`)
	b.WriteString(`<itk:ErrorDiagnosticText>` + xmltree.EscapeText(f.Diag) + `</itk:ErrorDiagnosticText>`)
	b.WriteString(`</itk:ToolkitErrorInfo></detail></s:Fault></s:Body></s:Envelope>` + "\n")
	return []byte(b.String())
}

// successEnvelope is the SimpleMessageResponse. Its Action is the same for every
// variant of the report service, as senders expect.
func successEnvelope(messageID, service, relatesTo string) []byte {
	action := reportSuccessAction
	if !strings.HasPrefix(service, reportServicePrefix) {
		action = service + successActionSuffix
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.WriteString(`<soap:Envelope xmlns:soap="` + nsSOAP + `" xmlns:wsa="` + nsWSA + `"><soap:Header>`)
	b.WriteString(`<wsa:MessageID>` + messageID + `</wsa:MessageID><wsa:Action>` + xmltree.EscapeText(action) + `</wsa:Action>`)
	if relatesTo != "" {
		b.WriteString(`<wsa:RelatesTo>` + xmltree.EscapeText(relatesTo) + `</wsa:RelatesTo>`)
	}
	b.WriteString(`</soap:Header><soap:Body><itk:SimpleMessageResponse xmlns:itk="` + nsITK + `">OK:` + xmltree.EscapeText(relatesTo))
	b.WriteString(`</itk:SimpleMessageResponse></soap:Body></soap:Envelope>` + "\n")
	return []byte(b.String())
}
