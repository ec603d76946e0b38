package bars

import (
	"context"
	"errors"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// hosted is the index entry of records that are ours: written by plain FHIR or
// at set-up, not by a message. Only they can be the target of a message or be
// linked to, so that no sender can add to our directory (design D12).
const hosted = "@hosted"

// service is a HealthcareService that we host.
type service struct {
	id       string
	name     string
	useCases []string // empty: all
	// needsBooking says that a referral must name its booking.
	needsBooking bool
	provider     nhs.ODSCode
	providerName string
	owner        store.Ref // the providing Organization
	ids          []nhs.ServiceID
}

func (s *service) ref() store.Ref { return store.Ref{Type: "HealthcareService", ID: s.id} }

func (s *service) offers(useCase string) bool {
	return len(s.useCases) == 0 || slices.Contains(s.useCases, useCase)
}

// is says whether a service id means this service.
func (s *service) is(id nhs.ServiceID) bool {
	return slices.Contains(s.ids, id) || (id.System == nhs.SystemDoS && id.Value == s.id)
}

// service finds the service that a service id means: the one with that
// identifier, else with that logical id (design D3); an ODS code means the one
// service of that organisation.
func (d *Desk) service(ctx context.Context, id nhs.ServiceID) (*service, error) {
	if id.Value == "" {
		return nil, fhir.NewOutcome(fhir.KindRequired, "", "the request names no service")
	}
	if id.System == nhs.SystemODS {
		return d.serviceOfOrganisation(ctx, nhs.ODSCode(id.Value))
	}
	found, err := d.find(ctx, "HealthcareService", search.And{search.Has("identifier=" + id.String()), search.Has(hosted)}, 2)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		return nil, fhir.NewOutcome(fhir.KindConflict, "", "several services here have this id")
	}
	if len(found) == 0 && fhir.ValidID(id.Value) && id.System == nhs.SystemDoS {
		found, err = d.find(ctx, "HealthcareService", search.And{search.IDs{id.Value}, search.Has(hosted)}, 1)
		if err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "no such service here")
	}
	return d.readService(ctx, found[0])
}

func (d *Desk) serviceOfOrganisation(ctx context.Context, code nhs.ODSCode) (*service, error) {
	owner, err := d.find(ctx, "Organization", search.And{search.Has("identifier=" + nhs.SystemODS + "|" + string(code)), search.Has(hosted)}, 1)
	if err != nil {
		return nil, err
	}
	if len(owner) == 0 {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "no such organisation here")
	}
	found, err := d.find(ctx, "HealthcareService", search.And{search.Has("organization:Organization/" + owner[0].ID), search.Has(hosted)}, 2)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "the organisation does not have one service alone; a service id is needed")
	}
	return d.readService(ctx, found[0])
}

func (d *Desk) readService(ctx context.Context, rec *store.Record) (*service, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return nil, err
	}
	if active := r.Get("active"); active.Exists() && !active.Bool() {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "the service is not active")
	}
	s := &service{id: rec.ID, name: r.Get("name").Text()}
	for id := range fhir.Identifiers(r.Get("identifier")) {
		s.ids = append(s.ids, nhs.ServiceID{System: nhs.Canonical(id.System), Value: id.Value})
	}
	for c := range fhir.Codings(r.Get("type")) {
		if code, known := foldUseCase(c.Code); known && c.System == SystemUseCases {
			s.useCases = append(s.useCases, code)
		}
	}
	s.needsBooking = fhir.CodeOf(r.Get("characteristic"), SystemServiceAttributes) == attributeNeedsBooking
	ref, ok := fhir.ParseReference(r.Get("providedBy", "reference").Text())
	if !ok || ref.Type != "Organization" {
		return s, nil
	}
	s.owner = store.Ref{Type: ref.Type, ID: ref.ID}
	owner, err := d.store.GetMany(ctx, []store.Ref{s.owner})
	if err != nil || len(owner) == 0 {
		return s, err
	}
	body, err := fhir.Parse(owner[0].Body)
	if err != nil {
		return nil, err
	}
	s.provider, s.providerName = nhs.ODSOf(body), body.Get("name").Text()
	return s, nil
}

// find returns up to count records of a type.
func (d *Desk) find(ctx context.Context, typ string, where search.Node, count int) ([]*store.Record, error) {
	page, err := d.store.Search(ctx, &search.Query{Type: typ, Where: where, Count: count})
	if err != nil {
		return nil, err
	}
	return page.Records, nil
}

// checkDestination makes the receiver's first checks: the message is for us,
// for a service that we host, and for the one that the transport named. Of
// several destinations the one that the transport named counts, else the first
// that we host.
func (d *Desk) checkDestination(ctx context.Context, m *message, target nhs.ServiceID) (*service, error) {
	named := target.Value != "" && target.System != nhs.SystemODS
	if named && !slices.ContainsFunc(m.destinations, func(at destination) bool { return at.service == target }) {
		if _, err := d.service(ctx, target); err != nil {
			return nil, err
		}
	}
	var chosen *service
	hosted := m.destinations[0]
	for _, at := range m.destinations {
		s, err := d.service(ctx, at.service)
		if o := (*fhir.Outcome)(nil); errors.As(err, &o) && o.Kind == fhir.KindNotFound {
			continue
		} else if err != nil {
			return nil, err
		}
		if chosen == nil {
			chosen, hosted = s, at
		}
		if named && s.is(target) {
			chosen, hosted = s, at
			break
		}
	}
	if chosen == nil {
		return nil, fhir.NewOutcome(fhir.KindNotFound, hosted.at+".endpoint", "destination.endpoint names no service that this system hosts")
	}
	m.destination = hosted
	if chosen.provider != "" && nhs.ODSOf(hosted.receiver.resource()) != chosen.provider {
		m.strictly(hosted.at+".receiver", "destination.receiver is not the organisation that provides the service")
	}
	if named && !chosen.is(target) {
		m.broken(hosted.at+".endpoint", "destination.endpoint and the target identifier of the request name different services")
	}
	return chosen, m.problems.OrNil()
}

// Service describes a hosted service to a door.
type Service struct {
	ID       nhs.ServiceID
	Name     string
	UseCases []string    // that it takes
	Provider nhs.ODSCode // of the organisation that provides it, "" if none is known
}

// Service finds a hosted service (design D3). Doors that translate messages
// without a use case or a provider choose them by it.
func (d *Desk) Service(ctx context.Context, id nhs.ServiceID) (*Service, error) {
	s, err := d.service(ctx, id)
	if err != nil {
		return nil, d.outcome(err)
	}
	out := &Service{ID: nhs.ServiceID{System: nhs.SystemDoS, Value: s.id}, Name: s.name, UseCases: slices.Clone(s.useCases), Provider: s.provider}
	for _, id := range s.ids {
		if id.System == nhs.SystemDoS {
			out.ID = id
		}
	}
	if len(out.UseCases) == 0 {
		out.UseCases = UseCases()
	}
	return out, nil
}
