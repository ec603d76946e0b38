package dos

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/internal/xmltree"
)

// Namespaces of the web service. Version 1.5 is bound to SOAP 1.2.
const (
	nsDoS    = "https://nww.pathwaysdos.nhs.uk/app/api/webservices"
	nsSOAP12 = "http://www.w3.org/2003/05/soap-envelope"
	nsSOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
)

// dosTime is how the service writes times: London, without offset.
const dosTime = "2006-01-02T15:04:05"

// writer writes elements of the service's namespace, which is the prefix w.
type writer struct{ b strings.Builder }

func (w *writer) open(name string)  { w.b.WriteString("<w:" + name + ">") }
func (w *writer) close(name string) { w.b.WriteString("</w:" + name + ">") }

func (w *writer) text(name, value string) {
	w.open(name)
	w.b.WriteString(xmltree.EscapeText(value))
	w.close(name)
}

// some leaves an empty element out.
func (w *writer) some(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) number(name string, value int) { w.text(name, strconv.Itoa(value)) }

func (w *writer) flag(name string, value bool) { w.text(name, strconv.FormatBool(value)) }

func (w *writer) in(name string, content func()) {
	w.open(name)
	content()
	w.close(name)
}

// envelope wraps a body; version "" leaves the header out, as answers do.
func envelope(version string, body func(*writer)) []byte {
	w := &writer{}
	w.b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.b.WriteString(`<s:Envelope xmlns:s="` + nsSOAP12 + `" xmlns:w="` + nsDoS + `">`)
	if version != "" {
		w.b.WriteString(`<s:Header>`)
		w.text("serviceVersion", version)
		w.b.WriteString(`</s:Header>`)
	}
	w.b.WriteString(`<s:Body>`)
	body(w)
	w.b.WriteString(`</s:Body></s:Envelope>`)
	return []byte(w.b.String())
}

func (w *writer) user(u Account) {
	w.in("userInfo", func() {
		w.text("username", u.Username)
		w.text("password", u.Password)
	})
}

// writeSearch writes a CheckCapacitySummary in the order of the WSDL.
func writeSearch(u Account, c *Case) []byte {
	return envelope("1.5", func(w *writer) {
		w.in("CheckCapacitySummary", func() {
			w.user(u)
			w.in("c", func() { w.caseOf(c) })
		})
	})
}

func (w *writer) caseOf(c *Case) {
	w.some("caseRef", c.Ref)
	w.some("caseId", c.ID)
	w.text("postcode", c.Postcode)
	w.some("surgery", c.Surgery)
	w.number("age", c.Age)
	w.text("ageFormat", string(c.AgeFormat))
	w.number("disposition", c.Disposition)
	w.number("symptomGroup", c.SymptomGroup)
	w.in("symptomDiscriminatorList", func() {
		for _, d := range c.Discriminators {
			w.number("int", d)
		}
	})
	if c.Distance != 0 {
		w.number("searchDistance", c.Distance)
	}
	w.flag("forceSearchDistance", c.Force)
	w.text("gender", c.Gender)
	if c.At != nil {
		w.text("searchDateTime", c.At.Format(time.RFC3339))
	}
}

func writeDetails(u Account, id string) []byte {
	return envelope("1.5", func(w *writer) {
		w.in("ServiceDetailsById", func() {
			w.user(u)
			w.text("serviceId", id)
		})
	})
}

// writeAnswer writes a CheckCapacitySummaryResponse.
func writeAnswer(a *Answer) []byte {
	return envelope("", func(w *writer) {
		w.in("CheckCapacitySummaryResponse", func() {
			w.text("TransactionId", a.Transaction)
			w.text("RequestedAtDateTime", a.Requested.Format(dosTime))
			w.text("SearchDateTime", a.Searched.Format(dosTime))
			w.text("CalculatedAgeInDays", strconv.FormatFloat(a.AgeInDays, 'f', -1, 64))
			w.number("SearchDistance", a.Distance)
			w.text("SearchDistanceUsedSource", string(a.Source))
			w.in("CheckCapacitySummaryResult", func() {
				for i := range a.Services {
					w.in("serviceCareSummaryDestination", func() { w.service(&a.Services[i]) })
				}
			})
		})
	})
}

