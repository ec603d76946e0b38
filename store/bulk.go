package store

import (
	"context"
	"errors"
	"time"
)

// Exporter and Importer move everything that a store keeps, as it is kept:
// versions with their numbers and times, tombstones, index entries, claims and
// auxiliary documents. They are for copying between engines and for checks; the
// room has no use for them. The engine's own documents (kind "meta") stay.
type Exporter interface {
	// Export calls f with items in an order of the engine's own, in which the
	// versions of one record stand together, ascending, the current one last.
	// after is a position that f was given before, "" for the beginning. What ran
	// out before asOf is left out.
	//
	// What is handed over at once is bounded by bytes and number: a record with a
	// long history comes in several calls, and a position may lie inside it. Each
	// call is of one moment, all together are not: what is written meanwhile may be
	// in or not, and what is purged meanwhile may leave a gap behind what came before.
	Export(ctx context.Context, after string, asOf time.Time, f func(items []Item, position string) error) error
	// Items is how many items there are, about.
	Items(ctx context.Context) (int64, error)
}

// Importer takes what an Exporter gave. A store with an unfinished import is
// refused by an ordinary opening.
type Importer interface {
	// ImportStart begins to take the items of a source, whose name is its engine's,
	// and returns the position to go on from: "" in an empty store, that of the
	// last Import where one is unfinished. ErrNotEmpty in any other store.
	ImportStart(ctx context.Context, source string) (position string, err error)
	// Import keeps items as they are, and the position behind them. The same items
	// again do no harm.
	Import(ctx context.Context, items []Item, position string) error
	// ImportEnd makes an ordinary store of it.
	ImportEnd(ctx context.Context) error
}

// Item is one version, one claim or one auxiliary document.
type Item struct {
	Version *Record // Index is set where Current
	Current bool
	Claim   *Claimed
	Aux     *Aux
}

// Claimed is a claim as it stands.
type Claimed struct {
	Slot  string
	Part  int
	Owner string
	At    time.Time
	Until time.Time // zero: for good
}

// ErrNotEmpty: the store to import into holds something else.
var ErrNotEmpty = errors.New("store: the store to copy into isn't empty")

// ErrUnfinished: the store holds a part of a copy only and can't be used before
// the copy has been finished.
var ErrUnfinished = errors.New("store: the store holds an unfinished copy; run the copy again to finish it")
