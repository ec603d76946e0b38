package barsapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Bounds of what is remembered of the catalogue: an address is looked up anew
// after addressLife, and used for addressSpare longer while the catalogue can't
// be reached.
const (
	addressLife  = 10 * time.Minute
	addressSpare = 12 * time.Hour
)

// acceptCatalogue has no version (BaRS Core 1.5, endpoint catalogue).
const acceptCatalogue = "application/fhir+json"

// Catalogue is a Router that finds a receiver's address in the endpoint catalogue
// (BaRS Core 1.5, EndpointCatalogue): the active BaRS Endpoint that the service's
// HealthcareService names, else the one that carries the service's identifier. It
// may be used from many goroutines.
type Catalogue struct {
	client  *Client
	allowed func(address string) error
	now     func() time.Time

	mu    sync.Mutex
	known map[nhs.ServiceID]address
}

type address struct {
	base string
	at   time.Time
}

// NewCatalogue makes one that asks the catalogue at a FHIR base. allowed says why
// an address that stands there may not be called; o.Router isn't used.
func NewCatalogue(base string, allowed func(address string) error, o ClientOptions) (*Catalogue, error) {
	base, err := ParseBase(base)
	if err != nil {
		return nil, err
	}
	o.Router = &Routes{proxy: base}
	client := NewClient(o)
	return &Catalogue{client: client, allowed: allowed, now: client.o.Now, known: map[nhs.ServiceID]address{}}, nil
}

// Route looks a service up.
func (c *Catalogue) Route(ctx context.Context, target nhs.ServiceID) (Route, error) {
	c.mu.Lock()
	last, known := c.known[target]
	c.mu.Unlock()
	age := c.now().Sub(last.at)
	if known && age < addressLife {
		return Route{Base: last.base, Listed: true}, nil
	}
	base, err := c.find(ctx, target)
	var fault *Fault
	if errors.As(err, &fault) && fault.Again && known && age < addressSpare {
		return Route{Base: last.base, Listed: true}, nil
	}
	if fault != nil && !fault.Again { // it refuses us, not the message
		err = fmt.Errorf("%w: the endpoint catalogue %w", ErrNoRoute, fault)
	}
	if err != nil {
		return Route{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[target] = address{base, c.now()}
	return Route{Base: base, Listed: true}, nil
}

// Clear forgets the addresses.
func (c *Catalogue) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
}

func (c *Catalogue) find(ctx context.Context, target nhs.ServiceID) (string, error) {
	found := map[string]bool{}
	for _, parameter := range []string{"_has:HealthcareService.Identifier", "Endpoint.identifier"} {
		if len(found) > 0 {
			break
		}
		reply, err := c.client.do(ctx, call{method: http.MethodGet, path: "/Endpoint", accept: acceptCatalogue,
			query: url.Values{parameter: {target.String()}}, headers: Headers{}.ids(c.client.o.NewID)})
		if err != nil {
			return "", err
		}
		for item := range reply.Resource.Get("entry").Items() {
			if endpoint := item.Get("resource"); c.usable(endpoint) {
				found[endpoint.Get("address").Text()] = true
			}
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%w: the endpoint catalogue has %d addresses of it, and there must be one", ErrNoRoute, len(found))
	}
	for text := range found {
		base, err := ParseBase(text)
		if err == nil && c.allowed != nil {
			err = c.allowed(base)
		}
		if err != nil {
			return "", fmt.Errorf("%w: the endpoint catalogue's address of it may not be called", ErrNoRoute)
		}
		return base, nil
	}
	return "", ErrNoRoute
}

// usable says whether an endpoint takes BaRS messages now, at an address that we
// are shown.
func (c *Catalogue) usable(endpoint fhir.Value) bool {
	isBaRS := false
	for _, member := range []string{"payloadType", "connectionType"} {
		for coding := range fhir.Codings(endpoint.Get(member)) {
			isBaRS = isBaRS || strings.EqualFold(coding.Code, "bars")
		}
	}
	if !isBaRS || endpoint.Get("resourceType").Text() != "Endpoint" || endpoint.Get("status").Text() != "active" || endpoint.Get("address").Text() == "" {
		return false
	}
	now := c.now()
	if start, _, err := fhir.ParseDateTime(endpoint.Dig("period", "start").Text()); err == nil && now.Before(start) {
		return false
	}
	_, end, err := fhir.ParseDateTime(endpoint.Dig("period", "end").Text())
	return err != nil || !now.After(end)
}
