package rest_test

import (
	"cmp"
	"context"
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

func (m *memory) Create(_ context.Context, r *fhir.Resource) (*rest.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	m.ids++
	return m.put("POST", "new-"+strconv.Itoa(m.ids), r)
}

func (m *memory) Update(_ context.Context, id string, r *fhir.Resource, ifMatch int64) (*rest.Version, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, false, err
	}
	have := len(m.records[r.Type()+"/"+id])
	if ifMatch != 0 && ifMatch != int64(have) {
		return nil, false, fhir.NewOutcome(fhir.KindVersion, "", "the resource changed since it was read")
	}
	v, err := m.put("PUT", id, r)
	return v, have == 0, err
}

func (m *memory) Delete(_ context.Context, typ, id string, ifMatch int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return err
	}
	list := m.records[typ+"/"+id]
	switch {
	case len(list) == 0:
		return fhir.NewOutcome(fhir.KindNotFound, "", "there is no such resource")
	case ifMatch != 0 && ifMatch != int64(len(list)):
		return fhir.NewOutcome(fhir.KindVersion, "", "the resource changed since it was read")
	case list[len(list)-1].Deleted:
		return nil
	}
	m.add(&rest.Version{Type: typ, ID: id, Deleted: true, Method: "DELETE"})
	return nil
}

func (m *memory) History(_ context.Context, typ, id string, since time.Time, count int, cursor string) (*rest.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	m.since = since
	list := slices.Clone(m.records[typ+"/"+id])
	slices.Reverse(list)
	list = slices.DeleteFunc(list, func(v *rest.Version) bool { return v.LastUpdated.Before(since) })
	return page(list, count, cursor)
}

func (m *memory) Search(_ context.Context, q *search.Query, _ bool) (*rest.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.enter(); err != nil {
		return nil, err
	}
	m.queries = append(m.queries, q)
	var found []*rest.Version
	for _, list := range m.records {
		v := list[len(list)-1]
		if v.Type == q.Type && !v.Deleted && matches(q.Where, v) {
			found = append(found, v)
		}
	}
	slices.SortFunc(found, func(a, b *rest.Version) int { return cmp.Compare(a.ID, b.ID) })
	return page(found, cmp.Or(q.Count, search.DefaultCount), q.Cursor)
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
