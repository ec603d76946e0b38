package barsapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/nhs"
)

// The sender's operations are our own, in plain FHIR: systems on our side of
// the exchange call them, never a BaRS peer.
//
//	POST /$send-message                  sends a message Bundle and keeps it
//	POST /ServiceRequest/{id}/$respond   answers a referral that was received
//	POST /$forget-offers                 forgets what other systems said they take
//	POST /HealthcareService/$search-directory
//	                                     asks the directory for services for a patient

// operation finds a sender's operation by its path; nil where there is none.
func (s *server) operation(path string) func(http.ResponseWriter, *http.Request) error {
	if path == "/HealthcareService/$search-directory" {
		return s.find
	}
	if s.o.Client == nil {
		return nil
	}
	switch path {
	case "/$send-message":
		return s.sendMessage
	case "/$forget-offers":
		return func(w http.ResponseWriter, _ *http.Request) error {
			s.o.Client.Clear()
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	if !strings.HasSuffix(path, "/$respond") {
		return nil
	}
	parts := strings.Split(path, "/")
	if len(parts) == 4 && parts[1] == "ServiceRequest" && parts[3] == "$respond" && fhir.ValidID(parts[2]) {
		return func(w http.ResponseWriter, r *http.Request) error { return s.respond(w, r, parts[2]) }
	}
	return nil
}

// operationPattern is the shape of such an operation's path.
func operationPattern(path string) string {
	if strings.HasSuffix(path, "/$respond") {
		return "/ServiceRequest/{id}/$respond"
	}
	return path
}

// operate carries out such an operation.
func (s *server) operate(w http.ResponseWriter, r *http.Request, do func(http.ResponseWriter, *http.Request) error) {
	if r.Method != http.MethodPost {
		o := fhir.NewOutcome(fhir.KindMethod, "", "this operation takes POST only")
		o.Allow = []string{http.MethodPost}
		s.refusePlain(w, r, o)
		return
	}
	if err := do(w, r); err != nil {
		s.refusePlain(w, r, err)
	}
}

// caller reads the transaction ids of an operation: the same again is the same
// request; those that are missing are made.
func (s *server) caller(r *http.Request) (bars.Caller, error) {
	c := bars.Caller{Door: "fhir", RequestID: r.Header.Get(headerRequestID), Correlation: r.Header.Get(headerCorrelation)}
	for name, id := range map[string]*string{headerRequestID: &c.RequestID, headerCorrelation: &c.Correlation} {
		if *id == "" {
			*id = s.o.NewID()
		} else if !fhir.ValidUUID(*id) {
			return c, fhir.NewOutcome(fhir.KindValue, "", "the header "+name+" must be a UUID")
		}
	}
	return c, nil
}

// sendMessage sends a message from a service of ours, after content negotiation,
// and keeps a new referral or booking so that its answers find it, or changes what
// is kept where the message updates or cancels it. It is kept
// when the receiver has it: a caller that learns of no success repeats the
// request under the same ids, which never has two effects.
func (s *server) sendMessage(w http.ResponseWriter, r *http.Request) error {
	bundle, body, err := rest.ReadResource(w, r, s.o.MaxBody)
	if err != nil {
		return err
	}
	facts, err := bars.Describe(bundle)
	if err != nil {
		return err
	}
	if _, err := s.desk.Service(r.Context(), facts.Source); err != nil {
		return fhir.NewOutcome(fhir.KindProcessing, "Bundle.entry[0].resource.source.endpoint", "source.endpoint must be a service here, or the answers have nowhere to go")
	}
	caller, err := s.caller(r)
	if err != nil {
		return err
	}
	caller.Organisation = facts.Sender
	key := operationKey(caller, "send", facts.Destination.String())
	// The way may have changed since: what was carried out is never sent by another.
	done, err := s.desk.Done(r.Context(), bars.Key{Door: key.Door, Sender: key.Sender, Target: key.Target,
		Values: append(slices.Clone(key.Values), bundleValue(facts))}, body)
	switch {
	case err != nil:
		return err
	case done:
		return sentBefore()
	}
	way, err := s.wayTo(r.Context(), facts.Destination)
	if err != nil {
		return err
	}
	if way.Reach == bars.ReachSOAP {
		return s.queueMessage(w, r, bundle, body, facts, caller, way)
	}
	headers := Headers{RequestID: caller.RequestID, Correlation: caller.Correlation, Target: facts.Destination, Base: way.Address,
		Organisation: facts.Sender, OrganisationName: facts.SenderName, UseContext: facts.UseContext()}
	if _, err := s.o.Client.Negotiate(r.Context(), headers, facts); err != nil {
		return sendingOutcome(err)
	}
	kept := facts.Event != bars.EventReferralAnswer
	if kept {
		if err := s.desk.Sending(r.Context(), facts.ID, caller.RequestID); err != nil {
			return err
		}
	}
	reply, err := s.o.Client.Process(r.Context(), headers, bundle)
	if err != nil {
		if kept {
			s.notSent(r.Context(), err, facts, caller)
		}
		return sendingOutcome(err)
	}
	if kept {
		_, err := s.desk.Sent(r.Context(), bars.SentRequest{Caller: caller, Body: body, Bundle: bundle, Answer: reply.Resource, Key: key})
		if again := s.unkept(caller, err); again != nil {
			return again
		}
		if err != nil {
			s.notSent(r.Context(), nil, facts, caller)
		}
	}
	w.Header().Set(headerRequestID, caller.RequestID)
	w.Header().Set(headerCorrelation, caller.Correlation)
	if reply.Resource == nil {
		return sentBefore()
	}
	return s.write(w, r, http.StatusOK, reply.Resource, "")
}

// bundleValue is a key of a message by its Bundle, whatever ids it comes under.
func bundleValue(facts *bars.Facts) string { return "bundle " + strings.ToLower(facts.ID) }

func sentBefore() error {
	return fhir.NewOutcome(fhir.KindDuplicate, "", "this message was sent before: it is delivered, or in the outbox")
}

// wayTo finds how a service is reached: by a route of its own, of either kind;
// else, where BaRS has the proxy only or nothing, as the directory says. One that
// the directory lists with a BaRS endpoint goes through the proxy where there is
// one.
func (s *server) wayTo(ctx context.Context, target nhs.ServiceID) (bars.Way, error) {
	if s.desk.Forwards(target) {
		return bars.Way{Reach: bars.ReachSOAP}, nil
	}
	route, err := s.o.Client.o.Router.Route(ctx, target)
	if err == nil && !route.Proxy {
		return bars.Way{Reach: bars.ReachBaRS}, nil
	}
	noRoute := err
	way, err := s.desk.Way(ctx, target)
	switch {
	case way.Reach == bars.ReachSOAP:
		return way, nil
	case noRoute == nil: // the proxy
		return bars.Way{Reach: bars.ReachBaRS}, nil
	case err != nil:
		return way, err
	case way.Reach == bars.ReachBaRS:
		way.Address, err = ParseBase(way.Address)
		return way, err
	}
	return way, sendingOutcome(noRoute)
}

// queueMessage puts a referral into the outbox for a receiver that only has the
// NHS 111 SOAP door. The same Bundle again is the same referral, under whatever
// ids it comes: what is sent is named after the Bundle.
func (s *server) queueMessage(w http.ResponseWriter, r *http.Request, bundle *fhir.Resource, body []byte, facts *bars.Facts, caller bars.Caller, way bars.Way) error {
	key := operationKey(caller, "send", facts.Destination.String())
	key.Values = append(key.Values, bundleValue(facts))
	result, err := s.desk.Queue(r.Context(), bars.QueueRequest{Caller: caller, Key: key, Body: body, Bundle: bundle, Way: way})
	if err != nil {
		return err
	}
	w.Header().Set(headerRequestID, caller.RequestID)
	w.Header().Set(headerCorrelation, caller.Correlation)
	if result.Replay != nil {
		return sentBefore()
	}
	issues := []*fhir.Object{fhir.Obj("severity", "information", "code", "informational",
		"diagnostics", "in the outbox, to be sent by NHS 111 SOAP under the MessageID "+result.Forwarded)}
	for _, lost := range result.Warnings {
		issues = append(issues, fhir.Obj("severity", "information", "code", "incomplete", "diagnostics", lost.Diagnostics, "expression", []string{lost.Expression}))
	}
	w.Header().Set("Location", s.o.BaseURL+"/"+result.Focus.String())
	return s.write(w, r, http.StatusAccepted, fhir.NewObject("OperationOutcome").Set("issue", issues).Resource(), "")
}

// unkept judges a failure to keep what was delivered. To refuse it would make the
// caller send the patient's referral anew, so it is refused only where the same
// request under the same ids can mend it.
func (s *server) unkept(caller bars.Caller, err error) error {
	if err == nil {
		return nil
	}
	switch fhir.AsOutcome(err).Kind {
	case fhir.KindTooEarly:
		return err
	case fhir.KindUnavailable, fhir.KindTimeout, fhir.KindException, fhir.KindThrottled:
		return fhir.NewOutcome(fhir.KindUnavailable, "", "delivered, but not kept here: repeat the request with the same ids").Because(err).After(time.Second)
	}
	if fhir.AsOutcome(err).Kind == fhir.KindNotFound {
		s.o.Log.Info("a message was delivered that changes what isn't kept here", "door", "bars", "request", caller.RequestID)
		return nil
	}
	s.o.Log.Error("a message was delivered, but can't be kept: its answers won't be matched", "door", "bars", "request", caller.RequestID, "error", err)
	return nil
}

// notSent ends the wait for a message that was refused for good, so that answers
// to it, if any come, are told so. Of one that may have arrived nothing is known.
func (s *server) notSent(ctx context.Context, why error, facts *bars.Facts, caller bars.Caller) {
	if f := (*Fault)(nil); why != nil && (!errors.As(why, &f) || f.Again) {
		return
	}
	if err := s.desk.NotSent(ctx, facts.ID, caller.RequestID); err != nil {
		s.o.Log.Warn("the mark of a message that was not sent stays for three days", "door", "bars", "request", caller.RequestID, "error", err)
	}
}

func operationKey(c bars.Caller, door, target string) bars.Key {
	return bars.Key{Door: door, Sender: string(c.Organisation), Target: target,
		Values: []string{strings.ToLower(c.RequestID + " " + c.Correlation)}}
}

// sendingOutcome says what a failure to send means to who asked for it.
func sendingOutcome(err error) error {
	var f *Fault
	switch {
	case errors.Is(err, ErrNoRoute):
		return fhir.NewOutcome(fhir.KindProcessing, "", err.Error())
	case !errors.As(err, &f):
		return err
	case f.Again:
		return fhir.NewOutcome(fhir.KindUnavailable, "", "not delivered: "+f.Error()).After(max(f.After, time.Second))
	}
	return fhir.NewOutcome(fhir.KindProcessing, "", "not delivered: "+f.Error())
}

// respond makes an answer to a referral out of Parameters.
func (s *server) respond(w http.ResponseWriter, r *http.Request, id string) error {
	parameters, body, err := rest.ReadResource(w, r, s.o.MaxBody)
	if err != nil {
		return err
	}
	req, err := s.readAnswer(parameters)
	if err != nil {
		return err
	}
	if req.Caller, err = s.caller(r); err != nil {
		return err
	}
	req.Referral, req.Body = id, body
	req.Key = operationKey(req.Caller, "respond", id)
	result, err := s.desk.Respond(r.Context(), *req)
	if err != nil {
		return err
	}
	if result.Replay != nil {
		return fhir.NewOutcome(fhir.KindDuplicate, "", "this answer has been given before")
	}
	return s.write(w, r, http.StatusOK, result.Bundle, "")
}

// readAnswer reads the Parameters of $respond: answer, and what it needs.
func (s *server) readAnswer(p *fhir.Resource) (*bars.RespondRequest, error) {
	if p.Type() != "Parameters" {
		return nil, fhir.NewOutcome(fhir.KindStructure, "", "the body must be Parameters")
	}
	req := &bars.RespondRequest{}
	for item := range p.Get("parameter").Items() {
		resource := item.Get("resource")
		switch name := item.Get("name").Text(); {
		case name == "answer" && item.Get("valueCode").Exists():
			req.Answer = bars.Answer(item.Get("valueCode").Text())
		case name == "status" && item.Get("valueCode").Exists():
			req.Status = item.Get("valueCode").Text()
		case name == "reason" && item.Get("valueCodeableConcept").Exists():
			req.Reason = fhir.ObjectOf(item.Get("valueCodeableConcept"))
		case name == "resource" && resource.Exists():
			req.Entries = append(req.Entries, bars.Entry{FullURL: "urn:uuid:" + s.o.NewID(), Resource: resource.Resource()})
		default:
			return nil, fhir.NewOutcome(fhir.KindValue, item.Path(), "the parameters are answer and status (valueCode), reason (valueCodeableConcept) and resource")
		}
	}
	switch req.Answer {
	case bars.AnswerInterim, bars.AnswerFull, bars.AnswerRejected, bars.AnswerNotAttended, bars.AnswerStatus:
		return req, nil
	}
	return nil, fhir.NewOutcome(fhir.KindValue, "Parameters.parameter", "answer must be interim, full, rejected, not-attended or status")
}
