package nhs111

import (
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// Namespaces of the message.
const (
	nsSOAP   = "http://schemas.xmlsoap.org/soap/envelope/"
	nsSOAP12 = "http://www.w3.org/2003/05/soap-envelope"
	nsWSA    = "http://www.w3.org/2005/08/addressing"
	nsWSSE   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsWSU    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	nsDSig   = "http://www.w3.org/2000/09/xmldsig#"
	nsITK    = "urn:nhs-itk:ns:201005"
	nsHL7    = "urn:hl7-org:v3"
	nsNPFIT  = "NPFIT:HL7:Localisation"
	nsXSI    = "http://www.w3.org/2001/XMLSchema-instance"
	dosType  = "2.16.840.1.113883.2.1.3.2.4.18.44"
	odsURI   = "urn:nhs-uk:addressing:ods:"
	auditURI = "urn:nhs-uk:identity:ods:"
)

// envelope is what the SOAP headers and the ITK DistributionEnvelope say. Every
// member was found at its full path and namespace, exactly once.
type envelope struct {
	SOAP      soapVersion
	MessageID string // as sent; "" only in Compat
	Action    string
	To        string
	ReplyTo   string

	HasTimestamp     bool
	Created, Expires string
	Username         string
	Foreign          bool // a header block that must be understood and isn't
	Signed           bool // Security holds an XML signature
	securityNeeded   bool // Security must be understood
	security         *xmltree.Node
	Parameters       bool // an endpoint reference carries reference parameters

	Service     string
	TrackingID  string
	Interaction string   // without "urn:nhs-itk:interaction:"
	ODS         []string // ODS codes of the address list, in order
	DoS         []string // DoS service ids of the address list, in order
	AuditURI    string   // the auditIdentity that counts
	AuditODS    string
	SenderURI   string
	// What the sender asks to be told beside the synchronous answer.
	InfrastructureAck, BusinessAck bool

	ManifestCount, PayloadCount string
	Items                       []manifestItem
	Payloads                    []*xmltree.Node
	Beside                      []Omission // the payloads that are no document, once these were read

	root         *xmltree.Node
	header       *xmltree.Node
	distribution *xmltree.Node
}

type manifestItem struct {
	ID, MimeType, ProfileID       string
	Compressed, Base64, Encrypted bool
}

// readEnvelope finds the parts of a SOAP message. It refuses what can't be told
// apart (a header twice, a second body), and leaves judging to check.
func readEnvelope(root *xmltree.Node) (*envelope, *fault) {
	e := &envelope{root: root}
	switch {
	case root.Is(nsSOAP12, "Envelope"):
		e.SOAP = soap12
	case root.Local == "Envelope" && root.Space != nsSOAP:
		return nil, &fault{Code: faultVersionMismatch, Number: codeInvalid, Text: textVersion,
			Diag: "The envelope must be of SOAP 1.1, namespace " + nsSOAP}
	case !root.Is(nsSOAP, "Envelope"):
		return e, nil // what is missing is said in the order of the checks
	}
	if len(root.All("Header")) > 1 || len(root.All("Body")) > 1 {
		return nil, refuse("Soap Header or Body is repeated", diagSOAP)
	}
	if f := e.readHeaders(root.Child("Header")); f != nil {
		return nil, f
	}
	body := root.Child("Body")
	if count := len(body.Elements()); count > 1 {
		return nil, refuse("Soap Body holds more than one element", diagSOAP)
	}
	if de := body.AllIn(nsITK, "DistributionEnvelope"); len(de) == 1 {
		e.distribution = de[0]
		return e, e.readDistribution(de[0])
	}
	return e, nil
}

func (e *envelope) readHeaders(header *xmltree.Node) *fault {
	seen := map[string]bool{}
	for _, block := range header.Elements() {
		if !e.SOAP.forUs(block) {
			continue
		}
		if block.Space == nsWSA || block.Is(nsWSSE, "Security") {
			if seen[block.Local] && block.Local != "RelatesTo" {
				return refuse("Soap header "+block.Local+" is repeated", diagSOAP)
			}
			seen[block.Local] = true
		}
		understood := e.readHeader(block)
		if !understood && e.SOAP.mustUnderstand(block) {
			e.Foreign = true
		}
	}
	return e.readTimestamp(e.security)
}

// readHeader takes one header block and says whether this door processes it.
func (e *envelope) readHeader(block *xmltree.Node) bool {
	if block.Is(nsWSSE, "Security") {
		// Whether a signature is understood depends on what the door trusts; the
		// checks say so.
		e.security = block
		e.Signed = len(block.AllIn(nsDSig, "Signature")) > 0
		e.securityNeeded = e.SOAP.mustUnderstand(block)
		return true
	}
	if block.Space != nsWSA {
		return false
	}
	switch block.Local {
	case "Action":
		e.Action = block.Content()
	case "MessageID":
		e.MessageID = block.Content()
	case "To":
		e.To = block.Content()
	case "ReplyTo", "From", "FaultTo":
		if block.Local == "ReplyTo" {
			e.ReplyTo = block.Child("Address").Content()
		}
		e.Parameters = e.Parameters || len(block.All("ReferenceParameters"))+len(block.All("ReferenceProperties")) > 0
	case "RelatesTo":
	default:
		return false
	}
	return true
}

func (e *envelope) readTimestamp(security *xmltree.Node) *fault {
	if security == nil {
		return nil
	}
	stamps := security.AllIn(nsWSU, "Timestamp")
	tokens := security.All("UsernameToken")
	if len(stamps) > 1 || len(tokens) > 1 {
		return refuse("Soap header Security holds an element twice", diagSOAP)
	}
	if len(stamps) == 1 {
		if len(stamps[0].All("Created")) > 1 || len(stamps[0].All("Expires")) > 1 {
			return refuse("Invalid timestamp", diagSOAP)
		}
		e.HasTimestamp = true
		e.Created = stamps[0].Child("Created").Content()
		e.Expires = stamps[0].Child("Expires").Content()
	}
	if len(tokens) == 1 {
		e.Username = tokens[0].Child("Username").Content()
	}
	return nil
}

func (e *envelope) readDistribution(de *xmltree.Node) *fault {
	for _, name := range []string{"header", "payloads"} {
		if len(de.All(name)) > 1 {
			return refuse("DistributionEnvelope holds "+name+" twice", diagSOAP)
		}
	}
	e.header = de.Child("header")
	if e.header == nil {
		e.header = &xmltree.Node{Space: nsITK, Local: "header"}
	}
	for _, name := range headerParts {
		if len(e.header.All(name)) > 1 {
			return refuse("Itk header holds "+name+" twice", diagSOAP)
		}
	}
	e.Service = e.header.Attr("service")
	e.TrackingID = e.header.Attr("trackingid")
	e.readAddresses()
	e.SenderURI = e.header.Child("senderAddress").Attr("uri")
	e.ManifestCount = e.header.Child("manifest").Attr("count")
	for _, item := range e.header.Child("manifest").All("manifestitem") {
		e.Items = append(e.Items, manifestItem{
			ID: item.Attr("id"), MimeType: item.Attr("mimetype"), ProfileID: item.Attr("profileid"),
			Compressed: isTrue(item, "compressed"), Base64: isTrue(item, "base64"), Encrypted: isTrue(item, "encrypted"),
		})
	}
	e.PayloadCount = de.Child("payloads").Attr("count")
	e.Payloads = de.Child("payloads").All("payload")
	return e.readSpecs()
}

func isTrue(n *xmltree.Node, name string) bool {
	v := strings.TrimSpace(n.Attr(name))
	return v == "true" || v == "1"
}

func (e *envelope) readAddresses() {
	for _, address := range e.header.Child("addresslist").All("address") {
		uri := address.Attr("uri")
		if address.Attr("type") == dosType {
			e.DoS = append(e.DoS, strings.TrimSpace(uri))
		} else if code, ok := odsIn(uri, odsURI); ok {
			e.ODS = append(e.ODS, code)
		}
	}
	for _, id := range e.header.Child("auditIdentity").All("id") {
		uri := id.Attr("uri")
		if code, ok := odsIn(uri, auditURI); ok {
			e.AuditURI, e.AuditODS = uri, code
			return
		}
		if e.AuditURI == "" {
			e.AuditURI = uri
		}
	}
}

// odsIn takes the code out of "<prefix><ODS>[:<more>]".
func odsIn(uri, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(uri, prefix)
	if !ok {
		return "", false
	}
	code, _, _ := strings.Cut(rest, ":")
	return strings.ToUpper(strings.TrimSpace(code)), code != ""
}

// readSpecs finds the interaction and the acknowledgements asked for by their
// keys, wherever they stand among the specs.
func (e *envelope) readSpecs() *fault {
	found := false
	for _, spec := range e.header.Child("handlingSpecification").All("spec") {
		switch spec.Attr("key") {
		case nsITK + ":infackrequested":
			e.InfrastructureAck = isTrue(spec, "value")
		case nsITK + ":ackrequested", "urn:nhs:itk:ns:201005:ackrequested": // as the guide of 2013 writes it
			e.BusinessAck = isTrue(spec, "value")
		case nsITK + ":interaction":
			if found {
				return refuse("Itk interaction is given twice", diagSOAP)
			}
			found = true
			e.Interaction = strings.TrimPrefix(strings.TrimSpace(spec.Attr("value")), interactionPrefix)
		}
	}
	return nil
}
