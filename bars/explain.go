package bars

import (
	"context"

	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

var _ rest.Explainer = (*Records)(nil)

// Explain says how a search would be carried out, with the values masked.
func (b *Records) Explain(ctx context.Context, q *search.Query) (*rest.Plan, error) {
	resolved, err := b.d.resolve(ctx, q)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	plan, err := b.d.store.Explain(ctx, resolved)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	return &rest.Plan{Condition: search.Describe(resolved.Where), Engine: plan.Engine, Steps: plan.Steps, Rows: plan.Rows}, nil
}
