package bars

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// AnyService is the key of a list for all services that have none of their own.
const AnyService = "*"

// Access lists who may use services (BaRS Core 1.5, security and authorisation),
// by an id of the service. A service without a list takes everybody. The lists
// narrow what the connection allows; the headers that they look at are no
// authentication (design D20).
type Access struct {
	Organisations map[string][]string // ODS codes
	Products      map[string][]string // identifiers of the requesting software
	Roles         map[string][]string // SNOMED CT codes of the requesting person's role
}

// Admit refuses a caller whom a service's lists leave out: KindAccess. Who doesn't
// say what organisation or product asks is left out too, if asked says that it
// must be said; who names no role isn't, because no person need be behind a
// request. A service that isn't here refuses nobody: to look for it is the
// caller's next step.
func (d *Desk) Admit(ctx context.Context, target nhs.ServiceID, c Caller, asked bool) error {
	a := d.access
	if len(a.Organisations)+len(a.Products)+len(a.Roles) == 0 || target.Value == "" {
		return nil
	}
	s, err := d.service(ctx, target)
	if err != nil {
		if o := d.outcome(err); o.Kind != fhir.KindNotFound {
			return o
		}
		return nil
	}
	for _, row := range []struct {
		lists map[string][]string
		said  string
		must  bool
		what  string
	}{
		{a.Organisations, string(c.Organisation), asked, "organisation"},
		{a.Products, c.Software, asked, "software"},
		{a.Roles, c.Role, false, "role"},
	} {
		list, limited := listOf(row.lists, s)
		if !limited || row.said == "" && !row.must {
			continue
		}
		if !slices.ContainsFunc(list, func(one string) bool { return row.said != "" && strings.EqualFold(one, row.said) }) {
			return fhir.NewOutcome(fhir.KindAccess, "", "the "+row.what+" that the request's headers name may not use this service")
		}
	}
	return nil
}

// listOf finds a service's list by any of its ids.
func listOf(lists map[string][]string, s *service) ([]string, bool) {
	if list, found := lists[s.id]; found {
		return list, true
	}
	for _, id := range s.ids {
		if list, found := lists[id.Value]; found {
			return list, true
		}
	}
	list, found := lists[AnyService]
	return list, found
}

// ModeOf is how strictly a service, as a request names it, holds its senders to
// the standard.
func (d *Desk) ModeOf(target nhs.ServiceID) Mode {
	if own, found := d.modes[target.Value]; found {
		return own
	}
	return d.mode
}
