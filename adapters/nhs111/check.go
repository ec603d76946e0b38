package nhs111

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Mode is how strictly messages are judged.
type Mode uint8

const (
	// Strict is the standard as written: MessageID needed, timestamps must be
	// in force, header blocks that must be understood are, services are ITK's.
	Strict Mode = iota
	// Compat behaves as the reference adaptor 2.0 does where that is safe: old
	// messages are accepted, the clock isn't asked, texts and codes are its own.
	// Lookups still go by namespace and full path.
	Compat
)

const (
	maxPayloads = 20
	defaultSkew = 5 * time.Minute
	// maxLife bounds how far ahead a message may expire: the room remembers a
	// MessageID for seven days, and an id must not be forgotten before its
	// message has expired.
	maxLife = 6 * 24 * time.Hour
)

// checkRules is what the checks need beside the message.
type checkRules struct {
	Mode Mode
	// SOAPChecks turns on the adaptor's optional SOAP checks (To, Timestamp,
	// Username, ReplyTo present and right). SendTo is what To must equal.
	SOAPChecks bool
	SendTo     string
	// ODSCodes and DoSIDs are the allow-lists; both empty leaves it to the room.
	ODSCodes, DoSIDs []string
	Now              time.Time
	// Skew is how far the sender's clock may be off; 0 is 5 minutes.
	Skew time.Duration
	// Generic: the message came to ITK's generic service, which takes SOAP 1.2
	// too and may be asked by its own name.
	Generic bool
	// Verifies: the door verifies XML signatures.
	Verifies bool
}

const (
	profileNullification = "urn:nhs-en:profile:nullificationDocument-v5-0"
	profileAmbulance     = "urn:nhs-en:profile:IntegratedUrgentCareAmbulanceRequest-v2-1"
)

var profiles = []string{
	"urn:nhs-en:profile:nhs111CDADocument-v2-0",
	"urn:nhs-en:profile:nhs111CDADocument-v3-1",
	"urn:nhs-en:profile:IntegratedUrgentCareCDADocument-v3-1",
	profileNullification,
	profileAmbulance,
}

var (
	messageIDForm  = regexp.MustCompile(`^[a-zA-Z_:]{0,32}[A-Fa-f0-9]{8}(-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}$`)
	trackingIDForm = regexp.MustCompile(`^[A-F0-9]{8}(-[A-F0-9]{4}){3}-[A-F0-9]{12}$`)
)

// check judges the envelope in the order of the reference adaptor, so that a
// message with several faults gets the same one. Schema rules come last, as
// there (row 23).
func (e *envelope) check(rules checkRules) *fault {
	if e.SOAP == soap12 && !rules.Generic {
		return &fault{Code: faultVersionMismatch, Number: codeInvalid, Text: textVersion,
			Diag: "The envelope must be of SOAP 1.1, namespace " + nsSOAP}
	}
	if f := e.checkHeader(rules); f != nil {
		return f
	}
	if f := e.checkManifest(rules); f != nil {
		return f
	}
	if e.AuditODS == "" {
		return refuse("Invalid Audit Identity value: "+e.AuditURI, diagSOAP)
	}
	if _, ok := nhs.ParseODSCode(e.AuditODS); !ok {
		return refuse("Invalid Audit Identity value: "+e.AuditURI, diagSOAP)
	}
	if f := e.checkSOAP(rules); f != nil {
		return f
	}
	if f := e.checkAddress(rules); f != nil {
		return f
	}
	if f := e.checkShape(); f != nil {
		return f
	}
	return e.checkSchema()
}

func (e *envelope) checkHeader(rules checkRules) *fault {
	switch {
	case e.MessageID == "" && rules.Mode == Strict:
		return refuse("MessageId missing", diagSOAP)
	case e.header == nil:
		return refuse("DistributionEnvelope missing", diagSOAP)
	case e.TrackingID == "":
		return refuse("Itk TrackingId missing", diagSOAP)
	case e.Action == "":
		return refuse("Action node missing", diagSOAP)
	case e.Action != e.Service && !(rules.Generic && isGeneric(e.Action)):
		return refuse("Soap Action is not equal to ITK service", diagSOAP)
	case rules.Mode == Strict && !messageIDForm.MatchString(e.MessageID):
		return refuse(textInvalidID, diagSOAP)
	}
	return nil
}

func (e *envelope) checkManifest(rules checkRules) *fault {
	switch {
	case e.ManifestCount != e.PayloadCount:
		return refuse("Manifest count and payload count don't match", diagSOAP)
	case e.ManifestCount != strconv.Itoa(len(e.Items)):
		return refuse("Manifest count attribute and manifest items size don't match", diagSOAP)
	case e.PayloadCount != strconv.Itoa(len(e.Payloads)):
		return refuse("Payload count attribute and payload items size don't match", diagSOAP)
	case len(e.Payloads) > maxPayloads:
		return refuse("Too many payloads", "A message may hold at most "+strconv.Itoa(maxPayloads)+" payloads")
	}
	for i, item := range e.Items {
		if item.ID != e.Payloads[i].Attr("id") {
			return refuse("Manifest and payload items IDs don't match", diagSOAP)
		}
	}
	for _, item := range e.Items {
		if item.ProfileID == "" {
			return refuse("Manifest profile Id missing", diagSOAP)
		}
	}
	if f := e.checkOperation(rules); f != nil {
		return f
	}
	for _, item := range e.Items {
		asks := responseProfiles[item.ProfileID] != ""
		if !asks && !slices.Contains(profiles, item.ProfileID) {
			return refuse("Invalid manifest profile Id: "+item.ProfileID, diagSOAP)
		}
		if kind, _ := kindOf(e.Service, e.Interaction); asks != (kind == query) {
			return refuse(textNotSupported, "A repeat caller query and its profile go together")
		}
	}
	return nil
}

