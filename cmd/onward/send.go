package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"

	"github.com/onward-health/onward/adapters/barsapi"
	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// maxMessageFile bounds the file of a message, in bytes.
const maxMessageFile = 5 << 20

// sendCommand sends one message to any receiver, after content negotiation. It
// keeps nothing: a referral whose answers should be kept goes through a server's
// $send-message.
type sendCommand struct {
	configFile `embed:""`

	To      string      `help:"FHIR base of the receiver; else --proxy, --catalogue or --soap."`
	SOAP    string      `name:"soap" help:"Address of the NHS 111 SOAP door of a receiver that has no other; the referral is sent as a 111 report."`
	Via     barsSending `embed:"" prefix:""`
	Report  reportFlags `embed:"" prefix:"soap-"`
	Service string      `required:"" help:"The target service: its DoS service id, or system|value."`
	File    string      `arg:"" help:"The message, a Bundle in JSON."`
	Explain bool        `help:"Print what the receiver says of a refusal, which may hold what the message holds."`
	DryRun  bool        `name:"dry-run" help:"Negotiate, show what would be sent, and send nothing."`

	RequestID   string `name:"request-id" help:"X-Request-Id, to send a message again; default a new one."`
	Correlation string `name:"correlation-id" help:"X-Correlation-Id of the case; default a new one."`
}

// Run sends the message.
func (c *sendCommand) Run() error {
	facts, bundle, err := c.read()
	if err != nil {
		return err
	}
	if c.SOAP != "" {
		return c.sendReport(bundle, facts)
	}
	client, err := c.client(facts.Destination)
	if err != nil {
		return err
	}
	headers := barsapi.Headers{RequestID: c.RequestID, Correlation: c.Correlation, Target: facts.Destination,
		Organisation: facts.Sender, OrganisationName: facts.SenderName, UseContext: facts.UseContext()}
	for _, id := range []*string{&headers.RequestID, &headers.Correlation} {
		if *id == "" {
			*id = uuid.NewString()
		} else if !fhir.ValidUUID(*id) {
			return usage("--request-id and --correlation-id must be UUIDs")
		}
	}
	ctx, stop := untilStopped()
	defer stop()
	fmt.Printf("Message        %s, %s, use case %s, version %s\n", facts.Event, facts.Reason, facts.UseCase, facts.Version)
	fmt.Printf("From           %s\nTo             %s\n", facts.Sender, facts.Destination)
	offer, err := client.Negotiate(ctx, headers, facts)
	if err != nil {
		return c.notSent("the receiver was asked what it takes", err)
	}
	fmt.Printf("Receiver       BaRS Core %s, takes this message in version %s\n", offer.Core, offer.Version)
	fmt.Printf("Ids            X-Request-Id %s, X-Correlation-Id %s\n", headers.RequestID, headers.Correlation)
	if c.DryRun {
		c.show(bundle, headers)
		return nil
	}
	reply, err := client.Process(ctx, headers, bundle)
	if err != nil {
		return c.notSent("to send it again, use the same two ids", err)
	}
	say(os.Stdout, reply)
	return nil
}

func (c *sendCommand) read() (*bars.Facts, *fhir.Resource, error) {
	file, err := os.Open(c.File)
	if err != nil {
		return nil, nil, usage("the file can't be read: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxMessageFile+1))
	if err != nil || len(text) > maxMessageFile {
		return nil, nil, usage("the file can't be read, or is larger than 5 MiB")
	}
	bundle, err := fhir.Parse(text)
	if err != nil {
		return nil, nil, usage("the file holds no FHIR JSON: %w", err)
	}
	facts, err := bars.Describe(bundle)
	if err != nil {
		return nil, nil, usage("the message: %w", err)
	}
	if facts.Destination != nhs.ParseServiceID(c.Service) {
		return nil, nil, usage("--service is another service than the message's destination.endpoint")
	}
	return facts, bundle, nil
}

func (c *sendCommand) client(target nhs.ServiceID) (*barsapi.Client, error) {
	if c.To == "" && c.Via.Proxy == "" && c.Via.Catalogue == "" {
		return nil, usage("say where: --to URL of the receiver, --proxy URL, --catalogue URL or --soap URL")
	}
	if c.To != "" {
		c.Via.Route = map[string]string{target.String(): c.To}
	}
	calls, err := c.Via.client()
	return calls.patient, err
}

// notSent is a failure in words: its exit code says whether the same may succeed
// later.
func (c *sendCommand) notSent(what string, err error) error {
	code := exitRefused
	var f *barsapi.Fault
	if errors.As(err, &f) {
		if f.Again {
			code = exitLater
		}
		if c.Explain {
			for _, text := range f.Said() {
				fmt.Printf("Receiver says  %s\n", text)
			}
		}
	}
	var refused *nhs111.Refused
	if errors.As(err, &refused) && refused.Temporary {
		code = exitLater
	}
	return &exitError{code, fmt.Errorf("not delivered: %w (%s)", err, what)}
}

// show prints what would be sent: its shape, never its content.
func (c *sendCommand) show(bundle *fhir.Resource, h barsapi.Headers) {
	fmt.Printf("Would send     POST $process-message, %d bytes, use-context %s\n", len(bundle.JSON()), h.UseContext)
	for item := range bundle.Get("entry").Items() {
		fmt.Printf("               %s\n", item.Dig("resource", "resourceType").Text())
	}
}

// say prints an answer in words: the ids that the receiver gave, and the case
// reference that the user is to be shown.
func say(w io.Writer, reply *barsapi.Reply) {
	if reply.Duplicate {
		fmt.Fprintln(w, "Delivered      earlier: the receiver has had this very message")
		return
	}
	fmt.Fprintf(w, "Delivered      at attempt %d\n", reply.Attempts)
	for item := range reply.Resource.Get("entry").Items() {
		r := item.Get("resource")
		switch typ := r.Get("resourceType").Text(); typ {
		case "ServiceRequest", "Appointment":
			fmt.Fprintf(w, "               %s/%s is %s\n", typ, r.Get("id").Text(), r.Get("status").Text())
		case "Encounter":
			if r.Get("status").Text() == "planned" {
				fmt.Fprintf(w, "               Encounter/%s is planned, case reference %s\n", r.Get("id").Text(), r.Get("identifier").At(0).Get("value").Text())
			}
		}
	}
}
