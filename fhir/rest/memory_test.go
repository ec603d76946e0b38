package rest_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

// memory is a Backend to test the interactions with. It knows searches by _id
// and for everything of a type; its cursors are offsets.
type memory struct {
	mu      sync.Mutex
	clock   func() time.Time
	ids     int
	records map[string][]*rest.Version // by Type/id, oldest first
	// fail, where set, is what every method returns or panics with.
	fail    error
	panics  any
	queries []*search.Query
	changes []rest.Change
	since   time.Time
}

func newMemory(clock func() time.Time) *memory {
	return &memory{clock: clock, records: map[string][]*rest.Version{}}
}

func (m *memory) enter() error {
	if m.panics != nil {
		panic(m.panics)
	}
	return m.fail
}

func (m *memory) Read(_ context.Context, typ, id string) (*rest.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	list := m.records[typ+"/"+id]
	if len(list) == 0 {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "there is no such resource")
	}
	return list[len(list)-1], nil
}

func (m *memory) VersionRead(_ context.Context, typ, id string, version int64) (*rest.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.records[typ+"/"+id]
	if version > int64(len(list)) {
		return nil, fhir.NewOutcome(fhir.KindNotFound, "", "there is no such version")
	}
	return list[version-1], nil
}

func (m *memory) Commit(_ context.Context, changes []rest.Change) ([]rest.Changed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	m.changes = append(m.changes, changes...)
	before := maps.Clone(m.records)
	var out []rest.Changed
	for i, c := range changes {
		done, err := m.change(c)
		if err != nil {
			m.records = before
			return nil, &rest.ChangeError{Change: i, Err: err}
		}
		out = append(out, done)
	}
	return out, nil
}

func (m *memory) change(c rest.Change) (rest.Changed, error) {
	if c.Where != nil {
		found := m.find(c.Where)
		switch {
		case len(found) > 1:
			return rest.Changed{}, fhir.NewOutcome(fhir.KindVersion, "", "several match")
		case len(found) == 1 && c.Method == "POST":
			return rest.Changed{Version: found[0], Found: true}, nil
		case len(found) == 1:
			c.ID = found[0].ID
		case c.Method == "DELETE":
			return rest.Changed{}, nil
		case c.Resource != nil:
			c.ID = c.Resource.ID()
		}
	}
	if c.ID == "" && c.Resource != nil {
		m.ids++
		c.ID = "new-" + strconv.Itoa(m.ids)
	}
	list := m.records[c.Type+"/"+c.ID]
	live := len(list) > 0 && !list[len(list)-1].Deleted
	switch {
	case c.IfMatch != 0 && c.IfMatch != int64(len(list)), c.IfNew && live, c.IfLive && !live:
		return rest.Changed{}, fhir.NewOutcome(fhir.KindVersion, "", "the resource changed since it was read")
	case c.Method == "DELETE" && len(list) == 0:
		return rest.Changed{}, nil
	case c.Resource == nil && len(list) == 0:
		return rest.Changed{}, fhir.NewOutcome(fhir.KindNotFound, "", "there is no such resource")
	case c.Method == "DELETE" && !live:
		return rest.Changed{Version: list[len(list)-1]}, nil
	case c.Method == "DELETE":
		return rest.Changed{Version: m.add(&rest.Version{Type: c.Type, ID: c.ID, Deleted: true, Method: "DELETE"})}, nil
	}
	r := c.Resource
	if c.Patch != nil {
		last := list[len(list)-1]
		current, err := fhir.Parse(fhir.Stamp(last.Body, last.Version, last.LastUpdated))
		if err != nil {
			return rest.Changed{}, err
		}
		if r, err = c.Patch(current); err != nil {
			return rest.Changed{}, err
		}
	}
	v, err := m.put(c.Method, c.ID, r)
	return rest.Changed{Version: v, Created: !live}, err
}

func (m *memory) History(_ context.Context, q rest.HistoryQuery) (*rest.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	m.since = q.Since
	var all []*rest.Version
	for _, list := range m.records {
		for i, v := range list {
			stood := q.At == nil || !v.LastUpdated.After(q.At.To) && (i+1 == len(list) || list[i+1].LastUpdated.After(q.At.From))
			if (q.Type == "" || v.Type == q.Type) && (q.ID == "" || v.ID == q.ID) && stood && !v.LastUpdated.Before(q.Since) {
				all = append(all, v)
			}
		}
	}
	slices.SortFunc(all, func(a, b *rest.Version) int {
		return cmp.Or(b.LastUpdated.Compare(a.LastUpdated), cmp.Compare(b.Type+"/"+b.ID, a.Type+"/"+a.ID), cmp.Compare(b.Version, a.Version))
	})
	if q.CountOnly {
		return &rest.Page{Total: len(all)}, nil
	}
	return page(all, q.Count, q.Cursor)
}

func (m *memory) Search(_ context.Context, q *search.Query, _ bool) (*rest.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	m.queries = append(m.queries, q)
	return page(m.find(q), cmp.Or(q.Count, search.DefaultCount), q.Cursor)
}

// Included brings every Organization, whatever the includes are.
func (m *memory) Included(_ context.Context, _ []*rest.Version, _ []search.Include) ([]*rest.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(&search.Query{Type: "Organization"}), nil
}

func (m *memory) find(q *search.Query) []*rest.Version {
	var found []*rest.Version
	for _, list := range m.records {
		v := list[len(list)-1]
		if v.Type == q.Type && !v.Deleted && matches(q.Where, v) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b *rest.Version) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

func matches(n search.Node, v *rest.Version) bool {
	switch n := n.(type) {
	case search.IDs:
		return slices.Contains(n, v.ID)
	case search.And:
		return !slices.ContainsFunc(n, func(n search.Node) bool { return !matches(n, v) })
	}
	return true
}

func page(all []*rest.Version, count int, cursor string) (*rest.Page, error) {
	start := 0
	if cursor != "" {
		var err error
		if start, err = strconv.Atoi(cursor); err != nil || start > len(all) {
			return nil, fhir.NewOutcome(fhir.KindValue, "", "_cursor is not one of this server's")
		}
	}
	p := &rest.Page{Versions: all[start:min(start+count, len(all))], Total: len(all)}
	if start+count < len(all) {
		p.Next = strconv.Itoa(start + count)
	}
	return p, nil
}

func (m *memory) put(method, id string, r *fhir.Resource) (*rest.Version, error) {
	typ := r.Type()
	r, err := r.Edit().SetText(r.Root(), "id", id).Done()
	if err != nil {
		return nil, err
	}
	if r, err = fhir.Unstamp(r); err != nil {
		return nil, err
	}
	return m.add(&rest.Version{Type: typ, ID: id, Method: method, Body: r.JSON()}), nil
}

func (m *memory) add(v *rest.Version) *rest.Version {
	key := v.Type + "/" + v.ID
	v.Version, v.LastUpdated = int64(len(m.records[key])+1), m.clock()
	m.records[key] = append(m.records[key], v)
	return v
}
