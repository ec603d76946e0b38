package search

import (
	"context"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Ref names a record.
type Ref struct{ Type, ID string }

// Found is a current record and its body.
type Found struct {
	Ref
	Body []byte
}

// Source is where Resolve and Included read records: the caller's store, with
// whatever the caller's user may see. Their errors are passed on as they are.
type Source interface {
	// Search returns one page and the cursor of the next, "" on the last.
	Search(ctx context.Context, q *Query) (page []Found, next string, err error)
	// GetMany returns the records that are there and not deleted, in any order.
	// It is asked for at most MaxIncluded at once.
	GetMany(ctx context.Context, refs []Ref) ([]Found, error)
}

// maxGathered bounds the bodies that one search holds besides its page, in bytes.
const maxGathered = 128 << 20

// everything reads all pages of a query and stops with an Outcome of
// fhir.KindTooCostly behind most records, or behind maxGathered.
func everything(ctx context.Context, src Source, q *Query, most int, tooMany func() *fhir.Outcome) ([]Found, error) {
	ask := *q
	ask.Count = min(MaxCount, most+1)
	var all []Found
	size := 0
	for {
		page, next, err := src.Search(ctx, &ask)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			size += len(f.Body)
		}
		if all = append(all, page...); len(all) > most || size > maxGathered {
			return nil, tooMany()
		}
		if next == "" {
			return all, nil
		}
		ask.Cursor = next
	}
}

// pointers are where the references of one parameter lead: to records of this
// server, and to canonical URLs.
type pointers struct {
	refs []Ref
	urls []string
}

// pointersOf reads a parameter's references from a resource.
func pointersOf(p *Param, r *fhir.Resource, o Options) pointers {
	var found pointers
	x := extractor{o: o, root: r.Root(), p: p}
	x.visit = func(v fhir.Value) {
		text := ""
		switch v.Kind() {
		case fhir.ObjectKind:
			text = readTarget(v, o).text
		case fhir.StringKind:
			text = o.stripBase(v.Text())
		}
		if text == "" {
			return
		}
		ref, ok := fhir.ParseReference(text)
		switch {
		case ok && ref.Base == "" && ref.Type != "":
			if !p.narrow || ref.Type == p.Targets[0] {
				found.refs = append(found.refs, Ref{ref.Type, ref.ID})
			}
		case v.Kind() == fhir.StringKind:
			found.urls = append(found.urls, text)
		}
	}
	for _, path := range p.steps {
		x.walk(x.root, path, step{})
	}
	slices.SortFunc(found.refs, compareRefs)
	found.refs = slices.Compact(found.refs)
	slices.Sort(found.urls)
	found.urls = slices.Compact(found.urls)
	return found
}

func compareRefs(a, b Ref) int {
	if c := strings.Compare(a.Type, b.Type); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// canonicalType is the one type served that others refer to by its url.
const canonicalType = "Questionnaire"

// namesOf are the ways in which references name a record.
func namesOf(f Found) ([]string, error) {
	names := []string{f.Type + "/" + f.ID}
	if f.Type != canonicalType {
		return names, nil
	}
	r, err := fhir.Parse(f.Body)
	if err != nil {
		return nil, err
	}
	if url := r.Get("url").Text(); url != "" {
		names = append(names, url)
	}
	return names, nil
}
