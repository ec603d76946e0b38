package sqlite

import (
	"context"
	"fmt"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// Explain implements store.Store: which condition drives and what it has at
// most, then SQLite's own plan of each statement. A search may end before the
// last of them.
func (s *Store) Explain(ctx context.Context, q *search.Query) (*store.Plan, error) {
	if err := kit.CheckQuery(q); err != nil {
		return nil, err
	}
	plan := &store.Plan{Engine: "sqlite"}
	err := s.read(ctx, "explain", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			p, err := newPlanner(ctx, c, q)
			if err != nil {
				return err
			}
			if p == nil {
				plan.Steps = []string{"nothing can match"}
				return nil
			}
			return p.explain(ctx, q, plan)
		})
	})
	if err != nil {
		return nil, err
	}
	return plan, nil
}

func (p *planner) explain(ctx context.Context, q *search.Query, plan *store.Plan) error {
	o, err := p.order(ctx, q.Sort)
	if err != nil {
		return err
	}
	n := kit.PageSize(q.Count) + 1
	walk, err := p.walks(ctx, o, n)
	if err != nil {
		return err
	}
	if plan.Rows, err = p.most(ctx); err != nil {
		return err
	}
	drive := "no condition drives"
	if p.drive >= 0 {
		drive = "rarest: " + search.Describe(p.conds[p.drive])
	}
	way := "gather and sort"
	if _, byStart := p.byStart(o); walk || byStart {
		way = "read in order until the page is full"
	}
	plan.Steps = append(plan.Steps, fmt.Sprintf("%s, at most %d records", drive, plan.Rows), way)
	for i, term := range p.conds {
		if i != p.drive {
			plan.Steps = append(plan.Steps, "check: "+search.Describe(term))
		}
	}
	p.explained = &plan.Steps
	_, err = p.hits(ctx, o, nil, n, nil)
	return err
}

// most is what the driving condition has at most: all records of the type, where
// none drives or it is only known to have many.
func (p *planner) most(ctx context.Context) (n int, err error) {
	if p.drive >= 0 && p.rows < manyRows {
		return p.rows, nil
	}
	_, err = p.c.row(ctx, `SELECT live FROM types WHERE t = ?`, []any{p.typ}, &n)
	return n, err
}

// steps adds SQLite's plan of a statement in place of running it.
func (p *planner) steps(ctx context.Context, s *sqlText) error {
	return p.c.each(ctx, `EXPLAIN QUERY PLAN `+s.String(), s.args, func(scan func(...any) error) error {
		var id, parent, unused int
		var detail string
		err := scan(&id, &parent, &unused, &detail)
		*p.explained = append(*p.explained, detail)
		return err
	})
}
