package dos

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// errAnswer: the directory answered something that isn't its answer.
var errAnswer = errors.New("dos: the directory's answer can't be read")

// envelopeRead is what a SOAP message, of either version, holds.
type envelopeRead struct {
	SOAP    string // its namespace, which says its version
	Version string // of the web service, "" where the header doesn't say
	Body    *xmltree.Node
}

// readEnvelope finds the one element of a SOAP body. Where even the version of
// SOAP can't be told, SOAP is "".
func readEnvelope(text []byte) (envelopeRead, error) {
	root, err := xmltree.Read(text, xmltree.Rules{})
	if err != nil || root.Local != "Envelope" || root.Space != nsSOAP12 && root.Space != nsSOAP11 {
		return envelopeRead{}, errAnswer
	}
	e := envelopeRead{SOAP: root.Space}
	if head := root.Child("Header"); head != nil {
		for _, v := range head.Elements() {
			if v.Local == "serviceVersion" && (v.Space == nsDoS || v.Space == "") { // .NET's clients leave the namespace out
				e.Version = v.Content()
			}
		}
	}
	bodies := root.All("Body")
	if len(bodies) != 1 || len(bodies[0].Elements()) != 1 {
		return e, errAnswer
	}
	e.Body = bodies[0].Elements()[0]
	return e, nil
}

// readFault reads a fault of SOAP 1.1 or 1.2, nil where the element is none.
func readFault(body *xmltree.Node) *Fault {
	var codes []string
	text := ""
	switch {
	case body.Is(nsSOAP12, "Fault"):
		text = body.Child("Reason", "Text").Content()
		for code := body.Child("Code"); code != nil; code = code.Child("Subcode") {
			codes = append(codes, code.Child("Value").Content())
		}
	case body.Is(nsSOAP11, "Fault"):
		for _, c := range body.Elements() { // 1.1 qualifies them not; some services do
			switch c.Local {
			case "faultcode":
				codes = append(codes, c.Content())
			case "faultstring":
				text = c.Content()
			}
		}
	default:
		return nil
	}
	f := &Fault{500, text} // no number of the list: its own fault
	for _, code := range codes {
		code = code[strings.IndexByte(code, ':')+1:]
		if n, err := strconv.Atoi(code); err == nil {
			return &Fault{n, text}
		}
		switch code {
		case "Client", "Sender", "MustUnderstand", "VersionMismatch", "DataEncodingUnknown":
			f.Code = 0 // the same won't be taken later either
		}
	}
	return f
}

// child finds an element whatever the case of its first letter: versions before
// 1.4 began some names with a capital.
func child(n *xmltree.Node, path ...string) *xmltree.Node {
	for _, local := range path {
		var found *xmltree.Node
		for _, c := range n.Elements() {
			if c.Space == nsDoS && strings.EqualFold(c.Local, local) {
				found = c
				break
			}
		}
		n = found
	}
	return n
}

// children lists the elements of a name, without those that are nil.
func children(n *xmltree.Node, local string) []*xmltree.Node {
	var list []*xmltree.Node
	for _, c := range n.Elements() {
		missing, _ := c.AttrIn("http://www.w3.org/2001/XMLSchema-instance", "nil")
		if c.Space == nsDoS && strings.EqualFold(c.Local, local) && missing != "true" && missing != "1" {
			list = append(list, c)
		}
	}
	return list
}

func text(n *xmltree.Node, path ...string) string { return child(n, path...).Content() }

func number(n *xmltree.Node, path ...string) int {
	v, _ := strconv.Atoi(text(n, path...)) // a number that can't be read is unknown
	return v
}

func yes(s string) bool {
	switch strings.ToLower(s) {
	case "true", "1", "y", "yes", "compressed":
		return true
	}
	return false
}

// readAnswer reads a CheckCapacitySummaryResponse of any version. Elements that
// aren't known are passed over: new ones come without notice.
func readAnswer(body *xmltree.Node) (*Answer, error) {
	if !body.Is(nsDoS, "CheckCapacitySummaryResponse") {
		return nil, errAnswer
	}
	a := &Answer{
		Transaction: text(body, "TransactionId"),
		Distance:    number(body, "SearchDistance"),
		Source:      DistanceSource(text(body, "SearchDistanceUsedSource")),
	}
	a.AgeInDays, _ = strconv.ParseFloat(text(body, "CalculatedAgeInDays"), 64)
	a.Requested, _ = parseTime(text(body, "RequestedAtDateTime"))
	a.Searched, _ = parseTime(text(body, "SearchDateTime"))
	for _, n := range children(child(body, "CheckCapacitySummaryResult"), "serviceCareSummaryDestination") {
		if len(n.Elements()) == 0 {
			continue // as good as nil
		}
		s := readService(n)
		if s.ID == "" {
			return nil, errAnswer
		}
		a.Services = append(a.Services, s)
	}
	return a, nil
}

// parseTime reads a time, of London where it has no offset.
func parseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.ParseInLocation(dosTime, s, nhs.London)
	}
	return t, err == nil
}

