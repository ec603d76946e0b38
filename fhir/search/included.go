package search

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// MaxIncluded bounds what Included adds to a page, in records.
const MaxIncluded = 1000

// Included finds what the includes of a search add to a page of matches: each
// record once, none of the matches again, in no order that means anything. What
// a reference leads to is left out where src hasn't got it, and so are
// references to other servers and to contained resources. A canonical URL leads
// to the Questionnaire with that url, and that version if it names one.
//
// Errors are those of src and of fhir.Parse, or an Outcome of fhir.KindTooCostly
// where there are more than MaxIncluded records or 128 MiB of bodies. o must be the options that the
// records were indexed under.
func Included(ctx context.Context, matches []Found, includes []Include, o Options, src Source) ([]Found, error) {
	in := inclusion{ctx: ctx, o: o, src: src, seen: map[Ref]bool{}}
	for _, f := range matches {
		in.seen[f.Ref] = true
	}
	level := matches
	for first := true; len(level) > 0; first = false {
		start := len(in.out)
		for _, i := range includes {
			if !first && !i.Iterate {
				continue
			}
			follow := in.forward
			if i.Reverse {
				follow = in.backward
			}
			if err := follow(level, i); err != nil {
				return nil, err
			}
		}
		level = in.out[start:]
	}
	return in.out, nil
}

type inclusion struct {
	ctx  context.Context
	o    Options
	src  Source
	seen map[Ref]bool
	out  []Found
	size int // bytes of the bodies in out
}

func (in *inclusion) add(found []Found) error {
	for _, f := range found {
		if in.seen[f.Ref] {
			continue
		}
		if in.size += len(f.Body); len(in.out) == MaxIncluded || in.size > maxGathered {
			return tooManyIncluded()
		}
		in.seen[f.Ref] = true
		in.out = append(in.out, f)
	}
	return nil
}

func tooManyIncluded() *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindTooCostly, "", "the includes of this page find more than "+strconv.Itoa(MaxIncluded)+" records, or "+strconv.Itoa(maxGathered>>20)+" MiB; ask for a smaller _count or fewer includes")
}

// forward adds what the records refer to.
func (in *inclusion) forward(level []Found, i Include) error {
	var refs []Ref
	var urls []string
	for _, f := range level {
		if i.Type != "" && f.Type != i.Type {
			continue
		}
		r, err := fhir.Parse(f.Body)
		if err != nil {
			return err
		}
		for _, p := range i.params(f.Type) {
			to := pointersOf(&p, r, in.o)
			for _, ref := range to.refs {
				if !in.seen[ref] && (i.Target == "" || ref.Type == i.Target) {
					refs = append(refs, ref)
				}
			}
			if i.Target == "" || i.Target == canonicalType {
				urls = append(urls, to.urls...)
			}
		}
	}
	slices.SortFunc(refs, compareRefs)
	// References that lead nowhere cost a look-up each, so they are bounded by
	// look-ups of MaxIncluded and not by their number.
	for some := range slices.Chunk(slices.Compact(refs), MaxIncluded) {
		found, err := in.src.GetMany(in.ctx, some)
		if err != nil {
			return err
		}
		if err := in.add(found); err != nil {
			return err
		}
	}
	slices.Sort(urls)
	return in.canonicals(slices.Compact(urls))
}

// canonicals adds the Questionnaires with these urls.
func (in *inclusion) canonicals(urls []string) error {
	for some := range slices.Chunk(urls, MaxAlternatives) {
		entries := make(HasAny, len(some))
		for i, url := range some {
			plain, _, _ := strings.Cut(url, "|")
			entries[i] = entry("url", ":", plain)
		}
		slices.Sort(entries)
		q := &Query{Type: canonicalType, Where: slices.Compact(entries)}
		found, err := everything(in.ctx, in.src, q, MaxIncluded, tooManyIncluded)
		if err != nil {
			return err
		}
		for _, f := range found {
			r, err := fhir.Parse(f.Body)
			if err != nil {
				return err
			}
			url := r.Get("url").Text()
			if !slices.Contains(some, url) && !slices.Contains(some, url+"|"+r.Get("version").Text()) {
				continue
			}
			if err := in.add([]Found{f}); err != nil {
				return err
			}
		}
	}
	return nil
}

// backward adds the records that refer to these: of one type, or of every one.
func (in *inclusion) backward(level []Found, i Include) error {
	if i.Type != "" {
		return in.backwardOf(i.Type, level, i)
	}
	for _, typ := range Types() {
		if err := in.backwardOf(typ, level, i); err != nil {
			return err
		}
	}
	return nil
}

func (in *inclusion) backwardOf(typ string, level []Found, i Include) error {
	var entries HasAny
	for _, f := range level {
		if i.Target != "" && f.Type != i.Target {
			continue
		}
		names, err := namesOf(f)
		if err != nil {
			return err
		}
		for _, p := range i.params(typ) {
			if !mayRefer(&p, f.Type) {
				continue
			}
			for _, name := range names {
				entries = append(entries, entry(p.Name, ":", name))
			}
		}
	}
	for some := range slices.Chunk(entries, MaxAlternatives) {
		// Records that are in the list already don't count, but have to be read.
		q := &Query{Type: typ, Where: HasAny(some)}
		found, err := everything(in.ctx, in.src, q, MaxIncluded+len(in.seen), tooManyIncluded)
		if err != nil {
			return err
		}
		if err := in.add(found); err != nil {
			return err
		}
	}
	return nil
}
