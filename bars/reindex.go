package bars

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Reindex makes every live record findable by what this program finds in it,
// without new versions: after an upgrade that indexes more, or under another base
// URL. It goes on where it was broken off, with the same version of the program and
// base URL, and writes may go on meanwhile. progress is told how many records of a
// type are done.
func (d *Desk) Reindex(ctx context.Context, version string, progress func(typ string, done, total int)) error {
	counts, err := d.store.Counts(ctx)
	if err != nil {
		return err
	}
	for _, typ := range slices.Sorted(maps.Keys(counts)) {
		err := d.store.Reindex(ctx, typ, version+" "+d.base, d.reindexed, func(done, total int) { progress(typ, done, total) })
		if err != nil {
			return err
		}
	}
	return nil
}

// reindexed is the index of a stored record.
func (d *Desk) reindexed(rec *store.Record) (search.Index, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return search.Index{}, fmt.Errorf("%s: the body isn't FHIR", rec.Ref())
	}
	who, err := writtenBy(rec)
	if err != nil {
		return search.Index{}, fmt.Errorf("%s: who wrote the version can't be read", rec.Ref())
	}
	return d.indexOf(r, who), nil
}
