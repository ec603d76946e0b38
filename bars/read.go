package bars

import (
	"context"
	"encoding/json"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// maxFound bounds SearchAt, whose answer has no pages.
const maxFound = 1000

// RecordAt reads a record that belongs to a service. One of another service may
// not be seen through this one.
func (d *Desk) RecordAt(ctx context.Context, id nhs.ServiceID, typ, logicalID string) (*store.Record, error) {
	s, err := d.service(ctx, id)
	if err != nil {
		return nil, d.outcome(err)
	}
	if !fhir.ValidID(logicalID) {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "there is no such "+typ)
	}
	rec, err := d.store.Get(ctx, store.Ref{Type: typ, ID: logicalID})
	if err != nil {
		return nil, d.outcome(err)
	}
	if rec.Deleted {
		return nil, fhir.NewOutcome(fhir.KindGone, "", "the "+typ+" was deleted")
	}
	var who by
	if err := json.Unmarshal(rec.By, &who); err == nil && who.Service != "" && who.Service != s.id {
		return nil, fhir.NewOutcome(fhir.KindAccess, "", "the "+typ+" belongs to another service")
	}
	return rec, nil
}

// SearchAt finds all records of a service that a query means.
func (d *Desk) SearchAt(ctx context.Context, id nhs.ServiceID, q *search.Query) ([]*store.Record, error) {
	s, err := d.service(ctx, id)
	if err != nil {
		return nil, d.outcome(err)
	}
	resolved, err := d.resolve(ctx, q)
	if err != nil {
		return nil, d.outcome(err)
	}
	here := search.And{search.Has(serviceEntry(s.id))}
	if resolved.Where != nil {
		here = append(here, resolved.Where)
	}
	resolved.Where, resolved.Count = here, search.MaxCount
	var all []*store.Record
	for {
		page, err := d.store.Search(ctx, resolved)
		if err != nil {
			return nil, d.outcome(err)
		}
		all = append(all, page.Records...)
		if len(all) > maxFound {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "the search finds more than "+itoa(maxFound)+" records")
		}
		if page.Next == "" {
			return all, nil
		}
		resolved.Cursor = page.Next
	}
}
