package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Reach says by what a referral reaches a service.
type Reach string

// The ways. ByProxy and a route of a single service are the BaRS sender's own;
// the room only knows what else there is.
const (
	ReachHere Reach = "here" // this system carries it out
	ReachBaRS Reach = "bars"
	ReachSOAP Reach = "soap" // NHS 111 SOAP
	ReachNone Reach = "none" // by no way that this system has
)

// Way is how a referral reaches a service.
type Way struct {
	Reach Reach
	// Address is the endpoint, "" where this system or a flag knows it.
	Address string
}

// Forwards says that an operator set up that a service is reached by SOAP.
func (d *Desk) Forwards(target nhs.ServiceID) bool {
	return d.forwarder != nil && d.forwarder.Routed(target)
}

// Way finds how a service that isn't reached by a route of the BaRS sender is:
// by SOAP where that is set up, else as the directory says. ReachNone means that
// neither knows it.
func (d *Desk) Way(ctx context.Context, target nhs.ServiceID) (Way, error) {
	if d.Forwards(target) {
		return Way{Reach: ReachSOAP}, nil
	}
	if d.directory == nil || !d.sendByDirectory {
		return Way{Reach: ReachNone}, nil
	}
	listed, err := d.directory.Lookup(ctx, target)
	if err != nil {
		return Way{}, d.outcome(err)
	}
	return d.wayOf(target, nil, listed), nil
}

// wayOf chooses among what is known of a service. Of a directory's endpoints that
// somebody acts on, the first in their order that this system can send to.
func (d *Desk) wayOf(target nhs.ServiceID, hosted *service, listed *Listed) Way {
	switch {
	case d.Forwards(target):
		return Way{Reach: ReachSOAP}
	case hosted != nil:
		return Way{Reach: ReachHere}
	case listed == nil:
		return Way{Reach: ReachNone}
	}
	endpoints := slices.Clone(listed.Endpoints)
	slices.SortStableFunc(endpoints, func(a, b ListedEndpoint) int { return a.Order - b.Order })
	for _, e := range endpoints {
		switch {
		case e.Copy:
		case e.Kind == BaRSEndpoint:
			return Way{ReachBaRS, e.Address}
		case e.Kind == SOAPEndpoint && d.forwarder != nil:
			return Way{ReachSOAP, e.Address}
		}
	}
	return Way{Reach: ReachNone}
}

// noWay refuses what can't be sent.
func noWay() error {
	return fhir.NewOutcome(fhir.KindProcessing, "", "no route leads to this service: set the proxy or a route")
}
