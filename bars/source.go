package bars

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// source is the store as the search package reads it to follow chains and
// includes. It remembers the records that it handed out.
type source struct {
	d    *Desk
	seen map[search.Ref]*store.Record
}

func (s *source) Search(ctx context.Context, q *search.Query) ([]search.Found, string, error) {
	page, err := s.d.store.Search(ctx, q)
	if err != nil {
		return nil, "", err
	}
	return s.found(page.Records), page.Next, nil
}

func (s *source) GetMany(ctx context.Context, refs []search.Ref) ([]search.Found, error) {
	var all []search.Found
	for chunk := range slices.Chunk(refs, store.MaxMany) {
		wanted := make([]store.Ref, len(chunk))
		for i, ref := range chunk {
			wanted[i] = store.Ref{Type: ref.Type, ID: ref.ID}
		}
		records, err := s.d.store.GetMany(ctx, wanted)
		if err != nil {
			return nil, err
		}
		all = append(all, s.found(records)...)
	}
	return all, nil
}

func (s *source) found(records []*store.Record) []search.Found {
	out := make([]search.Found, len(records))
	for i, rec := range records {
		out[i] = search.Found{Ref: search.Ref{Type: rec.Type, ID: rec.ID}, Body: rec.Body}
		if s.seen != nil {
			s.seen[out[i].Ref] = rec
		}
	}
	return out
}

// resolve puts what the inner queries of chains find in their place.
func (d *Desk) resolve(ctx context.Context, q *search.Query) (*search.Query, error) {
	return search.Resolve(ctx, q, d.searchOptions(), &source{d: d})
}

// Included returns what a page's includes bring.
func (b *Records) Included(ctx context.Context, matches []*rest.Version, includes []search.Include) ([]*rest.Version, error) {
	from := make([]search.Found, len(matches))
	for i, v := range matches {
		from[i] = search.Found{Ref: search.Ref{Type: v.Type, ID: v.ID}, Body: v.Body}
	}
	src := &source{d: b.d, seen: map[search.Ref]*store.Record{}}
	found, err := search.Included(ctx, from, includes, b.d.searchOptions(), src)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	out := make([]*rest.Version, 0, len(found))
	for _, f := range found {
		out = append(out, versionOf(src.seen[f.Ref]))
	}
	return out, nil
}
