package bars

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

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

// Create stores a new resource under an id of ours.
func (b *Records) Create(ctx context.Context, r *fhir.Resource) (*rest.Version, error) {
	id := b.d.newID()
	for range attempts { // a Slot that an Appointment claims may change meanwhile
		w := b.d.directWork(ctx)
		if err := w.change(ctx, r, id, "POST", nil); err != nil {
			return nil, b.d.outcome(err)
		}
		v, err := b.done(ctx, w, store.Ref{Type: r.Type(), ID: id})
		if !raced(err) {
			return v, err
		}
	}
	return nil, keepsChanging()
}

func keepsChanging() error {
	return fhir.NewOutcome(fhir.KindUnavailable, "", "the records of this request keep changing; try again").After(time.Second)
}

// Update stores the next version of a record, or the first under the client's
// id.
func (b *Records) Update(ctx context.Context, id string, r *fhir.Resource, ifMatch int64) (*rest.Version, bool, error) {
	ref := store.Ref{Type: r.Type(), ID: id}
	for range attempts {
		current, err := b.d.store.Get(ctx, ref)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, false, b.d.outcome(err)
		}
		if ifMatch != 0 && (current == nil || current.Version != ifMatch) {
			return nil, false, fhir.NewOutcome(fhir.KindVersion, "", "If-Match names another version than the current one")
		}
		w := b.d.directWork(ctx)
		if err := w.change(ctx, r, id, "PUT", current); err != nil {
			return nil, false, b.d.outcome(err)
		}
		v, err := b.done(ctx, w, ref)
		if err == nil {
			return v, current == nil || current.Deleted, nil
		}
		if !raced(err) {
			return nil, false, err
		}
	}
	return nil, false, keepsChanging()
}

// Delete leaves a tombstone.
func (b *Records) Delete(ctx context.Context, typ, id string, ifMatch int64) error {
	ref := store.Ref{Type: typ, ID: id}
	for range attempts {
		current, err := b.d.store.Get(ctx, ref)
		if err != nil {
			return b.d.outcome(err)
		}
		if ifMatch != 0 && current.Version != ifMatch {
			return fhir.NewOutcome(fhir.KindVersion, "", "If-Match names another version than the current one")
		}
		if current.Deleted {
			return nil
		}
		w := b.d.directWork(ctx)
		if err := w.remove(ctx, current); err != nil {
			return b.d.outcome(err)
		}
		_, err = b.done(ctx, w, ref)
		if err == nil {
			return nil
		}
		if !raced(err) {
			return err
		}
	}
	return keepsChanging()
}

// raced says whether another write came between read and commit.
func raced(err error) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && (c.Kind == store.VersionConflict || c.Kind == store.Exists || c.Kind == store.GuardFailed)
}

// done commits and returns what was written of the record.
func (b *Records) done(ctx context.Context, w *work, ref store.Ref) (*rest.Version, error) {
	result, err := b.d.store.Commit(ctx, &w.batch)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	for i, op := range w.batch.Ops {
		if put, ok := op.(store.Put); ok && put.Record.Ref() == ref {
			v := versionOf(put.Record)
			at := versionIndex(w.batch.Ops, i)
			v.Version, v.LastUpdated = result.Versions[at].Version, result.Versions[at].LastUpdated
			return v, nil
		}
	}
	return nil, nil
}

// versionIndex counts the record writes before an op.
func versionIndex(ops []store.Op, at int) int {
	n := 0
	for _, op := range ops[:at] {
		switch op.(type) {
		case store.Put, store.Delete:
			n++
		}
	}
	return n
}

// History lists versions, newest first.
func (b *Records) History(ctx context.Context, q rest.HistoryQuery) (*rest.Page, error) {
	scope := store.Ref{Type: q.Type, ID: q.ID}
	if q.ID != "" {
		if _, err := b.d.store.Get(ctx, scope); err != nil {
			return nil, b.d.outcome(err)
		}
	}
	if q.At != nil {
		page, err := b.historyAt(ctx, q, scope)
		if err != nil {
			return nil, b.d.outcome(err)
		}
		return pageOf(page, -1), nil
	}
	page, err := b.d.store.History(ctx, scope, q.Since, q.Count, q.Cursor)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	return pageOf(page, -1), nil
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

// maxTotal bounds counting.
const maxTotal = 10_000

// Search returns one page; the total where the page holds all or it is asked
// for.
func (b *Records) Search(ctx context.Context, q *search.Query, count bool) (*rest.Page, error) {
	resolved, err := b.d.resolveChains(ctx, q)
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
		n, exact, err := b.d.store.Count(ctx, resolved, maxTotal)
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
	return &work{d: d, who: who, names: map[string]store.Ref{}, changed: map[store.Ref]*fhir.Resource{}}
}

// maxChain bounds the records that the inner query of a chain may find. Every
// message adds a Patient, so a person may have many.
const maxChain = search.MaxTerms

// resolveChains runs the inner queries of chained parameters and puts what they
// found in their place.
func (d *Desk) resolveChains(ctx context.Context, q *search.Query) (*search.Query, error) {
	where, err := d.resolveNode(ctx, q.Where)
	if err != nil {
		return nil, err
	}
	out := *q
	out.Where = where
	return &out, nil
}

func (d *Desk) resolveNode(ctx context.Context, n search.Node) (search.Node, error) {
	switch n := n.(type) {
	case search.And:
		nodes, err := d.resolveNodes(ctx, n)
		return search.And(nodes), err
	case search.Or:
		nodes, err := d.resolveNodes(ctx, n)
		return search.Or(nodes), err
	case search.Not:
		inner, err := d.resolveNode(ctx, n.Node)
		return search.Not{Node: inner}, err
	case search.Chain:
		return d.resolveChain(ctx, n)
	}
	return n, nil
}

func (d *Desk) resolveNodes(ctx context.Context, nodes []search.Node) ([]search.Node, error) {
	out := make([]search.Node, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = d.resolveNode(ctx, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *Desk) resolveChain(ctx context.Context, c search.Chain) (search.Node, error) {
	inner, err := d.resolveChains(ctx, c.Query)
	if err != nil {
		return nil, err
	}
	inner.Count = search.MaxCount
	found := search.HasAny{}
	for {
		page, err := d.store.Search(ctx, inner)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			found = append(found, c.Param+":"+rec.Type+"/"+rec.ID)
		}
		if len(found) > maxChain {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "", strings.TrimSpace(c.Param)+": the chained search finds more than "+itoa(maxChain)+" records")
		}
		if page.Next == "" {
			return found, nil
		}
		inner.Cursor = page.Next
	}
}
