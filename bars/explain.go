package bars

import (
	"context"

	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var _ rest.Explainer = (*Records)(nil)

// explainer is a store that says how it would carry out a query.
type explainer interface {
	Explain(ctx context.Context, q *search.Query) (*store.Plan, error)
}

// Explain says how a search would be carried out, with the values masked.
func (b *Records) Explain(ctx context.Context, q *search.Query) (*rest.Plan, error) {
	resolved, err := b.d.resolve(ctx, q)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	out := &rest.Plan{Condition: search.Mask(resolved.Where), Rows: -1}
	engine, can := b.d.store.(explainer)
	if !can {
		return out, nil
	}
	plan, err := engine.Explain(ctx, resolved)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	out.Engine, out.Steps, out.Rows = plan.Engine, plan.Steps, plan.Rows
	return out, nil
}
