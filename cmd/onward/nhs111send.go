package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// nhs111Sending holds the flags of sending by SOAP; docs/operations.md explains
// each.
type nhs111Sending struct {
	Route           map[string]string `env:"ONWARD_NHS111_ROUTE" help:"Services whose referrals go by NHS 111 SOAP: service=URL of the SOAP door, separated by semicolons."`
	NoNullification []string          `env:"ONWARD_NHS111_NO_NULLIFICATION" name:"no-nullification" help:"Services whose SOAP door takes no nullifications: a referral to one can't be cancelled here."`
	reportFlags     `embed:""`
}

// reportFlags say in whose name reports are sent and how we show who we are.
type reportFlags struct {
	Sender   string `env:"ONWARD_NHS111_SENDER" help:"ODS code of the organisation in whose name reports are sent; default the sender of each referral."`
	SendCert string `env:"ONWARD_NHS111_SEND_CERT" name:"send-cert" help:"PEM file of the certificate that we show to SOAP doors."`
	SendKey  string `env:"ONWARD_NHS111_SEND_KEY" name:"send-key" help:"PEM file of its key."`
	SendCA   string `env:"ONWARD_NHS111_SEND_CA" name:"send-ca" help:"PEM file of the authorities of SOAP doors' certificates; default the system's."`
}

// soapSending is what sends reports.
type soapSending struct {
	forwarder *nhs111.Forwarder
	sender    *nhs111.Sender
}

// sending wires it. direct are the services that are reached by BaRS: one can't
// be both.
func (n *nhs111Sending) sending(direct map[string]string) (*soapSending, error) {
	routes, err := nhs111.ParseRoutes(n.Route)
	if err != nil {
		return nil, usage("--nhs111-route: %w", err)
	}
	for service := range direct {
		if routes[nhs.ParseServiceID(strings.TrimSpace(service))] != "" {
			return nil, usage("--nhs111-route and --bars-route both name one service")
		}
	}
	client, err := n.client()
	if err != nil {
		return nil, err
	}
	deaf := map[nhs.ServiceID]bool{}
	for _, service := range n.NoNullification {
		id := nhs.ParseServiceID(strings.TrimSpace(service))
		if id.Value == "" {
			return nil, usage("--nhs111-no-nullification must list service ids")
		}
		deaf[id] = true
	}
	return &soapSending{forwarder: &nhs111.Forwarder{Client: client, Routes: routes, Deaf: deaf}, sender: &nhs111.Sender{Client: client, Routes: routes}}, nil
}

func (n *reportFlags) client() (*nhs111.Client, error) {
	client := &nhs111.Client{}
	if n.Sender != "" {
		code, ok := nhs.ParseODSCode(n.Sender)
		if !ok {
			return nil, usage("--nhs111-sender must be an ODS code")
		}
		client.Sender = code
	}
	config, err := clientTLS("--nhs111-send", n.SendCert, n.SendKey, n.SendCA)
	if err != nil {
		return nil, err
	}
	client.HTTP = &http.Client{Timeout: 30 * time.Second, Transport: directly(config)}
	return client, nil
}

// sendReport sends a referral as a 111 report or ambulance request, once, and keeps nothing.
func (c *sendCommand) sendReport(bundle *fhir.Resource, facts *bars.Facts) error {
	if !nhs111.SafeAddress(c.SOAP) {
		return usage("--soap must be an absolute http or https URL without user and fragment")
	}
	if facts.Event != bars.EventReferral || facts.Reason != bars.ReasonNew {
		return usage("only a new referral can be sent as a 111 report")
	}
	client, err := c.Report.client()
	if err != nil {
		return err
	}
	report, err := client.Compose(bundle, nhs111.Revision{Number: 1})
	if err != nil {
		return usage("the message: %w", err)
	}
	fmt.Printf("Message        %s, %s, as %s\nFrom           %s\nTo             %s\nIds            MessageID %s\n",
		facts.Event, facts.Reason, report.Form(), report.Sender, facts.Destination, report.MessageID)
	for _, lost := range report.Lost() {
		fmt.Printf("Not in it      %s: %s\n", lost.Expression, lost.Diagnostics)
	}
	if c.DryRun {
		fmt.Printf("Would send     %d bytes\n", len(client.SOAP(c.SOAP, report)))
		return nil
	}
	ctx, stop := untilStopped()
	defer stop()
	if err := client.Send(ctx, c.SOAP, report); err != nil {
		return c.notSent("the same file again is the same message", err)
	}
	fmt.Println("Delivered      and taken")
	return nil
}