func readService(n *xmltree.Node) Service {
	s := Service{
		ID: text(n, "id"), ODS: text(n, "odsCode"), Name: text(n, "name"), PublicName: text(n, "publicName"),
		Type:    ServiceType{number(n, "serviceType", "id"), text(n, "serviceType", "name")},
		Address: text(n, "address"), Postcode: text(n, "postcode"),
		Easting: number(n, "eastings"), Northing: number(n, "northings"),
		URL: text(n, "url"), Phone: text(n, "contactDetails"), Text: text(n, "publicFacingInformation"),
		Capacity: Capacity(text(n, "capacity")), Miles: text(n, "distance"),
		OpenAllHours: yes(text(n, "openAllHours")),
		Endpoints:    readEndpoints(n),
		Professional: Professional{text(n, "nonPublicTelephoneNo"), text(n, "fax"), text(n, "referralInformation")},
	}
	for _, o := range children(child(n, "rotaSessions"), "serviceCareItemRotaSession") {
		s.Sessions = append(s.Sessions, Session{
			StartDay: text(o, "startDayOfWeek"), EndDay: text(o, "endDayOfWeek"), Status: text(o, "status"),
			Start: Clock{number(o, "startTime", "hours"), number(o, "startTime", "minutes")},
			End:   Clock{number(o, "endTime", "hours"), number(o, "endTime", "minutes")},
		})
	}
	for _, d := range children(child(n, "openTimeSpecifiedSessions"), "openTimeSpecified") {
		if session, ok := parseDateSession(d.Content()); ok {
			s.Dates = append(s.Dates, session)
		}
	}
	for _, a := range children(child(n, "attributes"), "attribute") {
		s.Attributes = append(s.Attributes, Attribute{text(a, "dataType"), text(a, "name"), text(a, "description"), text(a, "value")})
	}
	for _, r := range children(child(n, "serviceAgeRange"), "ageRange") {
		from, err1 := strconv.ParseFloat(text(r, "daysFrom"), 64)
		to, err2 := strconv.ParseFloat(text(r, "daysTo"), 64)
		if err1 == nil && err2 == nil {
			s.Ages = append(s.Ages, AgeRange{from, to})
		}
	}
	return s
}

// readEndpoints reads the endpoints of version 1.5, in both spellings, and the
// strings of the versions before.
func readEndpoints(n *xmltree.Node) []Endpoint {
	var list []Endpoint
	for _, e := range children(child(n, "serviceEndpoints"), "endpoint") {
		compression := text(e, "compression")
		if compression == "" {
			compression = text(e, "isCompressionEnabled")
		}
		list = append(list, Endpoint{
			Order: number(e, "endpointOrder"), Transport: text(e, "transport"), Format: text(e, "format"),
			Interaction: text(e, "interaction"), Scenario: scenarioOf(text(e, "businessScenario")),
			Address: text(e, "address"), Compressed: yes(compression), Comment: text(e, "comment"),
		})
	}
	for _, c := range children(child(n, "contactDetails"), "contactDetail") {
		list = append(list, oldEndpoint(text(c, "tag"), text(c, "value"), number(c, "order")))
	}
	return list
}

// oldEndpoint reads "address\|interaction\|format\|scenario\|comment\|compression";
// version 1.3 ends before the compression.
func oldEndpoint(transport, value string, order int) Endpoint {
	parts := strings.Split(value, `\|`)
	for len(parts) < 6 {
		parts = append(parts, "")
	}
	return Endpoint{Order: order, Transport: transport, Address: parts[0], Interaction: parts[1], Format: parts[2],
		Scenario: scenarioOf(parts[3]), Comment: parts[4], Compressed: yes(parts[5])}
}

// parseDateSession reads "DD-MM-YYYY-hh:mm-hh:mm".
func parseDateSession(s string) (d DateSession, ok bool) {
	if len(s) != len("02-01-2006-15:04-15:04") || s[10] != '-' || s[16] != '-' {
		return d, false
	}
	date, err := time.Parse("02-01-2006", s[:10])
	from, ok1 := parseClock(s[11:16])
	to, ok2 := parseClock(s[17:])
	return DateSession{date, from, to}, err == nil && ok1 && ok2
}

func parseClock(s string) (Clock, bool) {
	t, err := time.Parse("15:04", s)
	return Clock{t.Hour(), t.Minute()}, err == nil
}

// readDetail reads a ServiceDetailsByIdResponse: of 1.5 with a list of services,
// of the versions before with the endpoints of the one that was asked for.
func readDetail(body *xmltree.Node, id string) ([]Service, error) {
	if !body.Is(nsDoS, "ServiceDetailsByIdResponse") {
		return nil, errAnswer
	}
	if child(body, "contactDetails") != nil {
		return []Service{{ID: id, Endpoints: readEndpoints(body)}}, nil
	}
	var list []Service
	for _, n := range children(child(body, "services"), "service") {
		s := Service{ID: text(n, "id"), ODS: text(n, "odsCode"), Endpoints: readEndpoints(n)}
		if s.ID == "" {
			return nil, errAnswer
		}
		list = append(list, s)
	}
	return list, nil
}
