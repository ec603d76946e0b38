package bars

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// maxSearches bounds the different conditional references of a transaction.
const maxSearches = 500

// rewrite resolves the references of one entry (R4 http.html#trules): those that
// name another entry by its fullUrl, and those that are a search. dangling is
// what names no entry: stored, it would point nowhere for ever.
func (t *transaction) rewrite(ctx context.Context, i int, r *fhir.Resource) (next *fhir.Resource, dangling *fhir.Outcome, fault error) {
	edit := r.Edit()
	dangling = &fhir.Outcome{Kind: fhir.KindInvariant}
	fhir.Walk(r.Root(), func(name string, v fhir.Value) {
		if fault != nil || v.Kind() != fhir.StringKind {
			return
		}
		var ref store.Ref
		var found bool
		switch name {
		case "reference":
			ref, found, fault = t.target(ctx, i, v)
			// A patch may have found it there.
			if fault == nil && !found && t.changes[i].Method != http.MethodPatch && unresolved(v, t.names) {
				dangling.Add(v.Path(), "the reference names no entry of this Bundle")
			}
		case "div":
			if text, changed := t.relink(v.Text()); changed && v.Path() == r.Type()+".text.div" {
				edit.Replace(v, fhir.Quote(text))
			}
		case "url", "uri", "valueUri", "valueUrl", "valueUuid", "valueOid":
			// The url of a canonical resource is its own name.
			if text := v.Text(); strings.HasPrefix(text, "urn:") && v.Path() != r.Type()+".url" {
				ref, found = t.names[text]
			}
		}
		if found {
			edit.Replace(v, fhir.Quote(ref.String()))
		}
	})
	if fault != nil {
		return nil, nil, fault
	}
	next, fault = edit.Done()
	return next, dangling, fault
}

// unresolved says whether a reference is the name of an entry, and of none that
// there is.
func unresolved(v fhir.Value, names map[string]store.Ref) bool {
	_, known := names[v.Text()]
	return !known && strings.HasPrefix(v.Text(), "urn:uuid:")
}

// links are how the narrative refers to another resource (R4 http.html#trules).
var links = regexp.MustCompile(`\s(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)')`)

// relink replaces the narrative's links that name another entry.
func (t *transaction) relink(div string) (out string, changed bool) {
	end := 0
	for _, at := range links.FindAllStringSubmatchIndex(div, -1) {
		from, to := at[2], at[3]
		if from < 0 {
			from, to = at[4], at[5]
		}
		ref, found := t.names[div[from:to]]
		if !found || t.means(div[from:to], ref) {
			continue
		}
		out += div[end:from] + ref.String()
		end, changed = to, true
	}
	return out + div[end:], changed
}

// target finds what a reference of an entry means, if it is to be replaced.
func (t *transaction) target(ctx context.Context, i int, v fhir.Value) (ref store.Ref, found bool, err error) {
	text := v.Text()
	if ref, found = t.names[text]; found {
		return ref, !t.means(text, ref), nil
	}
	// A relative reference is relative to the entry's own fullUrl.
	if own, ok := fhir.ParseReference(t.changes[i].Name); ok && own.Base != "" {
		if ref, found = t.names[own.Base+text]; found {
			return ref, ref.String() != text, nil
		}
	}
	if t.changes[i].Method == http.MethodPatch { // the rest may have been there before
		return ref, false, nil
	}
	typ, criteria, conditional := strings.Cut(text, "?")
	if !conditional || !slices.Contains(search.Types(), typ) {
		return ref, false, nil
	}
	ref, err = t.searched(ctx, text, typ, criteria, v)
	return ref, err == nil, err
}

// means says whether a reference already says where the record will be.
func (t *transaction) means(text string, ref store.Ref) bool {
	r, ok := fhir.ParseReference(text)
	return ok && (r.Base == "" || r.Base == t.d.base+"/") && r.Type == ref.Type && r.ID == ref.ID
}

// searched finds the one record that a conditional reference means, and guards
// that it stays as it is until the commit.
func (t *transaction) searched(ctx context.Context, text, typ, criteria string, v fhir.Value) (store.Ref, error) {
	if ref, known := t.searches[text]; known {
		return ref, nil
	}
	if len(t.searches) == maxSearches {
		return store.Ref{}, fhir.NewOutcome(fhir.KindTooCostly, v.Path(), "the transaction holds more than "+itoa(maxSearches)+" conditional references")
	}
	parsed, err := search.Parse(typ, criteria, t.d.searchOptions())
	if err != nil {
		return store.Ref{}, place(err, v)
	}
	if parsed.Query.Where == nil || parsed.CountOnly || parsed.Query.Cursor != "" {
		return store.Ref{}, fhir.NewOutcome(fhir.KindInvalid, v.Path(), "the conditional reference holds no search parameter that selects anything")
	}
	found, err := t.matches(ctx, parsed.Query)
	if err != nil {
		return store.Ref{}, place(t.d.outcome(err), v)
	}
	if len(found) == 0 {
		return store.Ref{}, fhir.NewOutcome(fhir.KindVersion, v.Path(), "the conditional reference finds nothing")
	}
	ref := found[0].Ref()
	if slices.ContainsFunc(t.steps, func(s step) bool { return s.ref == ref && s.deletes }) {
		return ref, fhir.NewOutcome(fhir.KindInvalid, v.Path(), "the conditional reference finds a record that another entry deletes")
	}
	t.searches[text] = ref
	t.batch.Guards = append(t.batch.Guards, store.VersionGuard{Ref: ref, Version: found[0].Version})
	return ref, nil
}

// place says where in the resource an error about a condition belongs.
func place(err error, v fhir.Value) error {
	o := *fhir.AsOutcome(err)
	o.Issues = slices.Clone(o.Issues)
	for i := range o.Issues {
		o.Issues[i].Expression = v.Path()
	}
	return &o
}
