package dos

import (
	"context"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// FHIRClient asks the FHIR R4 service that follows the directory for endpoints.
type FHIRClient struct {
	Base  string // up to and with /FHIR/R4
	HTTP  *http.Client
	Token func(context.Context) (string, error) // bearer token; nil: none
	Call  Client                                // its pauses and breaker are used
}

// maxPages bounds how far a list is followed.
const maxPages = 20

// Endpoints lists the endpoints of an organisation in their order, of all pages.
// None at all may mean that the organisation isn't known.
func (c *FHIRClient) Endpoints(ctx context.Context, ods nhs.ODSCode) ([]Endpoint, error) {
	query := url.Values{"identifier": {nhs.SystemODS + "|" + string(ods)}, "_revinclude": {"Endpoint:organization"}}
	var list []Endpoint
	address := c.Base + "/Organization?" + query.Encode()
	for page := 0; address != ""; page++ {
		if page == maxPages {
			return nil, errAnswer
		}
		bundle, err := c.page(ctx, address)
		if err != nil {
			return nil, err
		}
		for entry := range bundle.Get("entry").Items() {
			if r := entry.Get("resource"); r.Get("resourceType").Text() == "Endpoint" && r.Get("status").Text() == "active" {
				list = append(list, EndpointOf(r.Resource()))
			}
		}
		if address, err = nextPage(address, bundle); err != nil {
			return nil, err
		}
	}
	service := Service{Endpoints: list}
	return append(service.Send(Primary), service.Send(Copy)...), nil
}

// nextPage is the address of the next page, "" where there is none. It must be of
// the same service: the token goes with each request.
func nextPage(address string, bundle *fhir.Resource) (string, error) {
	for link := range bundle.Get("link").Items() {
		if link.Get("relation").Text() != "next" {
			continue
		}
		here, err := url.Parse(address)
		if err != nil {
			return "", errAnswer
		}
		next, err := here.Parse(link.Get("url").Text())
		if err != nil || next.Scheme != here.Scheme || next.Host != here.Host || next.User != nil {
			return "", errAnswer
		}
		return next.String(), nil
	}
	return "", nil
}

// page asks for one page of a search.
func (c *FHIRClient) page(ctx context.Context, address string) (bundle *fhir.Resource, err error) {
	err = c.Call.try(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		req.Header.Set("version", "1")
		req.Header.Set("X-Request-Id", uuid.NewString())
		req.Header.Set("Accept", "application/fhir+json")
		if c.Token != nil {
			token, err := c.Token(ctx)
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+token)
		}
		send := Client{HTTP: c.HTTP}
		raw, _, status, err := send.send(req)
		if err != nil {
			return err
		}
		bundle, err = fhir.Parse(raw)
		switch {
		case err == nil && bundle.Type() == "OperationOutcome" && status >= 400 && status < 500:
			return &Fault{status, "FHIR: the search was refused"}
		case err != nil || bundle.Type() != "Bundle" || status != http.StatusOK:
			return noAnswer(status)
		}
		return nil
	})
	return bundle, err
}
