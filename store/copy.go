package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrDiffers: after a copy the two stores aren't the same.
var ErrDiffers = errors.New("store: the copy differs from its source")

// CopyTarget is a store that can be copied into.
type CopyTarget interface {
	Exporter
	Importer
}

// CopyStep says how far a copy is.
type CopyStep struct {
	Doing string // "copying", "checking the source" or "checking the copy"
	Done  int64  // items
	Of    int64  // about
}

// Copy copies everything from a store to an empty one, or goes on with a copy
// that was broken off, and then reads both and compares counts and checksum.
// Nothing may write to either meanwhile: then they differ, which is ErrDiffers,
// and the copy can't be used. source is the engine's name of from.
func Copy(ctx context.Context, from Exporter, to CopyTarget, source string, asOf time.Time, progress func(CopyStep)) (Digest, error) {
	position, err := to.ImportStart(ctx, source)
	if err != nil {
		return Digest{}, err
	}
	of, err := from.Items(ctx)
	if err != nil {
		return Digest{}, err
	}
	step := CopyStep{Doing: "copying", Of: of}
	if position != "" {
		if step.Done, err = to.Items(ctx); err != nil {
			return Digest{}, err
		}
	}
	progress(step)
	err = from.Export(ctx, position, asOf, func(items []Item, position string) error {
		if err := to.Import(ctx, items, position); err != nil {
			return err
		}
		step.Done += int64(len(items))
		progress(step)
		return nil
	})
	if err != nil {
		return Digest{}, err
	}
	want, err := Sum(ctx, from, asOf, "checking the source", of, progress)
	if err != nil {
		return Digest{}, err
	}
	got, err := Sum(ctx, to, asOf, "checking the copy", of, progress)
	if err != nil {
		return Digest{}, err
	}
	if want != got {
		return got, fmt.Errorf("%w: %d versions, %d claims and %d documents here, %d, %d and %d there", ErrDiffers,
			got.Versions, got.Claims, got.Documents, want.Versions, want.Claims, want.Documents)
	}
	return got, to.ImportEnd(ctx)
}

// Sum is the Digest of a whole store.
func Sum(ctx context.Context, e Exporter, asOf time.Time, doing string, of int64, progress func(CopyStep)) (Digest, error) {
	var d Digest
	err := e.Export(ctx, "", asOf, func(items []Item, _ string) error {
		for _, i := range items {
			d.Add(i)
		}
		progress(CopyStep{Doing: doing, Done: d.Items(), Of: of})
		return nil
	})
	return d, err
}
