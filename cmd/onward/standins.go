package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/onward-health/onward/adapters/barsapi"
	barssandbox "github.com/onward-health/onward/adapters/barsapi/sandbox"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/conformance/testtool"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// maxRegistration bounds an application's file in bytes.
const maxRegistration = 256 << 10

// sandboxSettings are the applications and routes of the stand-ins.
type sandboxSettings struct {
	applications []*barssandbox.Application
	routes       map[nhs.ServiceID]*url.URL
}

func (c *serveCommand) sandboxSettings() (sandboxSettings, error) {
	set := sandboxSettings{routes: map[nhs.ServiceID]*url.URL{}}
	if !c.sandbox() && len(c.SandboxApplication)+len(c.SandboxRoute) > 0 {
		return set, usage("--sandbox-application and --sandbox-route need the sandbox")
	}
	for _, name := range c.SandboxApplication {
		a, err := readApplication(name)
		if err != nil {
			return set, usage("--sandbox-application: %s: %v", name, err)
		}
		set.applications = append(set.applications, a)
	}
	for name, base := range c.SandboxRoute {
		target, address, err := parseRoute(name, base)
		if err != nil {
			return set, usage("--sandbox-route: %v", err)
		}
		set.routes[target] = address
	}
	return set, nil
}

// standIns wires the stand-ins of the national BaRS services; nil where the
// sandbox is off.
func (c *serveCommand) standIns(db store.Store, root string, set sandboxSettings, log *slog.Logger) (*barssandbox.Sandbox, error) {
	if !c.sandbox() {
		return nil, nil
	}
	// Whoever can reach the sandbox is on this machine already, so the proxy may
	// call it; beyond that it reaches what anybody may and what the operator names.
	reachable := []string{"localhost", "127.0.0.0/8", "::1"}
	routes := sampleRoutes(root)
	for target, address := range set.routes {
		routes[target] = address.String()
		reachable = append(reachable, hostPort(address))
	}
	reach, err := egress.Parse(reachable)
	if err != nil {
		return nil, err
	}
	client := reach.Client(0) // the proxy bounds each call itself
	return barssandbox.New(barssandbox.Options{
		Store: db, Root: root, Version: version, Applications: set.applications, Routes: routes,
		Allowed: reach.Check, Client: client, MaxBody: c.fhirBody(), Log: log,
	}), nil
}

func readApplication(name string) (*barssandbox.Application, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, errors.New("the file can't be read")
	}
	if info.Size() > maxRegistration {
		return nil, errors.New("the file is too large")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, errors.New("the file can't be read")
	}
	return barssandbox.ParseApplication(text)
}

// sampleRoutes are the targets that the sandbox hosts itself: the sample services
// here, the targets of tests at the test tool's stand-in.
func sampleRoutes(root string) map[nhs.ServiceID]string {
	routes := map[nhs.ServiceID]string{}
	for _, id := range []string{sandbox.UrgentTreatment, sandbox.NoSlots, sandbox.EmergencyCare, sandbox.Minimal} {
		routes[nhs.ServiceID{System: nhs.SystemDoS, Value: id}] = root + fhirPath
	}
	for _, value := range testtool.Targets() {
		routes[nhs.ServiceID{System: testtool.System, Value: value}] = root + testtool.Path
	}
	return routes
}

// toolSender sends the responses of the test tool to where the proxy routes their
// targets, as the proxy would: the sender under test needs no token for it.
func toolSender(national *barssandbox.Sandbox) func(context.Context, *testtool.Response) error {
	client := barsapi.NewClient(barsapi.ClientOptions{Router: sandboxRoutes{national}, HTTP: national.Client(), Software: product()})
	return func(ctx context.Context, r *testtool.Response) error {
		_, err := client.Process(ctx, barsapi.Headers{Correlation: r.Correlation, Target: r.Target, Organisation: r.From,
			OrganisationName: r.FromName, UseContext: r.UseContext}, r.Bundle)
		return err
	}
}

// sandboxRoutes are the routes of the proxy's stand-in.
type sandboxRoutes struct{ national *barssandbox.Sandbox }

// Route finds a target's receiver.
func (s sandboxRoutes) Route(ctx context.Context, target nhs.ServiceID) (barsapi.Route, error) {
	base, err := s.national.Route(ctx, target)
	return barsapi.Route{Base: strings.TrimSuffix(base, "/")}, err
}

// Clear does nothing: nothing is remembered.
func (sandboxRoutes) Clear() {}

// parseRoute reads a target, system|value or a bare DoS service id, and where it
// is.
func parseRoute(name, address string) (nhs.ServiceID, *url.URL, error) {
	target := nhs.ParseServiceID(strings.TrimSpace(name))
	u, err := url.Parse(strings.TrimSpace(address))
	if target.Value == "" || err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return target, nil, errors.New("a route is a target and a receiver's base URL, such as 2000099999=http://127.0.0.1:9090/FHIR/R4")
	}
	return target, u, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
