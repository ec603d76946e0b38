package bars

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Commit carries out changes of plain FHIR REST, all of them in one commit of
// the store or none. Each goes through the rules of its type. Where another
// write comes between, everything is read and judged again.
func (b *Records) Commit(ctx context.Context, changes []rest.Change) ([]rest.Changed, error) {
	ids := make([]string, len(changes))
	for i := range ids {
		ids[i] = b.d.newID()
	}
	return again(func() ([]rest.Changed, error) {
		t := &transaction{d: b.d, changes: changes, ids: ids, names: map[string]store.Ref{}, searches: map[string]store.Ref{}, diary: newDiary()}
		if err := t.plan(ctx); err != nil {
			return nil, err
		}
		result, err := t.commit(ctx)
		if err != nil {
			return nil, err
		}
		return t.changed(result), nil
	})
}

// transaction is several changes on their way into one batch.
type transaction struct {
	d       *Desk
	changes []rest.Change
	ids     []string // of what they create
	steps   []step
	names   map[string]store.Ref
	// searches are the records that conditional references mean, by their text.
	searches map[string]store.Ref
	diary    *diary
	batch    store.Batch
	made     []int // the change that each op of the batch comes from
	// conditions are what must match nothing, each with its change.
	conditions []condition
}

type condition struct {
	change int
	none   *search.Query
}

// step is one change, once it is known which record it is about.
type step struct {
	ref     store.Ref
	current *store.Record // nil: there is none
	found   bool          // a conditional create found current
	nothing bool          // there is nothing to delete
	deletes bool
}

func (s step) writes() bool { return !s.found && !s.nothing }

// order is the order in which a transaction's changes are made (R4
// http.html#trules).
var order = []string{http.MethodDelete, http.MethodPost, http.MethodPut, http.MethodPatch}

// plan fills the batch.
func (t *transaction) plan(ctx context.Context) error {
	for i := range t.changes {
		s, err := t.resolve(ctx, i)
		if err != nil {
			return t.blame(i, err)
		}
		t.steps = append(t.steps, s)
	}
	if err := t.checkOverlap(); err != nil {
		return err
	}
	for _, method := range order {
		for i, c := range t.changes {
			if c.Method != method || !t.steps[i].writes() {
				continue
			}
			if err := t.carryOut(ctx, i); err != nil {
				return t.blame(i, err)
			}
		}
	}
	if err := t.settle(ctx); err != nil {
		return err
	}
	return t.checkConditions()
}

// settle adds what the changes come to for the slots that they touch.
func (t *transaction) settle(ctx context.Context) error {
	s, change, err := t.diary.settle(ctx, t.d.directWork(ctx))
	if err != nil {
		return t.blame(change, err)
	}
	ops := slices.Clone(s.claims)
	for i, op := range t.batch.Ops {
		ops = append(ops, settledOp{op, t.made[i]})
	}
	ops = append(ops, s.rest...)
	t.batch.Ops, t.made = nil, nil
	for _, o := range ops {
		t.batch.Ops, t.made = append(t.batch.Ops, o.op), append(t.made, o.change)
	}
	t.batch.Guards = append(t.batch.Guards, s.guards...)
	return nil
}

// blame says which change an error is about.
func (t *transaction) blame(i int, err error) error {
	return &rest.ChangeError{Change: i, Err: t.d.outcome(err)}
}

// resolve finds the record that a change is about.
func (t *transaction) resolve(ctx context.Context, i int) (step, error) {
	c := t.changes[i]
	s := step{ref: store.Ref{Type: c.Type, ID: c.ID}}
	var err error
	switch {
	case c.Where != nil:
		s, err = t.search(ctx, i)
	case c.Method == http.MethodPost:
		s.ref.ID = t.ids[i]
	default:
		s.current, err = t.d.store.Get(ctx, s.ref)
		if errors.Is(err, store.ErrNotFound) && (c.Method == http.MethodPut || c.Method == http.MethodDelete) {
			err = nil // R4 http.html#delete: what isn't there is deleted already
		}
	}
	if err != nil {
		return s, err
	}
	switch live := s.current != nil && !s.current.Deleted; {
	case c.IfMatch != 0 && (s.current == nil || s.current.Version != c.IfMatch):
		return s, fhir.NewOutcome(fhir.KindVersion, "", "If-Match names another version than the current one")
	case c.IfLive && !live:
		return s, fhir.NewOutcome(fhir.KindVersion, "", "If-Match asks for a record that is there, but there is none")
	case c.IfNew && live:
		return s, fhir.NewOutcome(fhir.KindVersion, "", "If-None-Match asks for a new record, but there is one")
	case c.Method == http.MethodPatch && !live:
		return s, fhir.NewOutcome(fhir.KindGone, "", "the resource was deleted")
	case c.Method == http.MethodDelete && !live:
		s.nothing = true
	}
	s.deletes = c.Method == http.MethodDelete && !s.nothing
	return s, nil
}

