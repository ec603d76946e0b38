package nhs111

import (
	"strings"
)

// Namespaces of the message.
const (
	nsSOAP   = "http://schemas.xmlsoap.org/soap/envelope/"
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
	MessageID string // as sent; "" only in Compat
	Action    string
	To        string
	ReplyTo   string

	HasTimestamp     bool
	Created, Expires string
	Username         string
	Foreign          bool // a header block that must be understood and isn't

	Service     string
	TrackingID  string
	Interaction string   // without "urn:nhs-itk:interaction:"
	ODS         []string // ODS codes of the address list, in order
	DoS         []string // DoS service ids of the address list, in order
	AuditURI    string   // the auditIdentity that counts
	AuditODS    string
	SenderURI   string

	ManifestCount, PayloadCount string
	Items                       []manifestItem
	Payloads                    []*node

	header       *node
	distribution *node
}

type manifestItem struct {
	ID, MimeType, ProfileID       string
	Compressed, Base64, Encrypted bool
}

// readEnvelope finds the parts of a SOAP message. It refuses what can't be told
// apart (a header twice, a second body), and leaves judging to check.
func readEnvelope(root *node) (*envelope, *fault) {
	if root.Local == "Envelope" && root.Space != nsSOAP {
		return nil, &fault{Code: faultVersionMismatch, Number: codeInvalid, Text: "SOAP version not supported",
			Diag: "The envelope must be of SOAP 1.1, namespace " + nsSOAP}
	}
	e := &envelope{}
	if !root.is(nsSOAP, "Envelope") {
		return e, nil // what is missing is said in the order of the checks
	}
	if len(root.all("Header")) > 1 || len(root.all("Body")) > 1 {
		return nil, refuse("Soap Header or Body is repeated", diagSOAP)
	}
	if f := e.readHeaders(root.child("Header")); f != nil {
		return nil, f
	}
	body := root.child("Body")
	if count := len(body.elements()); count > 1 {
		return nil, refuse("Soap Body holds more than one element", diagSOAP)
	}
	if de := body.allIn(nsITK, "DistributionEnvelope"); len(de) == 1 {
		e.distribution = de[0]
		return e, e.readDistribution(de[0])
	}
	return e, nil
}

func (e *envelope) readHeaders(header *node) *fault {
	seen := map[string]bool{}
	for _, block := range header.elements() {
		if block.Space == nsWSA || block.is(nsWSSE, "Security") {
			if seen[block.Local] && block.Local != "RelatesTo" {
				return refuse("Soap header "+block.Local+" is repeated", diagSOAP)
			}
			seen[block.Local] = true
		}
		understood := e.readHeader(block)
		if !understood && mustUnderstand(block) {
			e.Foreign = true
		}
	}
	return e.readTimestamp(header.allIn(nsWSSE, "Security"))
}

// readHeader takes one header block and says whether this door processes it.
func (e *envelope) readHeader(block *node) bool {
	if block.is(nsWSSE, "Security") {
		return len(block.allIn(nsDSig, "Signature")) == 0 // not verified, so not understood
	}
	if block.Space != nsWSA {
		return false
	}
	switch block.Local {
	case "Action":
		e.Action = block.content()
	case "MessageID":
		e.MessageID = block.content()
	case "To":
		e.To = block.content()
	case "ReplyTo":
		e.ReplyTo = block.child("Address").content()
	case "From", "FaultTo", "RelatesTo":
	default:
		return false
	}
	return true
}

// mustUnderstand reads the SOAP attributes; a block for another actor than the
// next one isn't ours (SOAP 1.1, section 4.2.2).
func mustUnderstand(block *node) bool {
	must, _ := block.attrIn(nsSOAP, "mustUnderstand")
	actor, addressed := block.attrIn(nsSOAP, "actor")
	if addressed && actor != "" && actor != "http://schemas.xmlsoap.org/soap/actor/next" {
		return false
	}
	return must == "1" || must == "true"
}

func (e *envelope) readTimestamp(security []*node) *fault {
	if len(security) == 0 {
		return nil
	}
	stamps := security[0].allIn(nsWSU, "Timestamp")
	tokens := security[0].all("UsernameToken")
	if len(stamps) > 1 || len(tokens) > 1 {
		return refuse("Soap header Security holds an element twice", diagSOAP)
	}
	if len(stamps) == 1 {
		if len(stamps[0].all("Created")) > 1 || len(stamps[0].all("Expires")) > 1 {
			return refuse("Invalid timestamp", diagSOAP)
		}
		e.HasTimestamp = true
		e.Created = stamps[0].child("Created").content()
		e.Expires = stamps[0].child("Expires").content()
	}
	if len(tokens) == 1 {
		e.Username = tokens[0].child("Username").content()
	}
	return nil
}

func (e *envelope) readDistribution(de *node) *fault {
	for _, name := range []string{"header", "payloads"} {
		if len(de.all(name)) > 1 {
			return refuse("DistributionEnvelope holds "+name+" twice", diagSOAP)
		}
	}
	e.header = de.child("header")
	if e.header == nil {
		e.header = &node{Space: nsITK, Local: "header"}
	}
	for _, name := range []string{"addresslist", "auditIdentity", "manifest", "senderAddress", "handlingSpecification"} {
		if len(e.header.all(name)) > 1 {
			return refuse("Itk header holds "+name+" twice", diagSOAP)
		}
	}
	e.Service = e.header.attr("service")
	e.TrackingID = e.header.attr("trackingid")
	e.readAddresses()
	e.SenderURI = e.header.child("senderAddress").attr("uri")
	e.ManifestCount = e.header.child("manifest").attr("count")
	for _, item := range e.header.child("manifest").all("manifestitem") {
		e.Items = append(e.Items, manifestItem{
			ID: item.attr("id"), MimeType: item.attr("mimetype"), ProfileID: item.attr("profileid"),
			Compressed: isTrue(item, "compressed"), Base64: isTrue(item, "base64"), Encrypted: isTrue(item, "encrypted"),
		})
	}
	e.PayloadCount = de.child("payloads").attr("count")
	e.Payloads = de.child("payloads").all("payload")
	return e.readSpecs()
}

func isTrue(n *node, name string) bool {
	v := strings.TrimSpace(n.attr(name))
	return v == "true" || v == "1"
}

func (e *envelope) readAddresses() {
	for _, address := range e.header.child("addresslist").all("address") {
		uri := address.attr("uri")
		if address.attr("type") == dosType {
			e.DoS = append(e.DoS, strings.TrimSpace(uri))
		} else if code, ok := odsIn(uri, odsURI); ok {
			e.ODS = append(e.ODS, code)
		}
	}
	for _, id := range e.header.child("auditIdentity").all("id") {
		uri := id.attr("uri")
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

// readSpecs finds the interaction by its key, wherever it stands among the specs.
func (e *envelope) readSpecs() *fault {
	found := false
	for _, spec := range e.header.child("handlingSpecification").all("spec") {
		if spec.attr("key") != nsITK+":interaction" {
			continue
		}
		if found {
			return refuse("Itk interaction is given twice", diagSOAP)
		}
		found = true
		e.Interaction = strings.TrimPrefix(strings.TrimSpace(spec.attr("value")), "urn:nhs-itk:interaction:")
	}
	return nil
}
