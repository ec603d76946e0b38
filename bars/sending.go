package bars

import (
	"context"
	"net/url"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// kindSending marks a request that is on its way to another system. An answer
// that overtakes our own record of the request, or that comes after a crash
// between the two, is then told to come again instead of that it answers nothing,
// which would end it.
const kindSending = "sending"

// sendingLife is how long such a mark stands: as long as a sender repeats.
const sendingLife = 72 * time.Hour

func sendingKey(bundle, request string) string {
	return url.PathEscape(bundle) + "|" + url.PathEscape(request)
}

// Sending notes that the message with this Bundle.id is about to be sent under
// this X-Request-Id. Sent ends that, and NotSent.
func (d *Desk) Sending(ctx context.Context, bundle, request string) error {
	return d.mark(ctx, store.AuxPut{Kind: kindSending, Key: sendingKey(bundle, request), Value: []byte("{}"), Expires: d.now().Add(sendingLife)})
}

// NotSent notes that the message was refused for good.
func (d *Desk) NotSent(ctx context.Context, bundle, request string) error {
	return d.mark(ctx, sendingEnds(bundle, request))
}

func sendingEnds(bundle, request string) store.Op {
	return store.AuxDelete{Kind: kindSending, Key: sendingKey(bundle, request)}
}

// Tell puts messages for others into the outbox by themselves, such as what a
// sender asked to be told of a request that was refused: nothing else of it is kept.
func (d *Desk) Tell(ctx context.Context, messages []store.Op) error {
	if len(messages) == 0 {
		return nil
	}
	if _, err := d.store.Commit(ctx, &store.Batch{Ops: messages}); err != nil {
		return d.outcome(err)
	}
	return nil
}

func (d *Desk) mark(ctx context.Context, op store.Op) error {
	if _, err := d.store.Commit(ctx, &store.Batch{Ops: []store.Op{op}}); err != nil {
		return d.outcome(err)
	}
	return nil
}

// unknownRequest is the error for a response to a request that isn't kept here.
func (d *Desk) unknownRequest(ctx context.Context, at, bundle string) error {
	sending, err := d.store.AuxScan(ctx, kindSending, url.PathEscape(bundle)+"|", "", 1)
	if err != nil {
		return err
	}
	if len(sending) > 0 {
		return fhir.NewOutcome(fhir.KindUnavailable, at, "the request that this answers is still being sent; try again").After(time.Second)
	}
	return fhir.NewOutcome(fhir.KindNotFound, at, "response.identifier names no request that this system knows")
}
