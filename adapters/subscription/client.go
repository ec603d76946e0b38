package subscription

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// Kind is the kind of message in the outbox. Its recipient is the Subscription's
// id, its focus and order the version to tell of. It has no body: the version is
// read when it is sent, so that the outbox holds no patient data.
const Kind = "subscription"

// Together is how many notifications may be under way at once to endpoints that
// are quick, and to those that aren't. Each may take Policy's Timeout where its
// endpoint doesn't answer.
const Together = 64

// maxAnswer is how much of an answer is read, to keep the connection.
const maxAnswer = 64 << 10

// Client sends notifications: the outbox's Sender of this kind.
type Client struct {
	Desk *bars.Desk
	HTTP *http.Client // egress.Policy.Client
	Now  func() time.Time
	Log  *slog.Logger
}

var _ outbox.Sender = (*Client)(nil)

// Policy bounds the attempts at one notification: 12 in about three quarters of
// an hour, then the Subscription goes to status error.
func Policy() outbox.Policy {
	return outbox.Policy{Timeout: 20 * time.Second, MaxAttempts: 12, LongestWait: 15 * time.Minute, MaxAge: 24 * time.Hour}
}

// Send delivers one notification. Any 2xx answer takes it; 410 says that the
// endpoint wants no more.
func (c *Client) Send(ctx context.Context, m outbox.Message) outbox.Result {
	channel, err := c.Desk.Channel(ctx, m.Recipient)
	if err != nil {
		return c.fault(err)
	}
	switch {
	case channel == nil || channel.Status == "off":
		return outbox.Result{Verdict: outbox.Discarded}
	case channel.Status != "active":
		return outbox.Result{Verdict: outbox.Dead, Reason: "the Subscription is in error"}
	}
	rec, err := c.Desk.Notified(ctx, m.Focus, m.Order)
	if errors.Is(err, store.ErrDamaged) {
		return outbox.Result{Verdict: outbox.Dead, Reason: "the version can't be read"}
	}
	if err != nil {
		return c.fault(err)
	}
	if rec == nil {
		return outbox.Result{Verdict: outbox.Discarded} // purged
	}
	req, err := notification(channel, rec, m.ID, c.Now())
	if err != nil {
		// This one resource can't be written in XML; others can.
		return outbox.Result{Verdict: outbox.Dead, Reason: "the resource can't be written as the payload asked for"}
	}
	result := outbox.Result{Verdict: outbox.Dead, Reason: refused}
	if channel.Refused == nil { // what an operator allowed when it was written may not be now
		result = c.call(req.WithContext(ctx))
	}
	if result.Verdict == outbox.Dead || (result.Verdict == outbox.Again && m.Last) {
		if err := c.Desk.StopSubscription(ctx, m.Recipient, channel.Version, "error", "Notifications stopped: "+result.Reason); err != nil {
			return c.fault(err)
		}
		c.Log.Warn("a Subscription went to status error", "id", m.Recipient, "reason", result.Reason)
	}
	return result
}

// fault is a failure on our side.
func (c *Client) fault(err error) outbox.Result {
	c.Log.Warn("a notification could not be made", "error", err)
	return outbox.Result{Reason: "the store could not be read"}
}

var refused = "the endpoint's address may not be called: " + egress.ErrRefused.Error()

func (c *Client) call(req *http.Request) outbox.Result {
	res, err := c.HTTP.Do(req)
	switch {
	case errors.Is(err, egress.ErrRefused):
		return outbox.Result{Verdict: outbox.Dead, Reason: refused}
	case errors.Is(err, context.DeadlineExceeded):
		return outbox.Result{Reason: "the endpoint did not answer in time"}
	case err != nil:
		return outbox.Result{Reason: "the endpoint can't be reached"}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	reason := "the endpoint answered with status " + strconv.Itoa(res.StatusCode)
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return outbox.Result{Verdict: outbox.Delivered}
	case res.StatusCode == http.StatusGone:
		return outbox.Result{Verdict: outbox.Dead, Reason: reason}
	}
	return outbox.Result{After: outbox.RetryAfter(res.Header, c.Now()), Reason: reason}
}

// message is the notification of a version to a Subscription. Its id is the same
// whenever it is made, so that a version which the feed tells of twice is one
// message. Its age counts from now: how long the feed stood still is no fault of
// the endpoint.
func message(s *bars.Subscription, rec *store.Record, now time.Time) outbox.Message {
	return outbox.Message{
		ID:   messageID(s.ID, rec),
		Kind: Kind, Recipient: s.ID, Focus: rec.Ref(), Order: rec.Version, Created: now.UTC(),
	}
}

// space is the name space of notification ids.
var space = uuid.MustParse("8f3b5a4e-7c56-4a0f-9a55-0d7c2f4b1d60")

// messageID tells two records apart that had one id, the first of which was purged.
func messageID(subscription string, rec *store.Record) string {
	version := strconv.FormatInt(rec.Version, 10) + "|" + strconv.FormatInt(rec.LastUpdated.UnixMilli(), 10)
	return uuid.NewSHA1(space, []byte(subscription+"|"+rec.Ref().String()+"|"+version)).String()
}
