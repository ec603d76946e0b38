package testtool

import (
	"net/http"
	"slices"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/nhs"
)

// class is what a message is about, as far as the sentinels ask.
type class uint8

const (
	booking class = iota
	referral
	validation
	response
)

// message is a request message with what the sentinels look at.
type message struct {
	bundle  *fhir.Resource
	class   class
	cancels bool
	number  nhs.NHSNumber
	focus   fhir.Value // the Appointment or ServiceRequest
}

// process answers POST /$process-message. The message isn't held to its
// definition; only what chooses the answer is looked at.
func (t *Tool) process(w http.ResponseWriter, r *request) error {
	bundle, _, err := rest.ReadResource(w, r.Request, t.o.MaxBody)
	if err != nil {
		return err
	}
	m, err := readMessage(bundle)
	if err != nil {
		return err
	}
	if m.number == scenarioNumber && (m.class == booking || m.class == referral) {
		if err := t.scenario.take(r.organisation, m.event()); err != nil {
			return err
		}
	} else if err := numbers[m.class][m.number].err(); err != nil {
		return err
	}
	answer, err := t.echo(m)
	if err != nil {
		return err
	}
	if err := t.respond(m, answer, r.Header.Get("X-Correlation-Id")); err != nil {
		t.o.Log.Warn("sandbox test tool: no response can be made of this request", "error", err)
	}
	return t.write(w, r, answer)
}

// ownCase is the reference for people of the Encounter that the tool opens.
const ownCase = "SANDBOX-1"

func readMessage(bundle *fhir.Resource) (*message, error) {
	bad := func(path, rule string) (*message, error) {
		return nil, fhir.NewOutcome(fhir.KindInvariant, path, rule)
	}
	if bundle.Type() != "Bundle" || bundle.Get("type").Text() != "message" {
		return bad("Bundle.type", "the body must be a Bundle of the type message")
	}
	header := bundle.Get("entry").At(0).Get("resource")
	if header.Get("resourceType").Text() != "MessageHeader" {
		return bad("Bundle.entry[0]", "the first entry must be the MessageHeader")
	}
	m := &message{bundle: bundle}
	focus := ""
	switch header.Get("eventCoding").Get("code").Text() {
	case bars.EventBooking:
		m.class, focus = booking, "Appointment"
	case bars.EventReferral:
		m.class, focus = referral, "ServiceRequest"
	case bars.EventReferralAnswer:
		m.class, focus = response, "ServiceRequest"
	default:
		return bad("MessageHeader.eventCoding", "the event must be one that a receiver takes")
	}
	for item := range bundle.Get("entry").Items() {
		switch res := item.Get("resource"); res.Get("resourceType").Text() {
		case "Patient":
			if m.number == "" {
				m.number = nhs.NHSNumberOf(res.Resource())
			}
		case focus:
			if !m.focus.Exists() {
				m.focus = res
			}
		}
	}
	if !m.focus.Exists() {
		return bad("Bundle.entry", "there must be a "+focus)
	}
	m.cancels = slices.Contains([]string{"cancelled", "revoked", "entered-in-error"}, m.focus.Get("status").Text())
	for coding := range fhir.Codings(m.focus.Get("category")) {
		if m.class == referral && strings.EqualFold(coding.Code, bars.CategoryValidation) {
			m.class = validation
		}
	}
	return m, nil
}

// event is what a message is in the scenario.
func (m *message) event() event {
	switch {
	case m.class == booking && m.cancels:
		return cancelBooking
	case m.class == booking:
		return makeBooking
	case m.cancels:
		return cancelReferral
	}
	for item := range m.focus.Get("supportingInfo").Items() {
		ref, ok := fhir.ParseReference(item.Get("reference").Text())
		if ok && ref.Type == "Appointment" && ref.ID == bookedID {
			return linkedReferral
		}
	}
	return mislinkedReferral
}

