package rest

import (
	"context"
	"net/http"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// explainParam asks for the plan of a search instead of its matches.
const explainParam = "_explain"

// Explainer is a Backend that can say how it would carry out a search.
type Explainer interface {
	// Explain follows the chains of q, but doesn't carry out q itself.
	Explain(ctx context.Context, q *search.Query) (*Plan, error)
}

// Plan is how a search of one type would be carried out. Nothing in it may be a
// value of the query or of a record (design D21).
type Plan struct {
	Condition string   // see search.Describe; chains are followed already
	Engine    string   // "" where the store doesn't say
	Steps     []string // the engine's
	Rows      int      // that the engine expects to look at, -1: not known
}

// wantsPlan reads the parameter.
func wantsPlan(own []search.Pair) (bool, error) {
	switch {
	case len(own) == 0:
		return false, nil
	case len(own) > 1:
		return false, fhir.NewOutcome(fhir.KindInvalid, "", "the parameter "+explainParam+" is given more than once")
	case own[0].Name != explainParam, own[0].Value != "true" && own[0].Value != "false":
		return false, fhir.NewOutcome(fhir.KindValue, "", "the parameter "+explainParam+" must be true or false")
	}
	return own[0].Value == "true", nil
}

// explain answers with Parameters: for each type searched, what was understood
// and what the engine would do.
func (h *Handler) explain(w http.ResponseWriter, r *http.Request, p *search.Parsed) error {
	explainer, ok := h.backend.(Explainer)
	if !ok {
		return fhir.NewOutcome(fhir.KindNotImplemented, "", "the parameter "+explainParam+" is not offered by this store")
	}
	queries := p.Queries
	if queries == nil {
		queries = []*search.Query{p.Query}
	}
	var all []*fhir.Object
	for _, q := range queries {
		whole := *q
		whole.Sort, whole.Count = p.Query.Sort, p.Query.Count
		plan, err := explainer.Explain(r.Context(), &whole)
		if err != nil {
			return err
		}
		all = append(all, fhir.Obj("name", "query", "part", plan.parts(&whole)))
	}
	return WriteResource(w, r, http.StatusOK, fhir.NewObject("Parameters").Set("parameter", all).Resource())
}

func (plan *Plan) parts(q *search.Query) []*fhir.Object {
	text := func(name, value string) *fhir.Object { return fhir.Obj("name", name, "valueString", value) }
	parts := []*fhir.Object{fhir.Obj("name", "type", "valueCode", q.Type), text("condition", plan.Condition)}
	for _, s := range q.Sort {
		order := " ascending"
		if s.Desc {
			order = " descending"
		}
		parts = append(parts, text("sort", s.Param+order))
	}
	if plan.Engine != "" {
		parts = append(parts, text("engine", plan.Engine))
	}
	for _, step := range plan.Steps {
		parts = append(parts, text("step", step))
	}
	if plan.Rows >= 0 {
		parts = append(parts, fhir.Obj("name", "rows", "valueInteger", plan.Rows))
	}
	return parts
}
