package barsapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// KindMessage is the outbox's name for messages of the standard.
const KindMessage = "bars-message"

// letter is the body of such a message in the outbox.
type letter struct {
	Correlation string          `json:"correlation"`
	From        nhs.ODSCode     `json:"from"`
	FromName    string          `json:"fromName,omitempty"`
	UseContext  string          `json:"useContext"`
	Bundle      json.RawMessage `json:"bundle"`
}

// Outbox is where the room puts the messages that it makes; the zero value is
// ready.
type Outbox struct{}

// Put makes the operation that writes a message, which belongs into the batch of
// the change that it tells of. The recipient is its target service.
func (Outbox) Put(o bars.Outgoing, created time.Time) (store.Op, error) {
	body, err := json.Marshal(letter{Correlation: o.Correlation, From: o.From, FromName: senderName(o.Bundle),
		UseContext: o.UseContext, Bundle: o.Bundle.JSON()})
	if err != nil {
		return nil, err
	}
	return outbox.Put(outbox.Message{ID: o.ID, Kind: KindMessage, Recipient: o.Target.String(),
		Focus: o.Focus, Order: o.Order, Created: created.UTC(), Body: body})
}

// senderName is the name of the Organization that the header calls the sender.
func senderName(bundle *fhir.Resource) string {
	sender := bundle.Get("entry").At(0).Dig("resource", "sender", "reference").Text()
	for item := range bundle.Get("entry").Items() {
		if sender != "" && item.Get("fullUrl").Text() == sender {
			return item.Dig("resource", "name").Text()
		}
	}
	return ""
}

// Sender delivers the outbox's messages of the standard. The client should make
// one attempt a call: the outbox repeats.
type Sender struct {
	Client *Client
	// Way finds a service that no route leads to; nil: such a service isn't found.
	Way func(ctx context.Context, target nhs.ServiceID) (bars.Way, error)
}

// SendPolicy bounds the attempts at one message: a proxy answers within 32 s, and
// answers that matter to a patient are tried for three days.
func SendPolicy() outbox.Policy {
	return outbox.Policy{Timeout: attemptTime + 5*time.Second, LongestWait: 30 * time.Minute, MaxAttempts: 160, MaxAge: 72 * time.Hour}
}

// Send makes one attempt. The message's id is its X-Request-Id, the same every
// time; what the receiver had already is delivered.
func (s *Sender) Send(ctx context.Context, m outbox.Message) outbox.Result {
	var l letter
	bundle, err := opened(m, &l, &l.Bundle)
	if err != nil {
		return result(err)
	}
	h := Headers{RequestID: m.ID, Correlation: l.Correlation, Target: nhs.ParseServiceID(m.Recipient),
		Organisation: l.From, OrganisationName: l.FromName, UseContext: l.UseContext}
	_, err = s.Client.Process(ctx, h, bundle)
	if errors.Is(err, ErrNoRoute) && s.Way != nil {
		way, wayErr := s.Way(ctx, h.Target)
		if wayErr != nil {
			return outbox.Result{Reason: "the directory of services can't be asked"}
		}
		if h.Base, wayErr = ParseBase(way.Address); wayErr == nil && way.Reach == bars.ReachBaRS {
			_, err = s.Client.Process(ctx, h, bundle)
		}
	}
	return result(err)
}

// errUnreadable: what is in the outbox isn't what was put there.
var errUnreadable = errors.New("the message can't be read")

// opened reads the body of a message in the outbox into body, whose member
// resource then holds a resource.
func opened(m outbox.Message, body any, resource *json.RawMessage) (*fhir.Resource, error) {
	if json.Unmarshal(m.Body, body) != nil {
		return nil, errUnreadable
	}
	r, err := fhir.Parse(*resource)
	if err != nil {
		return nil, errUnreadable
	}
	return r, nil
}

// result is what an error means for the outbox.
func result(err error) outbox.Result {
	if err == nil {
		return outbox.Result{Verdict: outbox.Delivered}
	}
	var f *Fault
	switch {
	case errors.Is(err, errUnreadable):
		return outbox.Result{Verdict: outbox.Dead, Reason: err.Error()}
	case errors.Is(err, ErrNoRoute): // an operator can add one
		return outbox.Result{Verdict: outbox.Again, Reason: err.Error()}
	case !errors.As(err, &f):
		return outbox.Result{Verdict: outbox.Again, Reason: "the message could not be sent"}
	case f.Again:
		return outbox.Result{Verdict: outbox.Again, After: f.After, Reason: f.Error()}
	}
	return outbox.Result{Verdict: outbox.Dead, Reason: f.Error()}
}

// ErrNoRoute: it isn't known where a service is reached.
var ErrNoRoute = errors.New("no route leads to this service")

// Routes say where services are reached: single ones at their own base, all
// others through the proxy, else where Rest says.
type Routes struct {
	proxy  string
	single map[nhs.ServiceID]string
	Rest   Router // nil: nowhere
}

// ParseRoutes reads the base URL of the proxy ("" for none) and routes written as
// service=URL, where a bare service is a DoS service id.
func ParseRoutes(proxy string, single map[string]string) (*Routes, error) {
	r := &Routes{single: map[nhs.ServiceID]string{}}
	var err error
	if proxy != "" {
		if r.proxy, err = ParseBase(proxy); err != nil {
			return nil, err
		}
	}
	for service, text := range single {
		id := nhs.ParseServiceID(strings.TrimSpace(service))
		if id.Value == "" {
			return nil, errors.New("a route needs a service id before =")
		}
		if r.single[id], err = ParseBase(text); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Route finds the way to a service.
func (r *Routes) Route(ctx context.Context, target nhs.ServiceID) (Route, error) {
	if base := r.single[target]; base != "" {
		return Route{Base: base}, nil
	}
	if r.proxy != "" {
		return Route{Base: r.proxy, Proxy: true}, nil
	}
	if r.Rest == nil {
		return Route{}, fmt.Errorf("%w: set the proxy, a route or the catalogue", ErrNoRoute)
	}
	return r.Rest.Route(ctx, target)
}

// Clear forgets what Rest has learned.
func (r *Routes) Clear() {
	if r.Rest != nil {
		r.Rest.Clear()
	}
}
