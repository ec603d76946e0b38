package tester

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// claims are what the receiver says that it can do.
type claims struct {
	software    string
	xml         bool
	messaging   bool
	interaction map[string]bool // "Slot search-type"
	definitions map[string]bool // by name
	useCases    []string
}

// The names of the definitions that the cases use.
const (
	defBooking        = "bars-message-booking-request"
	defBookingCancel  = "bars-message-booking-request-cancelled"
	defReferral       = "bars-message-servicerequest-request-referral"
	defReferralCancel = "bars-message-servicerequest-request-cancelled"
	defValidation     = "bars-message-servicerequest-request-validation"
)

// readClaims reads CapabilityStatement and MessageDefinitions. What is missing
// there isn't an error here: the cases about them say so.
func (s *session) readClaims() error {
	s.claims = claims{interaction: map[string]bool{}, definitions: map[string]bool{}}
	a, err := s.do(s.get("/metadata"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReachable, err)
	}
	if a.status == http.StatusOK && a.resource != nil {
		s.claims.readStatement(a.resource)
	}
	if a, err = s.do(s.national(http.MethodGet, "/metadata", nil)); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReachable, err)
	}
	if a.status == http.StatusOK && a.resource != nil {
		s.claims.readNational(a.resource)
	}
	contexts := "/MessageDefinition?context=" + url.QueryEscape(s.System+"|"+s.Service)
	if a, err = s.do(s.get(contexts)); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReachable, err)
	}
	if a.status == http.StatusOK && a.resource != nil {
		s.claims.readDefinitions(a.resource)
	}
	if len(s.UseCases) > 0 {
		s.claims.useCases = s.UseCases
	}
	return nil
}

func (c *claims) readStatement(r *fhir.Resource) {
	c.software = r.Get("software", "name").Text()
	for f := range r.Get("format").Items() {
		c.xml = c.xml || strings.Contains(f.Text(), "xml")
	}
	c.messaging = r.Get("messaging").Len() > 0
	for rest := range r.Get("rest").Items() {
		for op := range rest.Get("operation").Items() {
			c.messaging = c.messaging || strings.TrimPrefix(op.Get("name").Text(), "$") == "process-message"
		}
		for typ := range rest.Get("resource").Items() {
			if rest.Get("mode").Text() == "client" || national[typ.Get("type").Text()] {
				continue // what it asks of others, and what readNational reads
			}
			for i := range typ.Get("interaction").Items() {
				c.interaction[typ.Get("type").Text()+" "+i.Get("code").Text()] = true
			}
		}
	}
}

// readNational reads what a national service, which is asked without a target,
// claims of registry and catalogue.
func (c *claims) readNational(r *fhir.Resource) {
	for rest := range r.Get("rest").Items() {
		for typ := range rest.Get("resource").Items() {
			if rest.Get("mode").Text() == "client" || !national[typ.Get("type").Text()] {
				continue
			}
			for i := range typ.Get("interaction").Items() {
				c.interaction[typ.Get("type").Text()+" "+i.Get("code").Text()] = true
			}
		}
	}
}

func (c *claims) readDefinitions(bundle *fhir.Resource) {
	for e := range bundle.Get("entry").Items() {
		d := e.Get("resource")
		at := d.Get("url").Text()
		c.definitions[at[strings.LastIndex(at, "/")+1:]] = true
		for use := range d.Get("useContext").Items() {
			for coding := range use.Get("valueCodeableConcept").Get("coding").Items() {
				code := coding.Get("code").Text()
				if useCase.MatchString(`"`+code+`"`) && !slices.Contains(c.useCases, code) {
					c.useCases = append(c.useCases, code)
				}
			}
		}
	}
	slices.Sort(c.useCases)
}

// of is the first claimed use case of the applications, "" if none.
func (c *claims) of(applications string) string {
	for _, code := range c.useCases {
		if ValidUseCase(code) && strings.Contains(applications, code[1:2]) {
			return code
		}
	}
	return ""
}

// ValidUseCase says whether a code is one of a use case, such as a1t2.
func ValidUseCase(code string) bool { return useCase.MatchString(`"` + code + `"`) }

// Words for what a case needs.
const (
	needSlots    = "Slot search-type"
	needBooking  = "booking"
	needReferral = "referral"
	needXML      = "xml"
)

// lacks says why a case can't be run, "" if it can.
func (s *session) lacks(need string) string {
	c := &s.claims
	switch {
	case need == needXML && !c.xml:
		return "the receiver doesn't claim XML"
	case need == needXML:
		return ""
	case need == needSlots && s.NoSlots, need == needBooking && s.NoSlots:
		return "the run was told not to use slots"
	case need == needBooking && !(c.definitions[defBooking] && c.definitions[defBookingCancel] && c.of(bookingApplications) != ""):
		return "the service has no MessageDefinition of a booking and its cancellation for a use case that is tested"
	case need == needBooking && !c.interaction[needSlots]:
		return "the receiver doesn't claim GET /Slot"
	case need == needReferral && !(c.definitions[defReferral] && c.definitions[defReferralCancel] && c.of(referralApplications) != ""):
		return "the service has no MessageDefinition of a referral and its cancellation for a use case that is tested"
	case need == needBooking, need == needReferral:
		return ""
	case need == "application 4" && !(c.definitions[defValidation] && c.definitions[defReferralCancel] && c.of("4") != ""):
		return "the service has no MessageDefinition of a validation request and its cancellation for a use case that is tested"
	case need == "application 4":
		return ""
	case need == "application 8" && !(c.definitions[defReferral] && c.of("8") != ""):
		return "the service has no MessageDefinition of a referral for a use case of a broker"
	case need == "application 8":
		return ""
	case strings.HasPrefix(need, "definition "):
		if c.definitions[need[11:]] {
			return ""
		}
		return "the service has no MessageDefinition of that message"
	case strings.HasPrefix(need, "application "):
		if why := s.lacks(needReferral); why != "" || c.of(need[12:]) != "" {
			return why
		}
		return "the service offers no use case of " + need
	case !c.interaction[need]:
		return "the receiver doesn't claim " + need
	}
	return ""
}
