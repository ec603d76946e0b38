package bars

import (
	"cmp"
	"context"
	"errors"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Records is the room as the backend of plain FHIR REST. Writes of Appointment,
// Slot, Schedule and ServiceRequest go through the rules; everything else
// straight to one commit, with the same audit (design D10).
type Records struct{ d *Desk }

var _ rest.Backend = (*Records)(nil)

// Records returns the backend of the FHIR REST door.
func (d *Desk) Records() *Records { return &Records{d} }

// Read returns the current version.
func (b *Records) Read(ctx context.Context, typ, id string) (*rest.Version, error) {
	rec, err := b.d.store.Get(ctx, store.Ref{Type: typ, ID: id})
	if err != nil {
		return nil, b.d.outcome(err)
	}
	return versionOf(rec), nil
}

// VersionRead returns one version.
func (b *Records) VersionRead(ctx context.Context, typ, id string, version int64) (*rest.Version, error) {
	rec, err := b.d.store.GetVersion(ctx, store.Ref{Type: typ, ID: id}, version)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	return versionOf(rec), nil
}

// History lists versions, newest first.
func (b *Records) History(ctx context.Context, q rest.HistoryQuery) (*rest.Page, error) {
	scope := store.Ref{Type: q.Type, ID: q.ID}
	total, err := b.versions(ctx, q, scope)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	if q.CountOnly {
		return &rest.Page{Total: total}, nil
	}
	page, err := b.historyPage(ctx, q, scope)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	if q.Cursor == "" && page.Next == "" {
		total = len(page.Records)
	}
	return pageOf(page, total), nil
}

func (b *Records) historyPage(ctx context.Context, q rest.HistoryQuery, scope store.Ref) (*store.Page, error) {
	if q.At != nil {
		return b.historyAt(ctx, q, scope)
	}
	return b.d.store.History(ctx, scope, q.Since, q.Count, q.Cursor)
}

// versions is how many versions a history has, -1 where that isn't known. Within
// a time they are counted one by one, and only if nothing else was asked for.
func (b *Records) versions(ctx context.Context, q rest.HistoryQuery, scope store.Ref) (int, error) {
	last := int64(0)
	if q.ID != "" {
		rec, err := b.d.store.Get(ctx, scope)
		if err != nil {
			return 0, err
		}
		last = rec.Version
	}
	if q.At != nil || !q.Since.IsZero() {
		if !q.CountOnly {
			return -1, nil
		}
		return b.countVersions(ctx, q, scope)
	}
	if q.ID != "" {
		return int(last), nil
	}
	counts, err := b.d.store.Counts(ctx)
	if err != nil {
		return 0, err
	}
	if q.Type != "" {
		return int(counts[q.Type].Versions), nil
	}
	total := 0
	for _, c := range counts {
		total += int(c.Versions)
	}
	return total, nil
}

// countVersions goes through a history, -1 where it has more than maxTotal.
func (b *Records) countVersions(ctx context.Context, q rest.HistoryQuery, scope store.Ref) (int, error) {
	total := 0
	for q.Count = search.MaxCount; ; {
		page, err := b.historyPage(ctx, q, scope)
		if err != nil {
			return 0, err
		}
		if total += len(page.Records); total > maxTotal {
			return -1, nil
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return total, nil
		}
	}
}

// maxScan bounds the versions that one page of a history at a time looks at;
// the next page goes on behind them.
const maxScan = 2000

// historyAt lists the versions that stood at some moment of q.At. The store
// doesn't know when a version was followed, so each older one is asked about.
func (b *Records) historyAt(ctx context.Context, q rest.HistoryQuery, scope store.Ref) (*store.Page, error) {
	q.Count = cmp.Or(q.Count, search.DefaultCount)
	out := &store.Page{Next: q.Cursor}
	for scanned := 0; scanned < maxScan && len(out.Records) < q.Count; {
		// As many as there is room for, so that the cursor fits the page's end.
		page, err := b.d.store.History(ctx, scope, q.Since, q.Count-len(out.Records), out.Next)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			stood, err := b.stoodIn(ctx, rec, *q.At)
			if err != nil {
				return nil, err
			}
			if stood {
				out.Records = append(out.Records, rec)
			}
		}
		scanned += len(page.Records)
		if out.Next = page.Next; page.Next == "" {
			break
		}
	}
	return out, nil
}

// stoodIn says whether a version was the current one at some moment of a period.
func (b *Records) stoodIn(ctx context.Context, rec *store.Record, p rest.Period) (bool, error) {
	if rec.LastUpdated.After(p.To) {
		return false, nil
	}
	if !rec.LastUpdated.Before(p.From) {
		return true, nil
	}
	next, err := b.d.store.GetVersion(ctx, rec.Ref(), rec.Version+1)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return next.LastUpdated.After(p.From), nil
}

// maxTotal bounds the versions that are counted one by one, maxMatches the
// matches that the store counts.
const (
	maxTotal   = 10_000
	maxMatches = 1_000_000
)

// Search returns one page; the total where the page holds all or it is asked
// for.
func (b *Records) Search(ctx context.Context, q *search.Query, count bool) (*rest.Page, error) {
	resolved, err := b.d.resolve(ctx, q)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	page, err := b.d.store.Search(ctx, resolved)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	total := -1
	if n := len(page.Records); q.Cursor == "" && page.Next == "" {
		total = n
	} else if count {
		n, exact, err := b.d.store.Count(ctx, resolved, maxMatches)
		if err != nil {
			return nil, b.d.outcome(err)
		}
		if exact {
			total = n
		}
	}
	return pageOf(page, total), nil
}

func versionOf(rec *store.Record) *rest.Version {
	return &rest.Version{Type: rec.Type, ID: rec.ID, Version: rec.Version, LastUpdated: rec.LastUpdated,
		Deleted: rec.Deleted, Method: rec.Method, Body: rec.Body}
}

func pageOf(p *store.Page, total int) *rest.Page {
	out := &rest.Page{Next: p.Next, Total: total}
	if len(p.Records) > 0 {
		out.Versions = make([]*rest.Version, 0, len(p.Records))
	}
	for _, rec := range p.Records {
		out.Versions = append(out.Versions, versionOf(rec))
	}
	return out
}

// directWork is the work of a plain FHIR write. What it creates is ours, so
// messages may link to it.
func (d *Desk) directWork(ctx context.Context) *work {
	caller := CallerFrom(ctx)
	who := d.byCaller(caller).see(caller.Organisation)
	who.Hosted = true
	return &work{d: d, who: who, names: map[string]store.Ref{}, changed: map[store.Ref]*fhir.Resource{}, diary: newDiary()}
}
