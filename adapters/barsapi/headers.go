package barsapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Names of the standard's headers (BaRS Core, end-to-end workflow).
const (
	headerRequestID    = "X-Request-Id"
	headerCorrelation  = "X-Correlation-Id"
	headerTarget       = "NHSD-Target-Identifier"
	headerOrganisation = "NHSD-End-User-Organisation"
	headerPractitioner = "NHSD-Requesting-Practitioner"
	headerSoftware     = "NHSD-Requesting-Software"
)

// maxHeader bounds one NHSD header before decoding, in bytes.
const maxHeader = 16 << 10

// speaksBaRS says whether a request speaks the standard's dialect: it is
// $process-message or carries an NHSD header. The two transaction ids don't
// count, because gateways add them to anything (design D1).
func speaksBaRS(r *http.Request) bool {
	if strings.HasSuffix(r.URL.Path, "/$process-message") {
		return true
	}
	for name := range r.Header {
		if len(name) > 5 && strings.EqualFold(name[:5], "NHSD-") {
			return true
		}
	}
	return false
}

// headers are a request's headers as typed values.
type headers struct {
	requestID, correlation string
	target                 nhs.ServiceID
	caller                 bars.Caller
}

// key makes a write happen once: both ids together name it.
func (h *headers) key() bars.Key {
	return bars.Key{Door: "bars", Sender: string(h.caller.Organisation), Target: h.target.String(),
		Values: []string{strings.ToLower(h.requestID + " " + h.correlation)}}
}

// need says which headers a path demands.
type need struct {
	target bool // the target identifier
	who    bool // organisation and software, in strict mode
	known  bool // the target, where it is given, must be a service of ours
}

// readHeaders decodes and checks the headers, as strictly as the service that
// they name does. What is missing is reported before what is wrong; each kind
// all at once.
func readHeaders(r *http.Request, n need, modeOf func(nhs.ServiceID) bars.Mode) (*headers, error) {
	missing := &fhir.Outcome{Kind: fhir.KindRequired}
	ask := func(name string, wanted bool) {
		if wanted && r.Header.Get(name) == "" {
			missing.Add("", "the header "+name+" is missing")
		}
	}
	ask(headerRequestID, true)
	ask(headerCorrelation, true)
	ask(headerTarget, n.target)
	target, targetErr := readTarget(r.Header.Get(headerTarget), bars.Lenient)
	mode := modeOf(target)
	ask(headerOrganisation, n.who && mode == bars.Strict)
	ask(headerSoftware, n.who && mode == bars.Strict)
	if err := missing.OrNil(); err != nil {
		return nil, err
	}
	h := &headers{requestID: r.Header.Get(headerRequestID), correlation: r.Header.Get(headerCorrelation)}
	wrong := &fhir.Outcome{Kind: fhir.KindValue}
	for _, name := range []string{headerRequestID, headerCorrelation, headerTarget, headerOrganisation, headerSoftware, headerPractitioner} {
		if len(r.Header.Values(name)) > 1 { // whose word counts isn't said
			wrong.Add("", "the header "+name+" is given more than once")
		}
	}
	for _, name := range []string{headerRequestID, headerCorrelation} {
		if !fhir.ValidUUID(r.Header.Get(name)) {
			wrong.Add("", "the header "+name+" must be a UUID")
		}
	}
	if err := wrong.OrNil(); err != nil {
		return nil, err
	}
	if mode == bars.Strict {
		target, targetErr = readTarget(r.Header.Get(headerTarget), mode)
	}
	if targetErr != nil {
		return nil, targetErr
	}
	var err error
	if h.caller, err = readCaller(r.Header, mode); err != nil {
		return nil, err
	}
	h.target = target
	h.caller.RequestID, h.caller.Correlation, h.caller.Target = h.requestID, h.correlation, target
	return h, nil
}

// readTarget decodes NHSD-Target-Identifier: Base64 of a JSON object with
// system and value.
func readTarget(text string, mode bars.Mode) (nhs.ServiceID, error) {
	if text == "" {
		return nhs.ServiceID{}, nil
	}
	structure := fhir.NewOutcome(fhir.KindStructure, "", "the header "+headerTarget+" must hold an object with a system and a value")
	raw, err := decode64(headerTarget, text, mode)
	if err != nil {
		return nhs.ServiceID{}, err
	}
	if json.Valid(raw) && !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return nhs.ServiceID{}, structure
	}
	object, err := parse(headerTarget, raw)
	if err != nil {
		return nhs.ServiceID{}, err
	}
	id := nhs.ServiceID{System: nhs.Canonical(object.Get("system").Text()), Value: object.Get("value").Text()}
	if id.System == "" || id.Value == "" {
		return nhs.ServiceID{}, structure
	}
	return id, nil
}

