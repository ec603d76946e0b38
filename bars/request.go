package bars

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Caller says who asks and by which door. It is written to every version that
// the request makes.
type Caller struct {
	Door             string // "fhir", "bars", "nhs111"
	Organisation     nhs.ODSCode
	OrganisationName string
	Software         string // the requesting product's identifier
	SoftwareSystem   string // that identifier's system
	SoftwareName     string
	SoftwareVersion  string
	Practitioner     string        // the requesting person's role profile id
	User             string        // the same person's SDS user id
	Role             string        // the requesting person's role, a SNOMED code
	Target           nhs.ServiceID // the service that the transport named
	RequestID        string
	Correlation      string
}

// Key makes a write happen once (design D14). Values are the door's own keys:
// BaRS has one (both transaction ids), SOAP two (MessageID and trackingid).
type Key struct {
	Door   string
	Sender string
	Target string
	Values []string
}

// Mode is how strictly a service holds a sender to the standard.
type Mode uint8

// The modes. Strict is the default (design D7).
const (
	Strict Mode = iota
	Lenient
)

// MessageRequest asks the Desk to carry out one BaRS message, whichever door it
// came through.
type MessageRequest struct {
	Caller Caller
	Key    Key
	// Target is the service that the transport named (NHSD-Target-Identifier,
	// the ITK address list). The message's own destination must equal it; zero
	// where the transport names none.
	Target nhs.ServiceID
	// Bundle is the message, R4 JSON.
	Bundle *fhir.Resource
	// Body is what the idempotency hash is computed over: the bytes as received.
	Body []byte
	// Attached are resources that the message's definition doesn't know but that
	// must be stored with it, such as the original 111 report. Their references
	// may name entries of the bundle by fullUrl, and the other way round.
	Attached []Entry
	// Document is the clinical document that the message was made of; nil where
	// there is none. A version of one that the service has a referral for updates
	// that referral.
	Document *Document
	// Mode overrides the service's mode where the door has one of its own.
	Mode Mode
	// Translated says that the door wrote the FHIR itself, from another format.
	// What is wrong with it as FHIR R4 is then a warning: the sender can't mend
	// it, and the referral must not be lost for it.
	Translated bool
	// Also are operations that become true with the request, such as messages to
	// be sent (design D18 and D30).
	Also []store.Op
	// Recall keeps which records the request wrote, so that Taken finds them.
	Recall bool
}

// Entry is a resource with its bundle-local name.
type Entry struct {
	FullURL  string // "urn:uuid:…"
	Resource *fhir.Resource
}

// MessageResult is what the Desk did with a message.
type MessageResult struct {
	// Bundle is the synchronous answer: the message with the ids that we
	// allocated (BaRS Core 1.5, processing requests). Nil on a replay.
	Bundle *fhir.Resource
	// Focus is the record that the message was about.
	Focus store.Ref
	// Stored lists the records that were written, the focus first.
	Stored []store.Version
	// Replay is set where the same key with the same body had been carried out
	// before; nothing was written now.
	Replay *store.Replay
	// Known is set where the request had no effect because its Document was taken
	// before under another key.
	Known bool
	// Warnings are rules that were broken and let pass: in lenient mode, or in
	// what a door translated.
	Warnings []fhir.Issue
	// Forwarded is the id under which the referral was put into the outbox for a
	// receiver of another format; "" where it wasn't.
	Forwarded string
}

// AttachRequest asks the Desk to store documents that ask nobody to act (a copy
// of a 111 report for information).
type AttachRequest struct {
	Caller  Caller
	Key     Key
	Target  nhs.ServiceID
	Body    []byte
	Entries []Entry
	// Document, Translated, Also and Recall are as in a MessageRequest.
	Document   *Document
	Translated bool
	Also       []store.Op
	Recall     bool
}

type callerKey struct{}

// WithCaller puts the caller into the context, for the FHIR REST backend.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the context's caller; the zero Caller where none was put.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Clock tells the time; tests set it.
type Clock func() time.Time