// checkOperation refuses what the door doesn't offer before the profile list
// does, so that the sender reads why.
func (e *envelope) checkOperation(rules checkRules) *fault {
	kind, what := kindOf(e.Service, e.Interaction)
	switch {
	case kind == notOffered:
		return refuseOperation(what)
	case rules.Mode == Strict && !strings.HasPrefix(e.Service, servicePrefix):
		return refuse(textNotSupported, "The service must start "+servicePrefix)
	case e.Interaction == "":
		return refuse(textNotSupported, "handlingSpecification has no spec with key "+nsITK+":interaction")
	case kind == unknownInteraction:
		return refuse(textNotSupported, "The interaction isn't one of ITK's NHS 111 or Integrated Urgent Care interactions")
	}
	return nil
}

func refuseOperation(what string) *fault {
	return refuse(textNotOffered, "This service doesn't offer "+what+" yet; nothing was stored")
}

// checkAddress wants an address that this door takes messages for. A query
// needs none: whoever asks found us by other means (ITK 2.2, repeat caller).
func (e *envelope) checkAddress(rules checkRules) *fault {
	kind, _ := kindOf(e.Service, e.Interaction)
	if kind == query && len(e.ODS)+len(e.DoS) == 0 {
		return nil
	}
	if _, ok := e.target(rules); !ok {
		return refuse("Message rejected", "Both ODS code ("+first(e.ODS)+") and DOS ID ("+first(e.DoS)+") are invalid")
	}
	return nil
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// target is the service that the message is for: the first DoS id of the
// address list that is allowed, else the first such ODS code.
func (e *envelope) target(rules checkRules) (nhs.ServiceID, bool) {
	open := len(rules.ODSCodes) == 0 && len(rules.DoSIDs) == 0
	for _, id := range e.DoS {
		if fhir.ValidID(id) && (open || slices.Contains(rules.DoSIDs, id)) {
			return nhs.ServiceID{System: nhs.SystemDoS, Value: id}, true
		}
	}
	for _, raw := range e.ODS {
		code, ok := nhs.ParseODSCode(raw)
		if ok && (open || containsFold(rules.ODSCodes, raw)) {
			return nhs.ServiceID{System: nhs.SystemODS, Value: string(code)}, true
		}
	}
	return nhs.ServiceID{}, false
}

func containsFold(list []string, code string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, code) })
}

// checkShape refuses what can't be a DistributionEnvelope (row 22).
func (e *envelope) checkShape() *fault {
	if e.distribution.Child("payloads") == nil || len(e.distribution.Elements()) != 2 {
		return refuse("A DistributionEnvelope holds one header and one payloads and nothing else", "DistributionEnvelope missing")
	}
	for _, part := range e.header.Elements() {
		if part.Space != nsITK || !slices.Contains(headerParts, part.Local) {
			return refuse("The header of a DistributionEnvelope holds an element that ITK doesn't know", "DistributionEnvelope missing")
		}
	}
	return nil
}

// headerParts are the children of the header that may stand once (ITK 2.2).
var headerParts = []string{"addresslist", "auditIdentity", "manifest", "senderAddress", "handlingSpecification"}

// checkSchema holds the rules of distributionEnvelope-v2-0.xsd that the earlier
// checks leave open.
func (e *envelope) checkSchema() *fault {
	var wrong []string
	if !trackingIDForm.MatchString(e.TrackingID) {
		wrong = append(wrong, "header/@trackingid must be an upper-case UUID")
	}
	seen := map[string]bool{}
	for i, item := range e.Items {
		place := "manifest/manifestitem[" + strconv.Itoa(i+1) + "]"
		if item.ID == "" || seen[item.ID] {
			wrong = append(wrong, place+"/@id must be there and distinct")
		}
		seen[item.ID] = true
		if item.MimeType == "" {
			wrong = append(wrong, place+"/@mimetype must be there")
		}
	}
	for i, payload := range e.Payloads {
		if len(payload.Elements()) > 1 {
			wrong = append(wrong, "payloads/payload["+strconv.Itoa(i+1)+"] holds more than one element")
		}
	}
	if len(e.Items) == 0 {
		wrong = append(wrong, "manifest holds no manifestitem")
	}
	if len(wrong) > 0 {
		return refuse(textSchema, strings.Join(wrong, "\n"))
	}
	return nil
}
