package rest

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// listing is the search of several types as one list: type after type, or, with
// a sort, by time of change. The Backend searches one type at a time.
type listing struct {
	backend Backend
	queries []*search.Query // one a type, in the list's order
	desc    bool            // newest first; only with byTime
	byTime  bool
	n       int // page size
}

// mark is where a page ended. It isn't sealed, for it says only what the page
// showed: a type, a time of change, and the Backend's own cursor.
type mark struct {
	Type  string `json:"t"`
	Inner string `json:"c,omitempty"` // the Backend's cursor in the list of Type
	// By time: when the page's last record changed, and the bound under which
	// Inner was given.
	Last  *int64 `json:"l,omitempty"`
	Bound *bound `json:"b,omitempty"`
}

// bound leaves what changed beyond a time, in the list's direction.
type bound struct {
	At     int64 `json:"a"` // milliseconds
	Strict bool  `json:"s,omitempty"`
}

// several answers a search of several types. Total is told as Backend.Search
// tells it.
func (h *Handler) several(ctx context.Context, p *search.Parsed, count bool) (*Page, error) {
	l := listing{backend: h.backend, queries: p.Queries, n: min(cmp.Or(p.Query.Count, search.DefaultCount), search.MaxCount)}
	if len(p.Query.Sort) > 0 {
		l.byTime, l.desc = true, p.Query.Sort[0].Desc
	}
	page := &Page{Total: -1}
	if !p.CountOnly {
		var err error
		if page, err = l.page(ctx, p.Query.Cursor); err != nil {
			return nil, err
		}
	}
	if !p.CountOnly && p.Query.Cursor == "" && page.Next == "" {
		page.Total = len(page.Versions)
	} else if count {
		total, err := l.count(ctx)
		if err != nil {
			return nil, err
		}
		page.Total = total
	}
	return page, nil
}

// page reads the page behind a cursor, "" being the start.
func (l *listing) page(ctx context.Context, cursor string) (*Page, error) {
	from, err := l.open(cursor)
	if err != nil {
		return nil, err
	}
	if l.byTime {
		return l.merged(ctx, from)
	}
	return l.inTurn(ctx, from)
}

// count adds up the matches; -1 where one type's number isn't known.
func (l *listing) count(ctx context.Context) (int, error) {
	total := 0
	for _, q := range l.queries {
		one := *q
		one.Count = 1
		page, err := l.backend.Search(ctx, &one, true)
		if err != nil {
			return 0, err
		}
		if page.Total < 0 {
			return -1, nil
		}
		total += page.Total
	}
	return total, nil
}

// inTurn lists one type after another.
func (l *listing) inTurn(ctx context.Context, from *mark) (*Page, error) {
	out := &Page{Total: -1}
	inner, start := "", 0
	if from != nil {
		inner, start = from.Inner, l.index(from.Type)
	}
	for _, q := range l.queries[start:] {
		full := len(out.Versions) == l.n
		ask := *q
		// A full page asks for one more, to know whether there is another page.
		ask.Count, ask.Cursor = max(1, l.n-len(out.Versions)), inner
		page, err := l.backend.Search(ctx, &ask, false)
		switch {
		case err != nil:
			return nil, err
		case full && len(page.Versions) > 0:
			out.Next = mark{Type: q.Type}.text()
			return out, nil
		case full:
			continue
		}
		out.Versions = append(out.Versions, page.Versions...)
		if inner = page.Next; inner != "" { // full, or ended early for its size
			out.Next = mark{Type: q.Type, Inner: inner}.text()
			return out, nil
		}
	}
	return out, nil
}

func (l *listing) index(typ string) int {
	return slices.IndexFunc(l.queries, func(q *search.Query) bool { return q.Type == typ })
}

func (m mark) text() string {
	text, err := json.Marshal(m)
	if err != nil {
		return "" // texts and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// open reads a cursor, which may be anything that a client sends.
func (l *listing) open(cursor string) (*mark, error) {
	if cursor == "" {
		return nil, nil
	}
	var m mark
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || json.Unmarshal(text, &m) != nil || l.index(m.Type) < 0 || (m.Last != nil) != l.byTime || len(m.Inner) > maxCursor {
		return nil, fhir.NewOutcome(fhir.KindValue, "", "_cursor is not one of this server's for this search")
	}
	return &m, nil
}
