package nhs111

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// soapVersion is the version of an envelope. The NHS 111 services are bound to
// SOAP 1.1 only; ITK's generic service to both (ITK 2.2, transport).
type soapVersion uint8

const (
	soap11 soapVersion = iota
	soap12
)

func (v soapVersion) namespace() string {
	if v == soap12 {
		return nsSOAP12
	}
	return nsSOAP
}

func (v soapVersion) mediaType() string {
	if v == soap12 {
		return "application/soap+xml"
	}
	return "text/xml"
}

// mustUnderstand reads the SOAP attribute of a header block.
func (v soapVersion) mustUnderstand(block *xmltree.Node) bool {
	must, _ := block.AttrIn(v.namespace(), "mustUnderstand")
	must = strings.TrimSpace(must)
	return must == "1" || must == "true"
}

// forUs says whether a header block is for this door and not for somebody else
// on the way (SOAP 1.1, section 4.2.2; SOAP 1.2 part 1, section 5.2.2).
func (v soapVersion) forUs(block *xmltree.Node) bool {
	name, ours := "actor", []string{"", "http://schemas.xmlsoap.org/soap/actor/next"}
	if v == soap12 {
		name, ours = "role", []string{"", nsSOAP12 + "/role/next", nsSOAP12 + "/role/ultimateReceiver"}
	}
	who, _ := block.AttrIn(v.namespace(), name)
	return slices.Contains(ours, strings.TrimSpace(who))
}

// faultCode names a fault code of SOAP 1.1 in this version.
func (v soapVersion) faultCode(code string) string {
	if v == soap12 {
		switch code {
		case faultClient:
			return "Sender"
		case faultServer:
			return "Receiver"
		}
	}
	return code
}

// status is the HTTP status of a fault: always 500 in SOAP 1.1 (section 6.2), 400
// for the sender's own in SOAP 1.2 (part 2, table 20).
func (v soapVersion) status(f *fault) int {
	switch {
	case f.status != 0:
		return f.status
	case v == soap12 && f.Code == faultClient:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// headers are the addressing headers of an answer.
type headers struct{ MessageID, Action, To, RelatesTo string }

// write wraps the body, which is XML of our own making, into an envelope.
func (v soapVersion) write(h headers, body string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	b.WriteString(`<s:Envelope xmlns:s="` + v.namespace() + `" xmlns:a="` + nsWSA + `" xmlns:itk="` + nsITK + `"><s:Header>`)
	for _, part := range [][2]string{{"MessageID", h.MessageID}, {"Action", h.Action}, {"To", h.To}, {"RelatesTo", h.RelatesTo}} {
		if part[1] != "" {
			b.WriteString(`<a:` + part[0] + `>` + xmltree.EscapeText(part[1]) + `</a:` + part[0] + `>`)
		}
	}
	b.WriteString(`</s:Header><s:Body>` + body + `</s:Body></s:Envelope>` + "\n")
	return []byte(b.String())
}

// fault words a refusal as ITK 2.2 does: ToolkitErrorInfo in the detail.
func (v soapVersion) fault(f *fault, messageID, errorID, relatesTo string) []byte {
	action, words := faultAction, clientFaultString
	if f.Code == faultMustUnderstand {
		action = faultActionHeader
	}
	if f.Code == faultServer {
		words = serverFaultString
	}
	detail := `<itk:ToolkitErrorInfo><itk:ErrorID>` + errorID + `</itk:ErrorID>` +
		fmt.Sprintf(`<itk:ErrorCode codeSystem="2.16.840.1.113883.2.1.3.2.4.17.268">%d</itk:ErrorCode>`, f.Number) +
		`<itk:ErrorText>` + xmltree.EscapeText(clip(f.Text)) + `</itk:ErrorText>` +
		`<itk:ErrorDiagnosticText>` + xmltree.EscapeText(clip(f.Diag)) + `</itk:ErrorDiagnosticText></itk:ToolkitErrorInfo>`
	code := `s:` + v.faultCode(f.Code)
	body := `<s:Fault><faultcode>` + code + `</faultcode><faultstring>` + words + `</faultstring>` +
		`<faultactor>` + faultActorUnspecific + `</faultactor><detail>` + detail + `</detail></s:Fault>`
	if v == soap12 {
		body = `<s:Fault><s:Code><s:Value>` + code + `</s:Value></s:Code><s:Reason><s:Text xml:lang="en">` + words +
			`</s:Text></s:Reason><s:Detail>` + detail + `</s:Detail></s:Fault>`
	}
	return v.write(headers{messageID, action, anonymous, relatesTo}, body)
}

// maxEcho bounds what a fault says: the reference's texts repeat values of the
// message, which can be as large as it.
const maxEcho = 4 << 10

func clip(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "…"
}

// success is the SimpleMessageResponse. Its Action is the same for every variant
// of the report service, as senders expect, and for a report by the generic one.
func (v soapVersion) success(messageID, service, relatesTo string) []byte {
	return v.write(headers{MessageID: messageID, Action: responseAction(service), RelatesTo: relatesTo},
		`<itk:SimpleMessageResponse>OK:`+xmltree.EscapeText(relatesTo)+`</itk:SimpleMessageResponse>`)
}

func responseAction(service string) string {
	if operation := strings.TrimPrefix(service, servicePrefix); strings.HasPrefix(operation, reportOperation) || service == sendAction {
		return reportSuccessAction
	}
	return service + successActionSuffix
}
