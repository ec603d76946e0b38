package store

import "errors"

// ErrNotFound: there is no such record or version.
var ErrNotFound = errors.New("store: not found")

// ErrUnavailable: the store can't serve now; trying again later makes sense.
// Nothing of the batch was written, unless the caller's context ended first.
var ErrUnavailable = errors.New("store: unavailable")

// ErrTooLarge: a body, a batch or an answer is over its limit.
var ErrTooLarge = errors.New("store: too large")

// ErrCursor: the cursor isn't one that this store gave for this query.
var ErrCursor = errors.New("store: the cursor doesn't belong to this query")

// ErrTooCostly: the query names nothing that an index could find, and its type
// has more records than the engine looks through (Options.MaxScan).
var ErrTooCostly = errors.New("store: the query would look through too many records")

// ErrUnknown: it isn't known whether the batch was carried out, because the way
// to the store broke while it was being committed, or the caller's context
// ended. The same batch with the same Idem keys says which.
var ErrUnknown = errors.New("store: the result is unknown")

// ErrDamaged: a record isn't kept in the engine's form, as where somebody has edited
// it in the database. Trying again doesn't help.
var ErrDamaged = errors.New("store: the record is damaged")

// DefaultMaxScan is how many records a query may look through that names nothing
// that an index could find.
const DefaultMaxScan = 200_000

// ConflictKind says which precondition failed.
type ConflictKind string

// The kinds.
const (
	VersionConflict ConflictKind = "version"       // the record stands at another version
	Exists          ConflictKind = "exists"        // Absent was asked for
	MissingRecord   ConflictKind = "missing"       // a version or a delete was asked of nothing
	SlotTaken       ConflictKind = "slot-taken"    // another owner has the slot
	GuardFailed     ConflictKind = "guard"         // a Guard isn't met
	IdemMismatch    ConflictKind = "idem-mismatch" // same key, another body
)

// ConflictError: a precondition failed and nothing was written.
type ConflictError struct {
	Kind    ConflictKind
	Op      int    // index into Batch.Ops, for "guard" Batch.Guards, for "idem-mismatch" Idem.Keys
	What    string // the record, slot or document, as "Type/id" or "kind|key"
	Current int64  // the version that stands, where that is the point
}

func (e *ConflictError) Error() string {
	return "store: conflict " + string(e.Kind) + " on " + e.What
}
