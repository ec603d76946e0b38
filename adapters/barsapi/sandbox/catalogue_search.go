package sandbox

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// search answers a search of the catalogue. Each parameter narrows it.
func (c *call) search(e entry) error {
	params, err := c.query()
	if err != nil {
		return err
	}
	var found []string
	named := false
	var filters []func(*fhir.Resource) bool
	for name, values := range params {
		if member := codeParameter(e, name); member != "" {
			filters = append(filters, func(res *fhir.Resource) bool { return sameCode(res.Get(member), values[0]) })
			continue
		}
		ids, err := c.idsOf(e, name, values[0])
		if err != nil {
			return err
		}
		if named {
			ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(found, id) })
		}
		found, named = ids, true
	}
	if !named {
		return fhir.NewOutcome(fhir.KindRequired, "", "a search of the catalogue must name an identifier")
	}
	list, err := c.s.loadAll(c.r.Context(), e.kind, found)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(rec *record) bool {
		return slices.ContainsFunc(filters, func(keep func(*fhir.Resource) bool) bool { return !keep(rec.res) })
	})
	if len(list) > maxFound {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "too many records match; name another identifier too")
	}
	caller, err := c.organisation()
	if err != nil {
		return err
	}
	var entries []*fhir.Object
	for _, rec := range list {
		res, err := shown(rec, caller)
		if err != nil {
			return err
		}
		entries = append(entries, fhir.Obj("fullUrl", c.base+e.address(rec.id), "resource", res))
	}
	c.searchset(catalogueType, e.path, len(entries), nil, "", entries)
	return nil
}

// codeParameter is the member that a parameter of a template filters by.
func codeParameter(e entry, name string) string {
	if e.kind != kindTemplate {
		return ""
	}
	switch strings.ToLower(name) {
	case "connectiontype":
		return "connectionType"
	case "payloadtype":
		return "payloadType"
	}
	return ""
}

// sameCode compares with "system|code" or a bare code.
func sameCode(v fhir.Value, text string) bool {
	system, code, found := strings.Cut(text, "|")
	if !found {
		system, code = "", text
	}
	for coding := range fhir.Codings(v) {
		if strings.EqualFold(coding.Code, code) && (system == "" || coding.System == system) {
			return true
		}
	}
	return false
}

// idsOf are the records that one parameter finds.
func (c *call) idsOf(e entry, name, value string) ([]string, error) {
	ctx := c.r.Context()
	prefix := strings.ToLower(e.typ) + "."
	switch parameter := strings.ToLower(name); {
	case parameter == prefix+"identifier" || parameter == "identifier":
		t, err := parseToken("identifier", value)
		if err != nil {
			return nil, err
		}
		return c.s.ids(ctx, e.kind, t)
	case parameter == prefix+"providedby" && e.typ == "HealthcareService":
		t, err := parseToken("providedBy", value)
		if err != nil {
			return nil, err
		}
		return c.s.ids(ctx, e.kind, t)
	case parameter == "_has:healthcareservice.identifier" && e.kind == kindOf("Endpoint"):
		t, err := parseToken("identifier", value)
		if err != nil {
			return nil, err
		}
		services, err := c.s.ids(ctx, kindOf("HealthcareService"), t)
		if err != nil {
			return nil, err
		}
		return c.s.endpointsOf(ctx, services)
	case parameter == "_has:healthcareservice.id" && e.kind == kindOf("Endpoint"):
		if !fhir.ValidID(value) {
			return nil, fhir.NewOutcome(fhir.KindValue, "", "the parameter must hold an id")
		}
		return c.s.endpointsOf(ctx, []string{value})
	}
	return nil, fhir.NewOutcome(fhir.KindValue, "", "the catalogue knows no such parameter for "+e.typ)
}

// endpointsOf are the endpoints that services name.
func (s *Sandbox) endpointsOf(ctx context.Context, services []string) ([]string, error) {
	list, err := s.loadAll(ctx, kindOf("HealthcareService"), services)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, service := range list {
		ids = append(ids, endpointIDs(service.res)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// addresses are where a target's messages go: of the active BaRS endpoints that
// carry its identifier themselves or that an active service with it names. A
// service that isn't active switches its endpoints off.
func (s *Sandbox) addresses(ctx context.Context, target nhs.ServiceID) ([]string, error) {
	named := term{"identifier", target.System, target.Value}
	serviceIDs, err := s.ids(ctx, kindOf("HealthcareService"), named)
	if err != nil {
		return nil, err
	}
	services, err := s.loadAll(ctx, kindOf("HealthcareService"), serviceIDs)
	if err != nil {
		return nil, err
	}
	ids, err := s.ids(ctx, kindOf("Endpoint"), named)
	if err != nil {
		return nil, err
	}
	on := slices.ContainsFunc(services, func(rec *record) bool { return rec.res.Get("active").Bool() })
	if len(services) > 0 && !on {
		return nil, nil
	}
	off := map[string]bool{}
	for _, service := range services {
		for _, id := range endpointIDs(service.res) {
			if service.res.Get("active").Bool() {
				ids = append(ids, id)
			} else {
				off[id] = true
			}
		}
	}
	slices.Sort(ids)
	endpoints, err := s.loadAll(ctx, kindOf("Endpoint"), slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	var list []string
	for _, endpoint := range endpoints {
		if !off[endpoint.id] && s.inForce(endpoint.res) {
			list = append(list, endpoint.res.Get("address").Text())
		}
	}
	return list, nil
}

// inForce says whether an endpoint takes BaRS messages now.
func (s *Sandbox) inForce(endpoint *fhir.Resource) bool {
	bars := sameCode(endpoint.Get("payloadType"), "bars") || sameCode(endpoint.Get("connectionType"), "bars")
	if !bars || endpoint.Get("status").Text() != "active" {
		return false
	}
	now := s.o.Now()
	if start, _, err := fhir.ParseDateTime(endpoint.Get("period", "start").Text()); err == nil && now.Before(start) {
		return false
	}
	_, end, err := fhir.ParseDateTime(endpoint.Get("period", "end").Text())
	return err != nil || !now.After(end)
}
