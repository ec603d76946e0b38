package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/onward-health/onward/conformance/tester"
)

// conformCommand tests a server from outside; docs/conform.md explains it.
type conformCommand struct {
	URL          string   `arg:"" help:"Base URL of the receiver, such as https://receiver.example/FHIR/R4."`
	FHIR         bool     `name:"fhir" help:"Run the scripts of FHIR's REST API instead of the standard's cases."`
	Service      string   `default:"2000072489" help:"Id of the target service."`
	System       string   `default:"https://fhir.nhs.uk/Id/dos-service-id" help:"System of the service's id."`
	Organisation string   `default:"A1001" help:"ODS code of the sender that the tester plays."`
	Receiver     string   `default:"B2002" help:"ODS code of the organisation that provides the service."`
	Stranger     string   `default:"C3003" help:"ODS code of an organisation that may not see what the sender books."`
	Token        string   `env:"ONWARD_CONFORM_TOKEN" help:"Bearer token; better given by the environment or a file."`
	TokenFile    string   `name:"token-file" help:"File that holds the bearer token."`
	UseCase      []string `name:"use-case" help:"Use cases to test, such as a1t2; default those that the service's MessageDefinitions name."`
	Slots        string   `enum:"yes,no" default:"yes" help:"Whether Slots may be searched and booked."`
	Only         []string `help:"Run only the cases whose ids begin so, such as booking/."`
	JSON         string   `name:"json" help:"Write the report as JSON to this file."`
	JUnit        string   `name:"junit" help:"Write the report as JUnit XML to this file."`
	HTML         string   `name:"html" help:"Write the report as a page to this file."`
}

// Run tests; exit 0 all pass, 1 some fail, 2 usage, 3 not reachable.
func (c *conformCommand) Run() error {
	options, err := c.options()
	if err != nil {
		return err
	}
	ctx, stop := untilStopped()
	defer stop()
	run := tester.Run
	if c.FHIR {
		run = tester.RunFHIR
	}
	report, err := run(ctx, options)
	if errors.Is(err, tester.ErrNotReachable) {
		return &exitError{exitUnreachable, err}
	}
	if report == nil {
		return err
	}
	if err = errors.Join(err, report.Text(os.Stdout), writeTo(c.JSON, report.JSON), writeTo(c.JUnit, report.JUnit), writeTo(c.HTML, report.HTML)); err != nil {
		return err
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d cases failed", report.Failed)
	}
	if report.Passed == 0 {
		return usage("no case was run; --only must begin as a case's id does")
	}
	return nil
}

func (c *conformCommand) options() (tester.Options, error) {
	o := tester.Options{Base: c.URL, Service: c.Service, System: c.System, Organisation: c.Organisation, Receiver: c.Receiver,
		Stranger: c.Stranger, Token: c.Token, UseCases: c.UseCase, NoSlots: c.Slots == "no", Only: c.Only}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return o, usage("URL must be an absolute http or https URL without user, query and fragment")
	}
	for _, code := range c.UseCase {
		if !tester.ValidUseCase(code) {
			return o, usage("--use-case must be like a1t2")
		}
	}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return o, usage("--token-file can't be read")
		}
		o.Token = strings.TrimSpace(string(token))
	}
	return o, nil
}

// writeTo writes a report to a file, if one is named.
func writeTo(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
