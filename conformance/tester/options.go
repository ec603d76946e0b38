package tester

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/internal/wait"
)

// Options say what is tested and as whom. Base has no default.
type Options struct {
	// Base is the receiver's base URL, such as https://receiver.example/FHIR/R4.
	Base string
	// Service is the target service's id, System its system.
	Service, System string
	// Organisation is the ODS code of the sender that the tester plays, Receiver
	// that of the organisation which provides the service.
	Organisation, Receiver string
	// Stranger is the ODS code of an organisation that may not see what
	// Organisation books.
	Stranger string
	// Token is sent as a bearer token, where there is one.
	Token string
	// UseCases limits the use cases; none: those of the MessageDefinitions.
	UseCases []string
	// NoSlots says not to book, whatever the receiver claims.
	NoSlots bool
	// Only limits the cases to those whose ids begin with one of these.
	Only []string

	Transport http.RoundTripper // default http.DefaultTransport
	Now       func() time.Time  // default time.Now
	NewID     func() string     // default random UUIDs
	// Pause waits where the receiver says that its limit is reached; default a timer.
	Pause func(context.Context, time.Duration) error
}

func (o Options) withDefaults() Options {
	set := func(at *string, value string) {
		if *at == "" {
			*at = value
		}
	}
	set(&o.System, "https://fhir.nhs.uk/Id/dos-service-id")
	set(&o.Organisation, "A1001")
	set(&o.Receiver, "B2002")
	set(&o.Stranger, "C3003")
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Pause == nil {
		o.Pause = wait.For
	}
	return o
}
