package nhs111

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// tellRefusal queues what the sender of a refused message asked to be told beside
// the fault: that its DistributionEnvelope is wrong (InfrastructureResponse with
// result Failure), or that it arrived and its content was refused (a
// BusinessResponseMessage with AE). Only a refusal for good is told, of an envelope
// that can be read, and only to the organisation that the auditIdentity names and
// for which the connection may speak: else anyone could have refusals sent to
// anyone. A refusal that can't be queued is in the fault all the same.
func (d *door) tellRefusal(r *http.Request, x *exchange, f *fault) {
	e := x.envelope
	if d.Acks == nil || e == nil || e.distribution == nil || f.Number != codeInvalid || f.Code != faultClient || f.retryAfter > 0 {
		return
	}
	organisation, valid := nhs.ParseODSCode(e.AuditODS)
	told, _ := odsIn(e.SenderURI, odsURI)
	if !valid || !strings.EqualFold(told, string(organisation)) || d.Entitled != nil && !d.Entitled(r, organisation) || !trackingIDForm.MatchString(e.TrackingID) {
		return
	}
	var wanted []*distribution
	code := envelopeError(f)
	switch {
	case !x.arrived && code != "" && e.InfrastructureAck && !e.synchronous():
		wanted = append(wanted, d.infrastructureNack(e, code, f))
	case x.arrived:
		if e.InfrastructureAck && !e.synchronous() {
			wanted = append(wanted, d.infrastructureAck(e))
		}
		if e.BusinessAck {
			wanted = append(wanted, d.businessNack(e, f))
		}
	}
	// The same refusal again takes the place of one that still waits.
	ops, err := d.Acks.queue(x, d, wanted, func(w *distribution) string {
		return strings.ToUpper(uuid.NewSHA1(personSpace, []byte("refused|"+e.TrackingID+"|"+w.Service)).String())
	})
	if err == nil {
		err = d.desk.Tell(r.Context(), ops)
	}
	if err != nil {
		d.Log.Error("nhs111: a refusal couldn't be queued for its sender", "messageId", e.MessageID)
	}
}

// envelopeErrors are the errors of a DistributionEnvelope (ITK 2.2,
// 2.16.840.1.113883.2.1.3.2.4.17.516) by the texts of the checks: the first that
// a text begins with counts.
var envelopeErrors = []struct{ text, code string }{
	{"Itk TrackingId missing", "DE0002"}, {"Soap Action is not equal to ITK service", "DE0002"}, {"Itk header holds", "DE0002"},
	{"Message rejected", "DE0003"}, {"Invalid Audit Identity value", "DE0004"},
	{"Manifest and payload items IDs", "DE0007"}, {"Manifest profile Id missing", "DE0007"}, {"Invalid manifest profile Id", "DE0007"},
	{"Manifest", "DE0006"}, {"Itk interaction", "DE0009"}, {"Payload count", "DE0011"}, {"Too many payloads", "DE0011"},
	{"Unable to find ClinicalDocument", "DE0012"}, {textNotXML, "DE0012"}, {textNotSupported, "DE0012"},
	{textSchema, "DE0001"}, {"A DistributionEnvelope holds", "DE0001"}, {"The header of a DistributionEnvelope", "DE0002"}, {"DistributionEnvelope", "DE0001"},
}

// envelopeParts names the parts in the error's text.
var envelopeParts = map[string]string{"DE0001": "", "DE0002": "Header ", "DE0003": "Address List ", "DE0004": "Audit Identity ",
	"DE0006": "Manifest ", "DE0007": "Manifest Item ", "DE0009": "Handling Specifications ", "DE0011": "Payloads ", "DE0012": "Payload "}

// envelopeError is the code of what is wrong with an envelope; "" where the fault
// isn't about that, such as a message that has expired.
func envelopeError(f *fault) string {
	for _, known := range envelopeErrors {
		if strings.HasPrefix(f.Text, known.text) {
			return known.code
		}
	}
	return ""
}

func (d *door) infrastructureNack(e *envelope, code string, f *fault) *distribution {
	return d.infrastructureResponse(e, "Failure", `<itk:errors><itk:errorInfo><itk:ErrorID>`+d.uuid()+`</itk:ErrorID>`+
		`<itk:ErrorCode codeSystem="2.16.840.1.113883.2.1.3.2.4.17.516">`+code+`</itk:ErrorCode>`+
		`<itk:ErrorText>Distribution Envelope `+envelopeParts[code]+`Processing Error</itk:ErrorText>`+
		`<itk:ErrorDiagnosticText>`+xmltree.EscapeText(clip(f.Text))+`</itk:ErrorDiagnosticText></itk:errorInfo></itk:errors>`)
}

// businessNack says that the content was refused, in the fault's code and words.
func (d *door) businessNack(e *envelope, f *fault) *distribution {
	return d.businessResponse(e, "AE", `<acknowledgementDetail typeCode="ER"><code code="1000" codeSystem="2.16.840.1.113883.2.1.3.2.4.17.433" displayName="`+
		xmltree.EscapeAttr(clip(f.Text))+`"/></acknowledgementDetail>`)
}
