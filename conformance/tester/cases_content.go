package tester

import "strings"

// fault is one way to break a conformant message.
type fault struct {
	id, rule string
	spoil    func(s *session, m message)
	want     want
}

// contentIssues are the codes that a rule of content may be refused with.
var contentIssues = bad("invariant", "required", "value", "structure", "invalid")

// orElse allows a second answer.
func orElse(one, other want) want {
	one.or = &other
	return one
}

func set(path []any, name string, value any) func(*session, message) {
	return func(_ *session, m message) { dig(map[string]any(m), path...)[name] = value }
}

// of breaks one resource of a type.
func of(typ, name string, value any) func(*session, message) {
	return func(_ *session, m message) { m.first(typ)[name] = value }
}

func without(typ, name string) func(*session, message) {
	return func(_ *session, m message) { delete(m.first(typ), name) }
}

var envelopeFaults = []fault{
	{"no-bundle", "A message that is no Bundle is 400", func(_ *session, m message) {
		patient := m.first("Patient")
		clear(m)
		for k, v := range patient {
			m[k] = v
		}
	}, contentIssues},
	{"type", "A Bundle whose type isn't message is 400", set(nil, "type", "collection"), contentIssues},
	{"header-first", "A Bundle whose first entry isn't the MessageHeader is 400", func(_ *session, m message) {
		list := m.entries()
		list[0], list[1] = list[1], list[0]
	}, contentIssues},
	{"no-timestamp", "A Bundle without timestamp is 400", func(_ *session, m message) { delete(m, "timestamp") }, contentIssues},
	{"no-version", "A Bundle without meta.versionId is 400 invariant", func(_ *session, m message) { delete(dig(map[string]any(m), "meta"), "versionId") }, bad("invariant", "required")},
	{"version", "A version of the application that isn't supported is 422 not-supported", set([]any{"meta"}, "versionId", "9.9.9"), unsupported},
	{"no-patient", "A message without a resource that its definition demands is 400", func(_ *session, m message) { m.drop("Patient") }, contentIssues},
	{"two-patients", "A message with more of a resource than its definition allows is 400", func(s *session, m message) {
		m.insert("urn:uuid:"+s.NewID(), m.first("Patient"))
	}, contentIssues},
	{"extra-type", "A message with a resource that its definition doesn't know is 400", func(s *session, m message) {
		m.insert("urn:uuid:"+s.NewID(), map[string]any{"resourceType": "Basic", "meta": map[string]any{"lastUpdated": "2026-01-01T00:00:00Z"},
			"code": map[string]any{"text": "not asked for"}})
	}, contentIssues},
	{"focus", "A focus that names no entry is 400", func(s *session, m message) { dig(m.header(), "focus", 0)["reference"] = "urn:uuid:" + s.NewID() }, contentIssues},
	{"no-definition", "A message without its definition is 400", without("MessageHeader", "definition"), contentIssues},
	{"definition-unknown", "A definition that isn't known is 400 or 422", of("MessageHeader", "definition", "https://fhir.nhs.uk/MessageDefinition/none"), orElse(contentIssues, unsupported)},
	{"destination", "A destination that is another service than the target, and unknown, is 400 or 404", func(_ *session, m message) {
		dig(m.header(), "destination", 0)["endpoint"] = "https://fhir.nhs.uk/Id/dos-service-id|0000000000"
	}, orElse(contentIssues, unknown)},
	{"event", "An event that the standard doesn't know is 400", func(_ *session, m message) { dig(m.header(), "eventCoding")["code"] = "no-such-event" }, contentIssues},
	{"event-other", "A definition of another event is 400", func(_ *session, m message) { dig(m.header(), "eventCoding")["code"] = "servicerequest-response" }, bad("invariant", "required", "value", "structure", "invalid", "not-supported")},
	{"receiver-other", "A message whose receiver is another organisation than the service's is 400", func(_ *session, m message) {
		at := text(dig(m.header(), "destination", 0, "receiver"), "reference")
		for _, e := range m.entries() {
			if entry, _ := e.(map[string]any); text(entry, "fullUrl") == at {
				dig(resourceOf(e), "identifier", 0)["value"] = "ZZ999"
			}
		}
	}, contentIssues},
	{"booking-response", "The event booking-response is 400", func(_ *session, m message) {
		dig(m.header(), "eventCoding")["code"] = "booking-response"
	}, bad("invariant", "required", "value", "structure", "invalid", "not-supported")},
	{"no-reason", "A message without reason is 400", without("MessageHeader", "reason"), contentIssues},
}

