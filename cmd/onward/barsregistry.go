package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/onward-health/onward/adapters/barsapi"
	barssandbox "github.com/onward-health/onward/adapters/barsapi/sandbox"
)

// noRegistry is --bars-registry's word for none.
const noRegistry = "off"

// registry makes the client for the registry of pointers: the one that the flag
// names, else the sandbox's own; nil where there is none.
func (c *serveCommand) registry(root string, national *barssandbox.Sandbox) (*barsapi.Client, error) {
	address := c.BarsReceive.Registry
	o := barsapi.ClientOptions{Software: product(), Attempts: 1} // the outbox repeats
	switch {
	case address == noRegistry || address == "" && national == nil:
		return nil, nil
	case address == "":
		address = root + fhirPath
		o.HTTP = &http.Client{Transport: inProcess{national.National(address, fhirPath)}}
	default:
		var err error
		if o.Token, err = c.BarsSend.tokens(); err != nil {
			return nil, err
		}
	}
	routes, err := barsapi.RegistryAt(strings.TrimSpace(address))
	if err != nil {
		return nil, usage("--bars-registry: %w", err)
	}
	o.Router = routes
	return barsapi.NewClient(o), nil
}

// inProcess answers requests by a handler of this process.
type inProcess struct{ handler http.Handler }

// RoundTrip serves one request.
func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &answered{header: http.Header{}, status: http.StatusOK}
	p.handler.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r}, nil
}

// answered is an answer kept in memory.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) WriteHeader(status int)      { a.status = status }
func (a *answered) Write(b []byte) (int, error) { return a.body.Write(b) }
