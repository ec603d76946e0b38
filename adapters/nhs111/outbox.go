package nhs111

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// OutboxKind is the kind of outbox messages that Sender sends.
const OutboxKind = "nhs111-soap"

// Sender delivers composed messages from the outbox: again under the same ids
// until the receiver has taken one or says that it never will.
type Sender struct {
	Client *Client
	// Endpoint is the address of a recipient, "" where it has none (any more).
	Endpoint func(recipient string) string
}

// Queued is the outbox message of a composed one; order is the version of the
// focus that it tells of.
func (o *Outgoing) Queued(recipient string, focus store.Ref, order int64, now time.Time) (outbox.Message, error) {
	body, err := json.Marshal(o)
	return outbox.Message{ID: o.MessageID, Kind: OutboxKind, Recipient: recipient, Focus: focus, Order: order, Created: now, Body: body}, err
}

// Send makes one attempt.
func (s *Sender) Send(ctx context.Context, m outbox.Message) outbox.Result {
	var out Outgoing
	if err := json.Unmarshal(m.Body, &out); err != nil {
		return outbox.Result{Verdict: outbox.Dead, Reason: "the message can't be read"}
	}
	endpoint := s.Endpoint(m.Recipient)
	if endpoint == "" {
		return outbox.Result{Verdict: outbox.Dead, Reason: "the recipient has no address for NHS 111 SOAP"}
	}
	err := s.Client.Send(ctx, endpoint, &out)
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
	return result
}