// echo is the synchronous answer: the message as it came, with an id on the focus
// and, for a new booking or referral, what a receiver adds to it.
func (t *Tool) echo(m *message) (*fhir.Resource, error) {
	edit := m.bundle.Edit()
	if m.cancels || m.class == response {
		return edit.Done()
	}
	now := fhir.FormatInstant(t.o.Now())
	if m.class == booking {
		edit.SetText(m.focus, "id", bookedID)
		edit.SetText(m.focus, "created", now)
		for item := range m.bundle.Get("entry").Items() {
			if res := item.Get("resource"); res.Get("resourceType").Text() == "Slot" {
				edit.SetText(res, "status", "busy")
			}
		}
		return edit.Done()
	}
	id := knownID
	if m.class == validation {
		id = validationID
	}
	edit.SetText(m.focus, "id", id)
	planned := t.o.NewID()
	edit.Append(m.bundle.Get("entry"), fhir.Obj("fullUrl", "urn:uuid:"+planned, "resource",
		fhir.NewObject("Encounter").Set("id", planned).Set("meta", fhir.Obj("lastUpdated", now)).
			Set("identifier", []*fhir.Object{fhir.Obj("system", t.o.BaseURL+"/case", "value", ownCase)}).
			Set("status", "planned").
			Set("class", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code", "EMER"))).JSON())
	return edit.Done()
}

// read answers GET /Appointment/id and /ServiceRequest/id.
func (t *Tool) read(w http.ResponseWriter, r *request, typ, id string) error {
	chosen, known := records[typ][strings.ToLower(id)]
	switch {
	case known && chosen.set:
		return chosen.err()
	case known:
		return t.write(w, r, t.record(typ, id).Resource())
	case !fhir.ValidUUID(id):
		return fhir.NewOutcome(fhir.KindValue, "", "the id in the path must be a UUID")
	}
	return fhir.NewOutcome(fhir.KindNotFound, "", "the test tool knows no such record")
}

// record is what a read shows.
func (t *Tool) record(typ, id string) *fhir.Object {
	now := t.o.Now().UTC()
	patient := fhir.Obj("type", "Patient", "display", "Sandbox patient")
	o := fhir.NewObject(typ).Set("id", id).Set("meta", fhir.Obj("lastUpdated", fhir.FormatInstant(now)))
	if typ == "ServiceRequest" {
		code := bars.CategoryReferral
		if id == validationID {
			code = bars.CategoryValidation
		}
		return o.Set("status", "active").Set("intent", "plan").
			Set("category", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", bars.SystemCategories, "code", code)})}).
			Set("subject", patient).Set("occurrencePeriod", fhir.Obj("start", fhir.FormatInstant(now)))
	}
	start := now.AddDate(0, 0, 1)
	return o.Set("status", "booked").Set("start", fhir.FormatInstant(start)).Set("end", fhir.FormatInstant(start.Add(slotLength))).
		Set("created", fhir.FormatInstant(now)).
		Set("participant", []*fhir.Object{fhir.Obj("actor", patient, "status", "accepted")})
}

// find answers GET /Appointment and /ServiceRequest by patient: the first known
// record for the numbers that are taken, nothing for others.
func (t *Tool) find(w http.ResponseWriter, r *request, typ string) error {
	text := r.URL.Query().Get("patient:identifier")
	if text == "" {
		return fhir.NewOutcome(fhir.KindRequired, "", "the parameter patient:identifier is missing")
	}
	patient := nhs.ParseServiceID(text)
	if patient.System != nhs.SystemNHSNumber || !nhs.NHSNumber(patient.Value).Valid() {
		return fhir.NewOutcome(fhir.KindValue, "", "the parameter patient:identifier must be an NHS number with its system")
	}
	of, id := booking, bookedID
	if typ == "ServiceRequest" {
		of, id = referral, knownID
	}
	var entries []*fhir.Object
	if chosen, known := numbers[of][nhs.NHSNumber(patient.Value)]; known && !chosen.set {
		entries = append(entries, fhir.Obj("fullUrl", "urn:uuid:"+id, "resource", t.record(typ, id), "search", fhir.Obj("mode", "match")))
	}
	return t.write(w, r, t.searchset(entries, len(entries), "/"+typ, r))
}