// checkOverlap refuses two changes of one record (R4 http.html#trules): which of
// them should stand isn't said.
func (t *transaction) checkOverlap() error {
	taken := map[store.Ref]string{} // by its method
	for i, s := range t.steps {
		if !s.writes() {
			continue
		}
		if taken[s.ref] != "" {
			return t.blame(i, fhir.NewOutcome(fhir.KindInvalid, "", "two entries of the transaction change the same record"))
		}
		taken[s.ref] = t.changes[i].Method
	}
	for i, s := range t.steps {
		if s.found && taken[s.ref] == http.MethodDelete {
			return t.blame(i, fhir.NewOutcome(fhir.KindInvalid, "", "the condition finds a record that another entry deletes"))
		}
		if s.found { // it must still be there when the others are written
			t.batch.Guards = append(t.batch.Guards, store.VersionGuard{Ref: s.ref, Version: s.current.Version})
		}
		name := t.changes[i].Name
		if other, twice := t.names[name]; twice && other != s.ref {
			return t.blame(i, fhir.NewOutcome(fhir.KindInvalid, "", "two entries have the same fullUrl"))
		}
		if name != "" && t.changes[i].Method != http.MethodDelete {
			t.names[name] = s.ref
		}
	}
	return nil
}

// carryOut adds one change and what the rules make of it.
func (t *transaction) carryOut(ctx context.Context, i int) error {
	c, s := t.changes[i], t.steps[i]
	w := t.d.directWork(ctx)
	w.diary, w.change = t.diary, i
	if c.Method == http.MethodDelete {
		if err := w.remove(ctx, s.current); err != nil {
			return err
		}
	} else {
		res, err := t.content(ctx, i)
		if err != nil {
			return err
		}
		if w.service, err = t.serviceOf(ctx, res); err != nil {
			return err
		}
		if err := w.apply(ctx, res, s.ref.ID, c.Method, s.current); err != nil {
			return err
		}
	}
	for _, op := range w.batch.Ops {
		t.batch.Ops, t.made = append(t.batch.Ops, op), append(t.made, i)
	}
	t.batch.Guards = append(t.batch.Guards, w.batch.Guards...)
	return nil
}

// commit hands the batch to the store; one without operations needs none.
func (t *transaction) commit(ctx context.Context) (*store.Result, error) {
	if len(t.batch.Ops) == 0 {
		return &store.Result{}, nil
	}
	told, causes, err := t.d.point(ctx, &t.batch)
	if err != nil {
		return nil, t.d.outcome(err)
	}
	for i, op := range told {
		t.batch.Ops, t.made = append(t.batch.Ops, op), append(t.made, t.made[causes[i]])
	}
	result, err := t.d.store.Commit(ctx, &t.batch)
	var conflict *store.ConflictError
	if errors.As(err, &conflict) && conflict.Kind != store.GuardFailed && conflict.Op < len(t.made) {
		return nil, t.blame(t.made[conflict.Op], err)
	}
	if err != nil {
		return nil, t.d.outcome(err)
	}
	return result, nil
}

// changed says what each change did.
func (t *transaction) changed(result *store.Result) []rest.Changed {
	written := map[store.Ref]store.Version{}
	for _, v := range result.Versions {
		written[v.Ref] = v
	}
	puts := map[store.Ref]*store.Record{}
	for _, op := range t.batch.Ops {
		if put, ok := op.(store.Put); ok {
			puts[put.Record.Ref()] = put.Record
		}
	}
	out := make([]rest.Changed, len(t.steps))
	for i, s := range t.steps {
		if !s.writes() {
			if s.current != nil {
				out[i].Version = versionOf(s.current)
			}
			out[i].Found = s.found
			continue
		}
		v := &rest.Version{Type: s.ref.Type, ID: s.ref.ID, Deleted: true, Method: http.MethodDelete}
		if rec := puts[s.ref]; rec != nil {
			v = versionOf(rec)
			out[i].Created = s.current == nil || s.current.Deleted
		}
		v.Version, v.LastUpdated = written[s.ref].Version, written[s.ref].LastUpdated
		out[i].Version = v
	}
	return out
}

// checkConditions refuses a transaction in which one entry writes what another
// one's condition excludes: the store judges conditions before it writes.
func (t *transaction) checkConditions() error {
	for _, c := range t.conditions {
		t.batch.Guards = append(t.batch.Guards, store.NoMatch{Query: c.none})
		if t.changes[c.change].Method == http.MethodDelete {
			continue // it comes first, so what others write isn't there yet
		}
		for at, op := range t.batch.Ops {
			put, ok := op.(store.Put)
			if !ok || put.Record.Type != c.none.Type || t.made[at] == c.change {
				continue
			}
			if search.Match(c.none, put.Record.ID, t.d.now().UnixMilli(), put.Record.Index) {
				return t.blame(t.made[at], fhir.NewOutcome(fhir.KindInvalid, "", "another entry's condition excludes what this entry writes"))
			}
		}
	}
	return nil
}
