package bars

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// search finds the record that a condition means and guards that it still means
// that one when the batch is committed.
func (t *transaction) search(ctx context.Context, i int) (step, error) {
	c := t.changes[i]
	found, err := t.matches(ctx, c.Where)
	if err != nil {
		return step{}, err
	}
	s := step{ref: store.Ref{Type: c.Type}}
	guard := *c.Where
	if len(found) == 1 {
		s.ref, s.current = found[0].Ref(), found[0]
		guard.Where = search.And{guard.Where, search.Not{Node: search.IDs{s.ref.ID}}}
	}
	t.conditions = append(t.conditions, condition{i, &guard})
	switch c.Method {
	case http.MethodPost:
		if s.found = s.current != nil; !s.found {
			s.ref.ID = t.ids[i]
		}
	case http.MethodPut:
		return t.searchUpdate(ctx, i, s)
	case http.MethodPatch:
		if s.current == nil {
			return s, fhir.NewOutcome(fhir.KindNotFound, "", "the condition finds nothing to patch")
		}
	}
	return s, nil
}

// searchUpdate completes a conditional update (R4 http.html#cond-update).
func (t *transaction) searchUpdate(ctx context.Context, i int, s step) (step, error) {
	id := t.changes[i].Resource.ID()
	switch {
	case s.current != nil && id != "" && id != s.ref.ID:
		return s, fhir.NewOutcome(fhir.KindInvalid, s.ref.Type+".id", "the resource's id is not that of the record that the condition finds")
	case s.current != nil:
		return s, nil
	case id == "":
		s.ref.ID = t.ids[i]
		return s, nil
	case !fhir.ValidID(id):
		return s, fhir.NewOutcome(fhir.KindValue, s.ref.Type+".id", "the id is not a FHIR id: 1 to 64 letters, digits, \"-\" and \".\"")
	}
	s.ref.ID = id
	current, err := t.d.get(ctx, s.ref)
	if err != nil {
		return s, err
	}
	if current != nil && !current.Deleted {
		return s, fhir.NewOutcome(fhir.KindConflict, s.ref.Type+".id", "there is a record with the resource's id, and the condition does not find it")
	}
	s.current = current
	return s, nil
}

// get is the current version of a record, nil where there never was one.
func (d *Desk) get(ctx context.Context, ref store.Ref) (*store.Record, error) {
	rec, err := d.store.Get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

// matches finds the one record that a condition means, or none; several are
// refused with 412.
func (t *transaction) matches(ctx context.Context, where *search.Query) ([]*store.Record, error) {
	if chained(where.Where) {
		// What the chain leads to may change before the commit, unguarded.
		return nil, fhir.NewOutcome(fhir.KindNotSupported, "", "a condition takes no chained parameters")
	}
	q := *where
	q.Count = 2
	page, err := t.d.store.Search(ctx, &q)
	if err != nil {
		return nil, err
	}
	if len(page.Records) > 1 {
		return nil, fhir.NewOutcome(fhir.KindVersion, "", "the condition finds more than one record")
	}
	return page.Records, nil
}

func chained(n search.Node) bool {
	switch n := n.(type) {
	case search.And:
		return slices.ContainsFunc(n, chained)
	case search.Or:
		return slices.ContainsFunc(n, chained)
	case search.Not:
		return chained(n.Node)
	case search.Chain, search.ReverseChain:
		return true
	}
	return false
}
