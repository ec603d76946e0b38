package rest

import (
	"context"
	"slices"

	"github.com/onward-health/onward/fhir/search"
)

// feed reads the matches of one type by time of change, some at once.
type feed struct {
	place int // of its type in the list
	query *search.Query
	bound *bound
	start string // cursor of what is in chunk
	chunk []*Version
	used  int
	next  string // cursor behind chunk
	ended bool   // nothing is behind chunk
}

// merged lists the types together by time of change; what changed in the same
// millisecond is in order of type, then of id.
func (l *listing) merged(ctx context.Context, from *mark) (*Page, error) {
	feeds := make([]*feed, len(l.queries))
	for i, q := range l.queries {
		s := &feed{place: i, query: q}
		if from != nil {
			switch at := l.index(from.Type); {
			case i == at:
				s.bound, s.next = from.Bound, from.Inner
			default: // of the types before, all of that millisecond was shown
				s.bound = &bound{*from.Last, i < at}
			}
		}
		feeds[i] = s
	}
	out := &Page{Total: -1}
	var last *feed
	for {
		s, err := l.first(ctx, feeds)
		if err != nil || s == nil {
			return out, err
		}
		if len(out.Versions) == l.n {
			out.Next, err = l.markAt(ctx, last, out.Versions[l.n-1])
			return out, err
		}
		out.Versions = append(out.Versions, s.chunk[s.used])
		s.used++
		last = s
	}
}

// first is the feed whose next record comes first, nil where none has one.
func (l *listing) first(ctx context.Context, feeds []*feed) (*feed, error) {
	var best *feed
	for _, s := range feeds {
		if s.used == len(s.chunk) {
			if err := l.fill(ctx, s); err != nil {
				return nil, err
			}
		}
		if s.used < len(s.chunk) && (best == nil || l.before(s.chunk[s.used], best.chunk[best.used])) {
			best = s
		}
	}
	return best, nil
}

// before says that a changed before b, or after it where the newest comes first.
func (l *listing) before(a, b *Version) bool {
	if l.desc {
		return a.LastUpdated.After(b.LastUpdated)
	}
	return a.LastUpdated.Before(b.LastUpdated)
}

// fill reads on, behind what has been used up.
func (l *listing) fill(ctx context.Context, s *feed) error {
	for !s.ended && s.used == len(s.chunk) {
		page, err := l.backend.Search(ctx, l.ask(s, s.next, l.some()), false)
		if err != nil {
			return err
		}
		s.start, s.chunk, s.used, s.next = s.next, page.Versions, 0, page.Next
		s.ended = page.Next == ""
	}
	return nil
}

// some is how many records of a type are read at once: its share of a page twice
// over.
func (l *listing) some() int { return min(l.n, max(8, 2*l.n/len(l.queries))) }

func (l *listing) ask(s *feed, cursor string, count int) *search.Query {
	q := *s.query
	q.Sort = []search.Sort{{Param: "_lastUpdated", Desc: l.desc}}
	q.Count, q.Cursor = count, cursor
	if b := s.bound; b != nil {
		op := search.Ge
		switch {
		case l.desc && b.Strict:
			op = search.Lt
		case l.desc:
			op = search.Le
		case b.Strict:
			op = search.Gt
		}
		q.Where = search.Both(search.Updated{Op: op, Lo: b.At, Hi: b.At}, q.Where)
	}
	return &q
}

// markAt is the cursor behind the page's last record, which is of feed s. The
// Backend gives cursors at the end of its pages only, so where a part of the
// chunk is used that part is read once more.
func (l *listing) markAt(ctx context.Context, s *feed, last *Version) (string, error) {
	at := last.LastUpdated.UnixMilli()
	m := mark{Type: s.query.Type, Last: &at, Bound: s.bound, Inner: s.next}
	switch {
	case s.used == 0 && len(s.chunk) > 0: // it has read on behind that record
		m.Inner = s.start
	case s.used < len(s.chunk):
		page, err := l.backend.Search(ctx, l.ask(s, s.start, s.used), false)
		if err != nil {
			return "", err
		}
		m.Inner = page.Next
		same := func(v *Version) bool { return v.ID == last.ID && v.Version == last.Version }
		if page.Next == "" || len(page.Versions) != s.used || !slices.ContainsFunc(page.Versions[s.used-1:], same) {
			// Somebody wrote meanwhile. What changed in that millisecond may be
			// shown twice, but nothing is left out.
			m.Inner, m.Bound = "", &bound{at, false}
		}
	case s.ended:
		m.Bound = &bound{at, true}
	}
	return m.text(), nil
}
