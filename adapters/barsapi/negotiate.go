package barsapi

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// maxKnown bounds what is remembered.
const maxKnown = 1000

// remembered is a CapabilityStatement or a list of MessageDefinitions.
type remembered struct {
	resource *fhir.Resource
	until    time.Time
}

// Clear forgets what was learned of other systems.
func (c *Client) Clear() {
	c.o.Router.Clear()
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.known)
}

// remember makes a call whose answer may be believed for a while.
func (c *Client) remember(ctx context.Context, k call) (*fhir.Resource, error) {
	key := k.headers.Target.String() + " " + k.path + "?" + k.query.Encode()
	c.mu.Lock()
	known, found := c.known[key]
	c.mu.Unlock()
	if found && c.o.Now().Before(known.until) {
		return known.resource, nil
	}
	reply, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxKnown {
		clear(c.known)
	}
	c.known[key] = remembered{reply.Resource, c.o.Now().Add(c.o.Keep)}
	return reply.Resource, nil
}

// Offer is what content negotiation found.
type Offer struct {
	Core       string // CapabilityStatement.version
	Definition *fhir.Resource
	Version    string // of the MessageDefinition
}

// Negotiate asks whether a receiver takes a message: its CapabilityStatement must
// be of a major version that we know and list the message as one that it
// receives, and the service must offer the MessageDefinition for the use case
// (BaRS Core 1.5, content negotiation).
func (c *Client) Negotiate(ctx context.Context, h Headers, facts *bars.Facts) (*Offer, error) {
	statement, err := c.Metadata(ctx, Headers{Correlation: h.Correlation, Target: h.Target, Base: h.Base,
		Organisation: h.Organisation, OrganisationName: h.OrganisationName})
	if err != nil {
		return nil, err
	}
	core := statement.Get("version").Text()
	if statement.Type() != "CapabilityStatement" {
		return nil, &Fault{Reason: "the receiver has no CapabilityStatement"}
	}
	if n, ok := majorVersion(core); !ok || n > coreMajor {
		return nil, &Fault{Reason: "the receiver speaks another major version of the standard"}
	}
	if !receives(statement, facts.Definition) {
		return nil, &Fault{Reason: "the receiver's CapabilityStatement does not list this message as one that it receives"}
	}
	list, err := c.remember(ctx, call{method: http.MethodGet, path: "/MessageDefinition",
		query: url.Values{"context": {h.Target.String(), bars.SystemUseCases + "|" + facts.UseCase}},
		headers: Headers{Correlation: h.Correlation, Target: h.Target, Base: h.Base, Organisation: h.Organisation,
			OrganisationName: h.OrganisationName}.ids(c.o.NewID)})
	if err != nil {
		return nil, err
	}
	chosen := choose(list, h.Target, facts)
	if chosen == nil {
		return nil, &Fault{Reason: "the service offers no MessageDefinition for this message and use case in a version that we speak"}
	}
	return &Offer{Core: core, Definition: chosen, Version: chosen.Get("version").Text()}, nil
}

// receives says whether a statement lists a message as received. Older ones name
// it relatively.
func receives(statement *fhir.Resource, definition string) bool {
	for messaging := range statement.Get("messaging").Items() {
		for m := range messaging.Get("supportedMessage").Items() {
			if m.Get("mode").Text() == "receiver" && lastPart(m.Get("definition").Text()) == lastPart(definition) {
				return true
			}
		}
	}
	return false
}

func lastPart(address string) string {
	address, _, _ = strings.Cut(address, "|")
	return address[strings.LastIndexByte(address, '/')+1:]
}

// choose takes of the definitions with the message's address that fit service
// and use case, and whose major version we speak, the one whose version is the
// nearest above ours, else the nearest below (BaRS Core 1.5, content
// negotiation). Ours is the version of the Application that we speak: a message
// may name an older one, which receivers of a newer take. A definition of an older
// major version than the message's doesn't support it.
func choose(list *fhir.Resource, target nhs.ServiceID, facts *bars.Facts) *fhir.Resource {
	own := facts.Version
	if spoken := bars.Supported(facts.UseCase); compareVersions(spoken, own) > 0 {
		own = spoken
	}
	most, _ := majorVersion(own)
	least, _ := majorVersion(facts.Version)
	var chosen fhir.Value
	for item := range list.Get("entry").Items() {
		d := item.Get("resource")
		version := d.Get("version").Text()
		n, ok := majorVersion(version)
		if d.Get("url").Text() != facts.Definition || !ok || n > most || n < least || !fits(d, target, facts.UseCase) {
			continue
		}
		if !chosen.Exists() || nearer(version, chosen.Get("version").Text(), own) {
			chosen = d
		}
	}
	if !chosen.Exists() {
		return nil
	}
	return chosen.Resource()
}

// fits says whether a definition is for a service and a use case. The published
// files hold a placeholder in place of the service.
func fits(definition fhir.Value, target nhs.ServiceID, useCase string) bool {
	service, use := false, false
	for context := range definition.Get("useContext").Items() {
		for coding := range fhir.Codings(context.Get("valueCodeableConcept")) {
			switch {
			case coding.System == bars.SystemUseCases:
				use = use || strings.EqualFold(coding.Code, useCase)
			case nhs.Canonical(coding.System) == target.System:
				service = service || coding.Code == target.Value || coding.Code == "dos-id"
			}
		}
	}
	return service && use
}

// nearer says whether version a is a better choice than b for own.
func nearer(a, b, own string) bool {
	above, other := compareVersions(a, own) >= 0, compareVersions(b, own) >= 0
	if above != other {
		return above
	}
	if above {
		return compareVersions(a, b) < 0
	}
	return compareVersions(a, b) > 0
}

func majorVersion(version string) (int, bool) {
	first, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(first)
	return n, err == nil && n >= 0
}

// compareVersions orders semantic versions; a pre-release comes before its
// release.
func compareVersions(a, b string) int {
	plainA, preA, _ := strings.Cut(a, "-")
	plainB, preB, _ := strings.Cut(b, "-")
	if n := slices.Compare(numbers(plainA), numbers(plainB)); n != 0 {
		return n
	}
	switch {
	case preA == preB:
		return 0
	case preA == "":
		return 1
	case preB == "":
		return -1
	}
	return slices.CompareFunc(strings.Split(preA, "."), strings.Split(preB, "."), comparePre)
}

// comparePre orders parts of a pre-release: numbers by value and before words.
func comparePre(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	switch {
	case errX == nil && errY == nil:
		return cmp.Compare(x, y)
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return strings.Compare(a, b)
}

func numbers(version string) []int {
	list := make([]int, 3)
	for i, part := range strings.SplitN(version, ".", 3) {
		list[i], _ = strconv.Atoi(part)
	}
	return list
}
