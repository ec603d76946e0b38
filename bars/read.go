package bars

import (
	"context"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// maxFound bounds a search that asks for no pages.
const maxFound = 1000

// RecordAt reads a record that belongs to a service and that the caller's
// organisation may see.
func (d *Desk) RecordAt(ctx context.Context, c Caller, id nhs.ServiceID, typ, logicalID string) (*store.Record, error) {
	s, err := d.service(ctx, id)
	if err != nil {
		return nil, d.outcome(err)
	}
	rec, err := d.recordOf(ctx, s, c, store.Ref{Type: typ, ID: logicalID})
	if err != nil {
		return nil, d.outcome(err)
	}
	return rec, nil
}

// VersionAt reads one version of such a record; who may see the current one may
// see those before it.
func (d *Desk) VersionAt(ctx context.Context, c Caller, id nhs.ServiceID, typ, logicalID string, version int64) (*store.Record, error) {
	if _, err := d.RecordAt(ctx, c, id, typ, logicalID); err != nil {
		return nil, err
	}
	rec, err := d.store.GetVersion(ctx, store.Ref{Type: typ, ID: logicalID}, version)
	if err != nil {
		return nil, d.outcome(err)
	}
	if rec.Deleted {
		return nil, fhir.NewOutcome(fhir.KindGone, "", "the "+typ+" was deleted")
	}
	return rec, nil
}

// Found is what a search found: all of it, or a page.
type Found struct {
	Records []*store.Record
	Next    string // the cursor of the next page, "" on the last
	Total   int    // of all pages; -1: more than can be counted
}

// SearchAt finds the records of a service that a query means and that the
// caller's organisation may see. A query that says nothing of pages is answered
// whole, because senders of the standard don't look for a second page.
func (d *Desk) SearchAt(ctx context.Context, c Caller, id nhs.ServiceID, q *search.Query) (*Found, error) {
	s, err := d.service(ctx, id)
	if err != nil {
		return nil, d.outcome(err)
	}
	resolved, err := d.resolve(ctx, q)
	if err != nil {
		return nil, d.outcome(err)
	}
	resolved.Where = within(s, c, resolved.Where)
	if q.Count > 0 || q.Cursor != "" {
		return d.searchPage(ctx, resolved)
	}
	resolved.Count = search.MaxCount
	found := &Found{}
	for {
		page, err := d.store.Search(ctx, resolved)
		if err != nil {
			return nil, d.outcome(err)
		}
		found.Records = append(found.Records, page.Records...)
		if found.Total = len(found.Records); found.Total > maxFound {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "the search finds more than "+itoa(maxFound)+" records; ask for pages with _count")
		}
		if page.Next == "" {
			return found, nil
		}
		resolved.Cursor = page.Next
	}
}

func (d *Desk) searchPage(ctx context.Context, q *search.Query) (*Found, error) {
	page, err := d.store.Search(ctx, q)
	if err != nil {
		return nil, d.outcome(err)
	}
	total, exact, err := d.store.Count(ctx, q, maxTotal)
	if err != nil {
		return nil, d.outcome(err)
	}
	if !exact {
		total = -1
	}
	return &Found{Records: page.Records, Next: page.Next, Total: total}, nil
}
