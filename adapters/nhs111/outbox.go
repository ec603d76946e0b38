package nhs111

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// OutboxKind is the kind of outbox messages that Sender sends.
const OutboxKind = "nhs111-soap"

// Routes are the SOAP doors of services whose referrals go there, by service id.
type Routes map[nhs.ServiceID]string

// ParseRoutes reads routes written as service=URL, where a bare service is a DoS
// service id.
func ParseRoutes(text map[string]string) (Routes, error) {
	routes := Routes{}
	for service, address := range text {
		id := nhs.ParseServiceID(strings.TrimSpace(service))
		if id.Value == "" {
			return nil, errors.New("a route needs a service id before =")
		}
		if !SafeAddress(address) {
			return nil, errors.New("the address of a SOAP door must be an absolute http or https URL without user and fragment")
		}
		routes[id] = address
	}
	return routes, nil
}

// SafeAddress says whether an address may be posted to at all.
func SafeAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.Fragment == ""
}

// Forwarder writes BaRS referrals as 111 reports and puts them into the outbox:
// the room's bars.Forwarder.
type Forwarder struct {
	Client *Client
	Routes Routes
	// Deaf are services whose receivers take no nullifications.
	Deaf map[nhs.ServiceID]bool
}

var _ bars.Forwarder = (*Forwarder)(nil)

// Routed says that a service has a route.
func (f *Forwarder) Routed(target nhs.ServiceID) bool { return f.Routes[target] != "" }

// Forward composes a referral and makes the operation that queues it. Versions of
// one referral are delivered in order.
func (f *Forwarder) Forward(o bars.Forwarding) (*bars.Forwarded, error) {
	out, err := f.Client.Compose(o.Bundle, Revision{Set: o.Set, Number: o.Version})
	if err != nil {
		return nil, err
	}
	return forwarded(out, o)
}

// Withdraws says that nobody has told us that the receiver takes no
// nullifications.
func (f *Forwarder) Withdraws(target nhs.ServiceID) bool { return !f.Deaf[target] }

// Withdraw composes the nullification of a referral and makes the operation that
// queues it, behind the referral.
func (f *Forwarder) Withdraw(o bars.Forwarding) (*bars.Forwarded, error) {
	out, err := f.Client.Withdraw(o.Bundle, Revision{Set: o.Set, Number: o.Version}, o.Created)
	if err != nil {
		return nil, err
	}
	return forwarded(out, o)
}

func forwarded(out *Outgoing, o bars.Forwarding) (*bars.Forwarded, error) {
	out.Address, out.Note = o.Address, o.Note.String()
	m, err := out.Queued(o.Target.String(), o.Focus, o.Order, o.Created)
	if err != nil {
		return nil, err
	}
	op, err := outbox.Put(m)
	if err != nil {
		return nil, err
	}
	return &bars.Forwarded{ID: out.MessageID, Set: out.set, Op: op, Lost: out.lost}, nil
}

// Queued is the outbox message of a composed one; order is the version of the
// focus that it tells of.
func (o *Outgoing) Queued(recipient string, focus store.Ref, order int64, now time.Time) (outbox.Message, error) {
	body, err := json.Marshal(o)
	return outbox.Message{ID: o.MessageID, Kind: OutboxKind, Recipient: recipient, Focus: focus, Order: order, Created: now.UTC(), Body: body}, err
}

// Sender delivers composed messages from the outbox: again under the same ids
// until the receiver has taken one or says that it never will.
type Sender struct {
	Client *Client
	Routes Routes
	// Note tells the room what became of a message; nil: nobody is told.
	Note func(ctx context.Context, note string, delivered bool, reason string) error
}

// SendPolicy bounds the attempts at one message: a referral that waits is tried
// for three days, in the end every half hour.
func SendPolicy() outbox.Policy {
	return outbox.Policy{Timeout: defaultWait + 5*time.Second, LongestWait: 30 * time.Minute, MaxAttempts: 160, MaxAge: 72 * time.Hour}
}

// nullifyPatience bounds how long a nullification is sent again that the receiver
// answers by its internal error: the national adaptor answers each so, and somebody
// has to telephone.
const nullifyPatience = time.Hour

// Send makes one attempt. A route goes before the address that the message came
// with, so that an operator can mend it.
func (s *Sender) Send(ctx context.Context, m outbox.Message) outbox.Result {
	var out Outgoing
	if err := json.Unmarshal(m.Body, &out); err != nil {
		return outbox.Result{Verdict: outbox.Dead, Reason: "the message can't be read"}
	}
	result := s.attempt(ctx, m, &out)
	ended := result.Verdict == outbox.Dead || result.Verdict == outbox.Again && m.Last
	if s.Note == nil || out.Note == "" || result.Verdict == outbox.Again && !ended {
		return result
	}
	if err := s.Note(ctx, out.Note, !ended, result.Reason); err != nil && !(ended && m.Last) {
		return outbox.Result{Reason: orElse(result.Reason, "taken") + ", but that can't be noted yet"} // the same ids again do no harm
	}
	return result
}

func (s *Sender) attempt(ctx context.Context, m outbox.Message, out *Outgoing) outbox.Result {
	endpoint := orElse(s.Routes[nhs.ParseServiceID(m.Recipient)], out.Address)
	if endpoint == "" { // an operator can add one
		return outbox.Result{Reason: "the recipient has no address for NHS 111 SOAP: set a route"}
	}
	err := s.Client.Send(ctx, endpoint, out)
	if err == nil {
		return outbox.Result{Verdict: outbox.Delivered}
	}
	result := outbox.Result{Reason: "the message couldn't be sent"}
	var refused *Refused
	if !errors.As(err, &refused) {
		return result
	}
	switch {
	case refused.Status == 0:
		result.Reason = "no answer"
	case refused.Code == "":
		result.Reason = fmt.Sprintf("HTTP %d", refused.Status)
	default:
		result.Reason = fmt.Sprintf("HTTP %d, ITK error %s", refused.Status, refused.Code)
	}
	result.After = refused.After
	if !refused.Temporary {
		result.Verdict = outbox.Dead
	}
	if out.Nullifies && refused.Code == strconv.Itoa(codeInternal) && s.Client.now().Sub(m.Created) >= nullifyPatience {
		result.Verdict = outbox.Dead
		result.Reason += ": it seems to take no nullifications, tell it by telephone"
	}
	return result
}