var referralFaults = []fault{
	{"new-revoked", "New with a revoked ServiceRequest is no workflow, 400 invariant", of("ServiceRequest", "status", "revoked"), bad("invariant")},
	{"update-active", "An update of an active referral of application 1 is no workflow, 400 invariant", func(_ *session, m message) {
		dig(m.header(), "reason", "coding", 0)["code"] = "update"
	}, bad("invariant")},
	{"careplan-active", "A referral of application 1 with an active CarePlan is 400 invariant", of("CarePlan", "status", "active"), bad("invariant")},
	{"encounter-planned", "A referral whose Encounter is planned is 400 invariant", of("Encounter", "status", "planned"), bad("invariant")},
	{"no-category", "A ServiceRequest without category is 400", without("ServiceRequest", "category"), contentIssues},
	{"two-use-cases", "A ServiceRequest with two use cases is 400", func(_ *session, m message) {
		category := dig(m.first("ServiceRequest"), "category", 0)
		list, _ := category["coding"].([]any)
		category["coding"] = append(list, map[string]any{"system": "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars", "code": "a1t1"},
			map[string]any{"system": "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars", "code": "a1t3"})
	}, contentIssues},
	{"no-contact", "A Patient without a contact is 400", without("Patient", "contact"), contentIssues},
	{"contact-no-rank", "A contact without its rank is 400", func(_ *session, m message) { delete(dig(m.first("Patient"), "contact", 0), "extension") }, contentIssues},
	{"contact-two-first", "Two contacts of rank 1 are 400", func(_ *session, m message) {
		dig(m.first("Patient"), "contact", 1, "extension", 0)["valuePositiveInt"] = 1
	}, contentIssues},
	{"contact-no-phone", "A contact without a phone is 400", func(_ *session, m message) { delete(dig(m.first("Patient"), "contact", 0), "telecom") }, contentIssues},
	{"telecom-two-first", "Two telecoms of rank 1 are 400", func(_ *session, m message) {
		dig(m.first("Patient"), "contact", 0, "telecom", 1)["rank"] = 1
	}, contentIssues},
	{"nhs-number-status", "A verification status of the NHS number other than those permitted is 400", func(_ *session, m message) {
		dig(m.first("Patient"), "identifier", 0, "extension", 0, "valueCodeableConcept", "coding", 0)["code"] = "number-perhaps"
	}, contentIssues},
	{"nhs-number-digit", "An NHS number with a wrong check digit is 400", func(_ *session, m message) {
		dig(m.first("Patient"), "identifier", 0)["value"] = "9000000001"
	}, contentIssues},
	{"journey", "An Encounter that doesn't name the journey is 400", without("Encounter", "episodeOfCare"), contentIssues},
}

// contentCases break a conformant message one rule at a time: the envelope with
// what the receiver takes, the rest with a referral of application 1.
func contentCases() []Case {
	var out []Case
	for _, f := range envelopeFaults {
		out = append(out, Case{"message/" + f.id, f.rule + " (BaRS Core, bundle processing)", []string{needReferral}, func(s *session) error {
			return s.broken(f, s.claims.of(referralApplications))
		}})
	}
	for _, f := range referralFaults {
		out = append(out, Case{"referral/" + f.id, f.rule + " (BaRS Core, bundle processing; BaRS application 1)", []string{"application 1"}, func(s *session) error {
			return s.broken(f, s.claims.of("1"))
		}})
	}
	out = append(out, Case{"referral/use-case", "A use case that the service doesn't offer is 422 not-supported, one that the standard doesn't know 400 or 422 (BaRS Core, bundle processing)",
		[]string{needReferral}, useCaseUnknown})
	return out
}

func (s *session) broken(f fault, use string) error {
	m, err := s.message("a"+use[1:2]+"-referral", use)
	if err != nil {
		return err
	}
	r := s.post(m)
	f.spoil(s, m)
	r.body = m.json()
	return s.refusedWrite(r, f.want, "ServiceRequest", use, slot{})
}

func useCaseUnknown(s *session) error {
	use := s.claims.of(referralApplications)
	m, err := s.message("a"+use[1:2]+"-referral", use)
	if err != nil {
		return err
	}
	r := s.post(m)
	r.body = []byte(strings.ReplaceAll(string(m.json()), `"`+use+`"`, `"a9t9"`))
	return s.refusedWrite(r, orElse(contentIssues, unsupported), "ServiceRequest", use, slot{})
}

// bookingFaults break a booking.
func bookingFaults() []Case {
	list := []fault{
		{"slot-unknown", "A booking of a Slot that isn't there is refused, 404 not-found", func(s *session, m message) {
			m.first("Slot")["id"] = s.NewID()
			m.first("Slot")["start"], m.first("Slot")["end"] = "2020-01-01T03:00:00+00:00", "2020-01-01T03:20:00+00:00"
			m.first("Appointment")["start"], m.first("Appointment")["end"] = "2020-01-01T03:00:00+00:00", "2020-01-01T03:20:00+00:00"
		}, unknown},
		{"slot-altered", "A booking whose Slot isn't as it was offered is 400", func(_ *session, m message) { m.first("Slot")["comment"] = "altered" }, contentIssues},
		{"reversed", "A booking that ends before it starts is 400", func(_ *session, m message) {
			b := m.first("Appointment")
			b["start"], b["end"] = b["end"], b["start"]
		}, contentIssues},
		{"new-cancelled", "New with a cancelled Appointment is no workflow, 400 invariant", of("Appointment", "status", "cancelled"), bad("invariant")},
		{"no-slot", "A booking without its Slot is 400", func(_ *session, m message) { m.drop("Slot") }, contentIssues},
		{"no-category", "An Appointment without serviceCategory is 400", without("Appointment", "serviceCategory"), contentIssues},
	}
	var out []Case
	for _, f := range list {
		out = append(out, Case{"booking/" + f.id, f.rule + " (BaRS Core, bundle processing)", []string{needBooking}, func(s *session) error {
			at, err := s.freeSlot()
			if err != nil {
				return err
			}
			s.slots = append(s.slots, at)
			m, err := s.bookingOf(at)
			if err != nil {
				return err
			}
			r := s.post(m)
			f.spoil(s, m)
			r.body = m.json()
			return s.refusedWrite(r, f.want, "Appointment", s.claims.of(bookingApplications), at)
		}})
	}
	return out
}