// readCaller decodes the three headers that say who asks.
func readCaller(h http.Header, mode bars.Mode) (bars.Caller, error) {
	c := bars.Caller{Door: "bars"}
	organisation, err := decodeResource(h, headerOrganisation, mode, "Organization")
	if err != nil {
		return c, err
	}
	if organisation != nil {
		c.Organisation = nhs.ODSOf(organisation)
		if c.Organisation == "" {
			return c, fhir.NewOutcome(fhir.KindValue, "", "the header "+headerOrganisation+" must hold the organisation's ODS code")
		}
		c.OrganisationName = short(organisation.Get("name"))
	}
	software, err := decodeResource(h, headerSoftware, mode, "Device")
	if err != nil {
		return c, err
	}
	if software != nil {
		readSoftware(&c, software)
	}
	types := []string{"PractitionerRole"}
	if mode == bars.Lenient { // as its name says
		types = append(types, "Practitioner")
	}
	practitioner, err := decodeResource(h, headerPractitioner, mode, types...)
	if err != nil {
		return c, err
	}
	if practitioner != nil {
		readPractitioner(&c, practitioner)
	}
	return c, nil
}

// readSoftware takes the identifier that is a product id, else the first.
func readSoftware(c *bars.Caller, software *fhir.Resource) {
	for id := range fhir.Identifiers(software.Get("identifier")) {
		system := nhs.Canonical(id.System)
		if id.Value != "" && (c.Software == "" || system == nhs.SystemProduct) {
			c.Software, c.SoftwareSystem = clip(id.Value), clip(system)
		}
		if system == nhs.SystemProduct {
			break
		}
	}
	// The standard has one object where R4's Device has a list of them.
	c.SoftwareName = short(software.Get("deviceName", "name"))
	c.SoftwareVersion = short(software.Get("version", "value"))
}

func readPractitioner(c *bars.Caller, practitioner *fhir.Resource) {
	for _, path := range [][]string{{"identifier"}, {"practitioner", "identifier"}} {
		for id := range fhir.Identifiers(practitioner.Get(path...)) {
			switch nhs.Canonical(id.System) {
			case nhs.SystemSDSRole:
				c.Practitioner = clip(id.Value)
			case nhs.SystemSDSUser:
				c.User = clip(id.Value)
			}
		}
	}
	for role := range fhir.Codings(practitioner.Get("code")) {
		c.Role = clip(role.Code)
		break
	}
}

// maxName bounds a name that goes to the audit of every version, in bytes.
const maxName = 256

// short is a text for the audit, cut at maxName.
func short(v fhir.Value) string { return clip(v.Text()) }

func clip(text string) string {
	if len(text) > maxName {
		text = strings.ToValidUTF8(text[:maxName], "")
	}
	return text
}

// decodeResource decodes a header that holds a FHIR resource; nil where it is
// absent. Senders of older versions leave resourceType out.
func decodeResource(h http.Header, name string, mode bars.Mode, types ...string) (*fhir.Resource, error) {
	text := h.Get(name)
	if text == "" {
		return nil, nil
	}
	raw, err := decode64(name, text, mode)
	if err != nil {
		return nil, err
	}
	object, err := parse(name, raw)
	if err != nil {
		return nil, err
	}
	if t := object.Type(); t != "" && !slices.Contains(types, t) {
		return nil, fhir.NewOutcome(fhir.KindValue, "", "the header "+name+" must hold a "+types[0])
	}
	return object, nil
}

// decode64 reads Base64 with or without its padding; in lenient mode also in the
// alphabet for URLs.
func decode64(name, text string, mode bars.Mode) ([]byte, error) {
	if len(text) > maxHeader {
		return nil, badHeader(name)
	}
	text = strings.TrimRight(text, "=")
	if mode == bars.Lenient {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "-", "+"), "_", "/")
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, badHeader(name)
	}
	return raw, nil
}

func parse(name string, raw []byte) (*fhir.Resource, error) {
	object, err := fhir.Parse(raw)
	if err != nil {
		return nil, badHeader(name)
	}
	return object, nil
}

func badHeader(name string) error {
	return fhir.NewOutcome(fhir.KindValue, "", "the header "+name+" must be the Base64 of a JSON object")
}
