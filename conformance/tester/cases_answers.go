package tester

import (
	"errors"
	"fmt"
	"net/http"
)

// Definitions of the responses that a requester takes.
const (
	defInterim  = "bars-message-servicerequest-response-validation-interim"
	defFull     = "bars-message-servicerequest-response-validation-full"
	defResponse = "bars-message-servicerequest-response-referral"
	defShort    = "bars-message-servicerequest-response-referral-short"
)

// asked is a request whose answers go to the service that is tested, so that it
// is both ends of the exchange: the one way to have it ask without a hand inside.
type asked struct {
	referral, booking *creation
	use               string
	bundle, encounter string
	planned           string // the receiver's own Encounter, a new id where it gave none
	journey           any
}

// ask makes such a request. A receiver may refuse to ask itself, or know only what
// it sent by its own doing: then the case can't be decided.
func (s *session) ask(name, use string, linked *creation) (*asked, error) {
	m, err := s.message(name, use, "2000033311", s.Service)
	if err != nil {
		return nil, err
	}
	if linked != nil {
		m.first("ServiceRequest")["supportingInfo"] = []any{map[string]any{"reference": "Appointment/" + linked.id}}
	}
	r := s.post(m)
	a, err := s.do(r)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, errSkip{fmt.Sprintf("the receiver takes no request whose answers go to its own service: answered %d", a.status)}
	}
	c, err := s.note(a, r, "ServiceRequest", use, slot{})
	if err != nil {
		return nil, err
	}
	q := &asked{referral: c, booking: linked, use: use, bundle: text(m, "id"), journey: m.first("Encounter")["episodeOfCare"], planned: s.NewID()}
	for e := range a.resource.Get("entry").Items() {
		res := e.Get("resource")
		switch {
		case res.Get("resourceType").Text() != "Encounter":
		case q.encounter == "":
			q.encounter = res.Get("id").Text()
		case res.Get("status").Text() == "planned":
			q.planned = res.Get("id").Text()
		}
	}
	return q, nil
}

// response makes the answer of a file to a request: from the organisation that
// provides the service, to the service.
func (s *session) response(q *asked, name string) (*request, message, error) {
	fill := []string{"2000033311", s.Service, "@REFERRAL@", q.referral.id, "@ENCOUNTER@", q.encounter, "@CASE@", q.planned, "@CAREPLAN@", s.NewID(), "A1001", s.Receiver}
	if q.booking != nil {
		fill = append(fill, "@APPOINTMENT@", q.booking.id, "@SLOT@", q.booking.slot.id, "@START@", q.booking.slot.start, "@END@", q.booking.slot.end)
	}
	m, err := s.message(name, q.use, fill...)
	if err != nil {
		return nil, nil, err
	}
	dig(m.header(), "response")["identifier"] = q.bundle
	for _, e := range m.entries() {
		if r := resourceOf(e); r["resourceType"] == "Encounter" && q.journey != nil {
			r["episodeOfCare"] = q.journey
		}
	}
	r := s.post(m)
	r.header.Set("X-Correlation-Id", q.referral.correlation)
	r.header.Set("NHSD-End-User-Organisation", organisationHeader(s.Receiver))
	return r, m, nil
}

// answered sends an answer that must be taken, with the statuses that the referral
// may have then. A status at which it has ended leaves nothing to cancel.
func (s *session) answered(q *asked, name string, status ...string) error {
	r, _, err := s.response(q, name)
	if err != nil {
		return err
	}
	a, err := s.do(r)
	if err != nil {
		return err
	}
	if a.status == http.StatusNotFound {
		return errSkip{"the receiver knows only requests that it sent by its own doing"}
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("%s %s is answered %d, wanted 200", r.method, r.path, a.status)
	}
	if a.fault != nil {
		return a.fault
	}
	if a.resource == nil || a.resource.Type() != "Bundle" || a.resource.Get("type").Text() != "message" {
		return errors.New("the answer to the response is no message Bundle")
	}
	return s.ends(q.referral, status...)
}

