package mongo

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/bson"

	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Explain implements store.Store: the conditions in the order in which the
// filter has them, then the stages and indexes that the server would take for
// each part of the list. Rows counts the first condition, up to 10,000.
func (s *Store) Explain(ctx context.Context, q *search.Query) (*store.Plan, error) {
	if err := kit.CheckQuery(q); err != nil {
		return nil, err
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	terms := kit.Flatten(q.Where, nil)
	slices.SortStableFunc(terms, func(a, b search.Node) int { return promise(a) - promise(b) })
	plan := &store.Plan{Engine: "mongodb", Steps: []string{"type " + q.Type}}
	first := &search.Query{Type: q.Type}
	for i, term := range terms {
		by := "check: "
		if i == 0 {
			by, first.Where = "first: ", term
		}
		plan.Steps = append(plan.Steps, by+search.Describe(term))
	}
	rows, err := s.res.CountDocuments(in, filter(first), options.Count().SetLimit(defaultCount))
	if err != nil {
		return nil, fault(ctx, "explain", err)
	}
	plan.Rows = int(rows)
	o, err := s.order(in, q)
	if err != nil {
		return nil, fault(ctx, "explain", err)
	}
	if err := s.affordable(in, q, o); err != nil {
		return nil, fault(ctx, "explain", err)
	}
	for _, p := range o.parts(nil) {
		steps, err := s.stages(in, append(filter(q), o.has(p)...), o.sort(p), kit.PageSize(q.Count)+1)
		if err != nil {
			return nil, fault(ctx, "explain", err)
		}
		plan.Steps = append(plan.Steps, steps...)
	}
	return plan, nil
}

// stages asks the server for its plan. Only stages and names of indexes are
// taken from it: the rest of the answer quotes the query.
func (s *Store) stages(ctx context.Context, where, sort bson.D, limit int) ([]string, error) {
	find := bson.D{{Key: "find", Value: s.res.Name()}, {Key: "filter", Value: where}, {Key: "sort", Value: sort}, {Key: "limit", Value: int64(limit)}}
	raw, err := s.res.Database().RunCommand(ctx, bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
	if codeOf(err) == codeNoCommand {
		return []string{"the server explains nothing"}, nil
	}
	if err != nil {
		return nil, err
	}
	return stagesOf(raw.Lookup("queryPlanner", "winningPlan"), nil), nil
}

// stagesOf lists a plan's stages from the outermost on. A cluster has one plan a
// shard.
func stagesOf(plan bson.RawValue, out []string) []string {
	d, is := plan.DocumentOK()
	if !is {
		return out
	}
	if stage := text(d, "stage"); stage != "" {
		if index := text(d, "indexName"); index != "" {
			stage += " by index " + index
		}
		out = append(out, stage)
	}
	for _, name := range []string{"queryPlan", "winningPlan", "inputStage"} {
		out = stagesOf(d.Lookup(name), out)
	}
	for _, name := range []string{"inputStages", "shards"} {
		list, is := d.Lookup(name).ArrayOK()
		if !is {
			continue
		}
		values, err := list.Values()
		if err != nil {
			continue
		}
		for _, v := range values {
			out = stagesOf(v, out)
		}
	}
	return out
}