func (w *writer) service(s *Service) {
	w.text("id", s.ID)
	w.text("capacity", string(s.Capacity))
	w.text("name", s.Name)
	w.text("publicName", s.PublicName)
	w.text("contactDetails", s.Phone)
	w.text("address", s.Address)
	w.text("postcode", s.Postcode)
	w.number("northings", s.Northing)
	w.number("eastings", s.Easting)
	w.text("url", s.URL)
	w.in("serviceType", func() {
		w.number("id", s.Type.ID)
		w.text("name", s.Type.Name)
	})
	w.text("odsCode", s.ODS)
	w.text("nonPublicTelephoneNo", s.Professional.Phone)
	w.text("fax", s.Professional.Fax)
	w.text("publicFacingInformation", s.Text)
	w.text("distance", s.Miles)
	w.text("referralInformation", s.Professional.Text)
	w.flag("openAllHours", s.OpenAllHours)
	w.endpoints(s.Endpoints)
	w.in("rotaSessions", func() {
		for _, o := range s.Sessions {
			w.session(o)
		}
	})
	w.in("openTimeSpecifiedSessions", func() {
		for _, d := range s.Dates {
			w.text("openTimeSpecified", d.String())
		}
	})
	w.in("attributes", func() {
		for _, a := range s.Attributes {
			w.in("attribute", func() {
				w.text("dataType", a.DataType)
				w.text("name", a.Name)
				w.text("description", a.Description)
				w.text("value", a.Value)
			})
		}
	})
	w.in("serviceAgeRange", func() {
		for _, r := range s.Ages {
			w.in("ageRange", func() {
				w.text("daysFrom", strconv.FormatFloat(r.From, 'f', -1, 64))
				w.text("daysTo", strconv.FormatFloat(r.To, 'f', -1, 64))
			})
		}
	})
}

func (w *writer) session(o Session) {
	clock := func(name string, c Clock) {
		w.in(name, func() {
			w.number("hours", c.Hours)
			w.number("minutes", c.Minutes)
		})
	}
	w.in("serviceCareItemRotaSession", func() {
		w.text("startDayOfWeek", o.StartDay)
		clock("startTime", o.Start)
		w.text("endDayOfWeek", o.EndDay)
		clock("endTime", o.End)
		w.text("status", o.Status)
	})
}

func (w *writer) endpoints(list []Endpoint) {
	w.in("serviceEndpoints", func() {
		for _, e := range list {
			w.in("endpoint", func() {
				w.number("endpointOrder", e.Order)
				w.text("transport", e.Transport)
				w.text("format", e.Format)
				w.text("interaction", e.Interaction)
				w.text("businessScenario", string(e.Scenario))
				w.text("address", e.Address)
				compression := "uncompressed"
				if e.Compressed {
					compression = "compressed"
				}
				w.text("compression", compression)
				w.text("comment", e.Comment)
			})
		}
	})
}

// String writes "DD-MM-YYYY-hh:mm-hh:mm".
func (d DateSession) String() string {
	return d.Date.Format("02-01-2006") + "-" + d.From.String() + "-" + d.To.String()
}

func (c Clock) String() string {
	two := func(n int) string {
		if n < 10 {
			return "0" + strconv.Itoa(n)
		}
		return strconv.Itoa(n)
	}
	return two(c.Hours) + ":" + two(c.Minutes)
}

// writeDetail writes a ServiceDetailsByIdResponse: without endpoints a service
// is its id and ODS code only.
func writeDetail(services []Service) []byte {
	return envelope("", func(w *writer) {
		w.in("ServiceDetailsByIdResponse", func() {
			w.in("services", func() {
				for _, s := range services {
					w.in("service", func() {
						w.text("id", s.ID)
						w.text("odsCode", s.ODS)
						if len(s.Endpoints) > 0 {
							w.endpoints(s.Endpoints)
						}
					})
				}
			})
		})
	})
}

// writeFault writes a fault as the service does: in SOAP 1.2 its number stands
// where a code would be, in 1.1, as services of old answer, it is the faultcode.
func writeFault(f *Fault, soap string) []byte {
	return inSOAP(soap, envelope("", func(w *writer) {
		code, text := strconv.Itoa(f.Code), xmltree.EscapeText(f.Text)
		if soap == nsSOAP11 {
			w.b.WriteString(`<s:Fault><faultcode>` + code + `</faultcode><faultstring>` + text + `</faultstring></s:Fault>`)
			return
		}
		w.b.WriteString(`<s:Fault><s:Code><s:Value>` + code + `</s:Value></s:Code><s:Reason><s:Text xml:lang="en">` + text + `</s:Text></s:Reason></s:Fault>`)
	}))
}

// inSOAP gives an envelope of ours the namespace of the version that was asked
// in.
func inSOAP(soap string, envelope []byte) []byte {
	if soap != nsSOAP11 {
		return envelope
	}
	return bytes.Replace(envelope, []byte(nsSOAP12), []byte(nsSOAP11), 1)
}