// ends reads a record whose status must be one of these, and notes where it ended.
func (s *session) ends(c *creation, status ...string) error {
	err := s.read(c, status...)
	for _, end := range []string{"completed", "revoked", "entered-in-error", "noshow"} {
		if err == nil && s.read(c, end) == nil {
			c.over, c.state = true, "ended by a response: "+end
		}
	}
	return err
}

// answer is one that a requester must take.
type answerCase struct {
	id, rule, application, definition, name string
	before                                  string // an answer that goes before
	status                                  []string
}

var answerCases = []answerCase{
	{"interim", "The interim response to a validation request is taken, the referral stays active", "4", defInterim, "a4-response-interim", "", []string{"active"}},
	{"full", "The full response to a validation request is taken after the interim one", "4", defFull, "a4-response-full", "a4-response-interim", []string{"active", "completed"}},
	{"rejected", "The rejection of a validation request is taken", "4", defInterim, "a4-response-rejected", "", []string{"active", "revoked"}},
	{"status", "The status of a case at another control room is taken, the referral stays active", "6", defShort, "a6-response-status", "", []string{"active"}},
}

// answersToRequests are cases of what a requester must take and refuse.
func answersToRequests() []Case {
	var out []Case
	for _, c := range answerCases {
		out = append(out, Case{"response/" + c.id, c.rule + " (BaRS application " + c.application + ")",
			[]string{"application " + c.application, "ServiceRequest read", "definition " + c.definition}, func(s *session) error {
				name := "a6-referral"
				if c.application == "4" {
					name = "a4-validation"
				}
				q, err := s.ask(name, s.claims.of(c.application), nil)
				if err != nil {
					return err
				}
				if c.before != "" {
					if err := s.answered(q, c.before, "active"); err != nil {
						return err
					}
				}
				return s.answered(q, c.name, c.status...)
			}})
	}
	validation := []string{"application 4", "ServiceRequest read", "definition " + defInterim}
	return append(out,
		Case{"response/other-sender", "A response from another organisation than the request went to is refused, 400 or 401 (BaRS Core, bundle processing)", validation, otherSender},
		Case{"response/duplicate", "The same response with the same ids again is 409 duplicate (BaRS Core, transactional integrity)", validation, responseAgain},
		Case{"response/not-attended", "The response that a patient with a safeguarding concern did not attend is taken: the referral is revoked, the booking noshow (BaRS applications 1 and 2)",
			[]string{needBooking, "application 1", "Appointment read", "ServiceRequest read", "definition " + defResponse}, notAttended})
}

func otherSender(s *session) error {
	q, err := s.ask("a4-validation", s.claims.of("4"), nil)
	if err != nil {
		return err
	}
	r, m, err := s.response(q, "a4-response-interim")
	if err != nil {
		return err
	}
	sender := m.at(text(dig(m.header(), "sender"), "reference"))
	receiver := m.at(text(dig(m.header(), "destination", 0, "receiver"), "reference"))
	dig(sender, "identifier", 0)["value"], dig(receiver, "identifier", 0)["value"] = s.Stranger, s.Receiver
	r.body = m.json()
	r.header.Set("NHSD-End-User-Organisation", organisationHeader(s.Stranger))
	a, err := s.do(r)
	if err != nil {
		return err
	}
	if a.status == http.StatusNotFound {
		return errSkip{"the receiver knows only requests that it sent by its own doing"}
	}
	return a.refused(orElse(contentIssues, denied))
}

func responseAgain(s *session) error {
	q, err := s.ask("a4-validation", s.claims.of("4"), nil)
	if err != nil {
		return err
	}
	r, _, err := s.response(q, "a4-response-interim")
	if err != nil {
		return err
	}
	a, err := s.do(r)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return errSkip{fmt.Sprintf("the first is answered %d, so the second says nothing", a.status)}
	}
	return s.refused(r, duplicate)
}

func notAttended(s *session) error {
	booking, _, _, err := s.book()
	if err != nil {
		return err
	}
	q, err := s.ask("a1-referral", s.claims.of("1"), booking)
	if err != nil {
		return err
	}
	if err := s.answered(q, "a1-response-dna", "revoked"); err != nil {
		return err
	}
	return s.ends(booking, "noshow")
}
