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

// Who may see a record through the standard (design D13): the organisations that
// its versions name, at the service that it belongs to. A caller that names no
// organisation, which strict mode doesn't let pass, isn't narrowed by one: whether
// it may ask at all was decided by its connection, and what a header claims only
// ever narrows that (design D20).

// orgEntry is the index entry of records that an organisation may see.
func orgEntry(code nhs.ODSCode) string { return "@org:" + string(code) }

// within limits a query to what the caller may see at a service.
func within(s *service, c Caller, where search.Node) search.And {
	here := search.And{search.Has(serviceEntry(s.id))}
	if c.Organisation != "" {
		here = append(here, search.Has(orgEntry(c.Organisation)))
	}
	if where != nil {
		here = append(here, where)
	}
	return here
}

// maySee says whether an organisation is among those that may see a record; none
// narrows nothing.
func maySee(rec *store.Record, code nhs.ODSCode) bool {
	if code == "" {
		return true
	}
	who, err := writtenBy(rec)
	return err == nil && slices.Contains(who.Visible, code)
}

// seen refuses a record of another service or of another organisation.
func seen(rec *store.Record, s *service, c Caller) error {
	switch {
	case !hasEntry(rec, s.id):
		return fhir.NewOutcome(fhir.KindAccess, "", "the "+rec.Type+" does not belong to this service")
	case !maySee(rec, c.Organisation):
		return fhir.NewOutcome(fhir.KindAccess, "", "the "+rec.Type+" belongs to other organisations than the one that asks")
	}
	return nil
}

// recordOf reads the current version of a record that the caller may see.
func (d *Desk) recordOf(ctx context.Context, s *service, c Caller, ref store.Ref) (*store.Record, error) {
	missing := fhir.NewOutcome(fhir.KindNotFound, "", "there is no such "+ref.Type)
	if !fhir.ValidID(ref.ID) {
		return nil, missing
	}
	rec, err := d.store.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	if err := seen(rec, s, c); err != nil {
		return nil, err
	}
	if rec.Deleted {
		return nil, fhir.NewOutcome(fhir.KindGone, "", "the "+ref.Type+" was deleted")
	}
	return rec, nil
}
