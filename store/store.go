// Package store is the contract that every engine keeps: records with all their
// versions, an index computed before the write, slot claims, small auxiliary
// documents, and Commit as the only write.
//
// It holds no engine (see store/sqlite), reads no FHIR and knows no rule of
// booking. The room (package bars) is its user; store/storetest is the suite
// that an engine must pass.
package store

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir/search"
)

// Store is one database. Methods may be called from many goroutines.
//
// What every engine guarantees: once Commit has returned without an error, every
// later read by anybody, in this process or another, finds what it wrote, and so
// does a restart. Versions of a record count up by one from 1 and their times
// never stand still; nothing but Purge removes one. Any read, each page of a list
// too, shows a batch wholly or not at all, but for lists on MongoDB, which may
// show a record as it was before a commit that runs meanwhile and another as it
// is after.
//
// Every method may also give ErrUnavailable, ErrTooLarge where an answer or a
// query is over a limit, and the error of a context that has ended. Errors hold no
// value of a record or query.
type Store interface {
	// Get returns the current version. A deleted record comes back with Deleted
	// set; ErrNotFound where there never was one or it was purged.
	Get(ctx context.Context, ref Ref) (*Record, error)
	// GetVersion returns any version, ErrNotFound where there is none.
	GetVersion(ctx context.Context, ref Ref, version int64) (*Record, error)
	// GetMany returns the current versions of at most MaxMany refs, in no
	// particular order, each once, leaving out those that are deleted or not there.
	// ErrTooLarge for more refs, or for more bodies than MaxWhole.
	GetMany(ctx context.Context, refs []Ref) ([]*Record, error)
	// Search returns one page, in the order of the query's Sort and then by id; a
	// record without a value of a sort parameter comes after those with one,
	// whatever the direction. A page holds at most the query's Count and may hold
	// less; only Next says whether there is more. Deleted records never match.
	// ErrCursor for a cursor of another query; ErrTooCostly where it would look
	// through too many records.
	Search(ctx context.Context, q *search.Query) (*Page, error)
	// Count counts matches up to limit (0: 10,000); exact is false where there are
	// more. ErrTooCostly as in Search.
	Count(ctx context.Context, q *search.Query, limit int) (n int, exact bool, err error)
	// History returns versions newest first: of one record (Type and ID), of a
	// type (ID empty) or of everything (both empty), changed at or after since;
	// count is as in search.Query. Versions of one time are in an order of the
	// engine's own that doesn't change. The pages of one list stay true while writes
	// go on; ErrCursor for a cursor of another list. No versions are an empty page.
	History(ctx context.Context, scope Ref, since time.Time, count int, cursor string) (*Page, error)
	// Commit carries out the batch wholly or not at all, durably before it
	// returns. See Batch. Errors: a ConflictError or ErrTooLarge, ErrTooCostly (of a
	// NoMatch) or a fault of the batch itself, and nothing was written;
	// ErrUnavailable, and nothing was written; ErrUnknown, and only the same batch
	// with the same Idem keys tells. A context that ends before the engine has taken
	// the batch gives its own error and nothing was written; later it gives
	// ErrUnknown too, and the batch may still be carried out.
	Commit(ctx context.Context, b *Batch) (*Result, error)
	// AuxGet returns the documents of a kind under these keys; missing and
	// expired ones are left out. Kind "claim" reads claims by slot id: Key is
	// the slot's id, Value the owner, Expires the end of a hold; one document for
	// each claimed part, in their order. Holds that ran out are left out. Kind
	// "hold" reads those of the claims that are holds, which are few at any moment;
	// AuxScan doesn't list them. ErrTooLarge for more keys than MaxMany, or for more
	// values than MaxWhole.
	AuxGet(ctx context.Context, kind string, keys []string) ([]Aux, error)
	// AuxScan lists documents of a kind whose key has the prefix and is greater
	// than after, in the order of the keys' bytes, at most limit (10,000, which 0
	// means too). Expired ones are left out. A list may be shorter: it ends before
	// the document that would take its values over MaxList bytes. Only an empty one
	// says that there is no more. Of kind "claim" it lists claims as AuxGet does, the
	// last slot with all its parts even over the limit.
	AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]Aux, error)
	// Changes lists the versions written after a position, each at least once and
	// those of a record in their order; "" is the position before the first version
	// ever. It waits up to wait for one where there is none (0: not at all) and then
	// gives an empty list. A position is the engine's own text, survives restarts
	// and belongs to this database: another's is ErrCursor. Purged versions are left
	// out. limit is at most MaxChanges, which is also what 0 means.
	Changes(ctx context.Context, after string, limit int, wait time.Duration) (*Changes, error)
	// Explain says how Search would answer. It reads no record. Errors as of Search,
	// ErrTooCostly too.
	Explain(ctx context.Context, q *search.Query) (*Plan, error)
	// Reindex rewrites the index entries of every live record of a type without a
	// new version, so that searches find what extract says. Writes go on meanwhile;
	// a record that is written is indexed by that write. After an error or a crash
	// the next call for the type with the same under, which names what extract depends
	// on, goes on where this one stopped; with another it begins anew. extract runs
	// outside any transaction and may be called more than once for a record; its
	// error ends the call. progress may be nil.
	Reindex(ctx context.Context, typ, under string, extract func(*Record) (search.Index, error), progress func(done, total int)) error
	// Counts counts live records and versions by type; types without any are left
	// out. Writes that run meanwhile may be in or not, and on MongoDB the copy that a
	// broken-off write left is counted until the record's next write.
	Counts(ctx context.Context) (map[string]Count, error)
	// Purge removes what is superseded or deleted and older than a time, a little at
	// a time: reads find each version whole or not at all, and other writes go on
	// meanwhile. A version that is gone is ErrNotFound and left out of History. An
	// error leaves what was removed so far removed, and so does a crash; the audit
	// record says how much. An id whose deleted record was purged is free: its next
	// Put makes version 1.
	Purge(ctx context.Context, r PurgeRequest) (PurgeResult, error)
	// Health says whether the store can serve: ErrUnavailable where it can't. The
	// Health comes with the error, as far as it is known.
	Health(ctx context.Context) (Health, error)
	// Close finishes what was accepted and closes the store. Every other call is
	// ErrUnavailable from then on; closing again does nothing.
	Close() error
}

// MaxMany bounds GetMany and AuxGet, MaxOps a batch; in bytes, MaxBody bounds one
// record's body or one document's value, MaxList the values of one AuxScan, and
// MaxWhole the bodies or values of one GetMany or AuxGet, which have no pages.
const (
	MaxMany = 1000
	MaxOps  = 1000
	MaxBody = 12 << 20
	MaxList = 16 << 20

	MaxWhole = 128 << 20
)

// Ref names a record.
type Ref struct{ Type, ID string }

func (r Ref) String() string { return r.Type + "/" + r.ID }

// Record is one version of one resource. Body carries neither meta.versionId
// nor meta.lastUpdated: they are Version and LastUpdated, so that the store can
// number versions at commit.
type Record struct {
	Type, ID    string
	Version     int64
	LastUpdated time.Time // UTC, milliseconds; never goes back for a record
	Deleted     bool
	Method      string       // POST, PUT, PATCH or DELETE
	Body        []byte       // JSON; empty on a tombstone
	Index       search.Index // read by Commit; records that come back have none
	By          []byte       // JSON: who made this version, by which door, under which ids
	Peer        []byte       // JSON: what a peer stamped (its version or lastUpdated); may be nil
}

// Ref names the record.
func (r *Record) Ref() Ref { return Ref{r.Type, r.ID} }

// Page is one page of a search or history; Next is the cursor of the page
// after it, "" on the last.
type Page struct {
	Records []*Record
	Next    string
}

// Batch is what must become true together: resources, claims, the messages to be
// sent (AuxPut of the outbox's kind, keyed in the order of sending), and what else
// the room must remember. The audit of a write is the By of each version; what
// needs an entry of its own is an AuxPut of KindAudit in the same batch. Engines
// may run a batch several times.
//
// Idem is judged first, then Guards, then Ops in their order: an operation sees
// what those before it did, so two Puts of one record make two versions. All
// versions of a batch have one time, but for records that were written later than
// that.
type Batch struct {
	Ops    []Op
	Guards []Guard
	Idem   *Idem
}

// Op is one write: Put, Delete, Claim, Release, AuxPut or AuxDelete.
type Op interface{ op() }

// Condition is the precondition of an Op on a record or auxiliary document.
type Condition struct {
	Absent  bool  // there must be none (a tombstone is not absent)
	Version int64 // it must stand at this version; 0: not asked
}

// Put writes the next version of a record. Version and LastUpdated of Record
// are set by the store. A Put on a tombstone goes on from its version.
type Put struct {
	Record *Record
	If     Condition
}

// Delete leaves a tombstone. Deleting a deleted record succeeds and changes
// nothing, unless If asks for another version than the tombstone's; deleting one
// that never was is a "missing" conflict.
type Delete struct {
	Ref Ref
	If  Condition
	By  []byte
}

// Claim takes a slot part for an owner. It succeeds where the part is free, is
// this owner's already, is held past its end, or belongs to Predecessor.
type Claim struct {
	Slot        string // the Slot's logical id
	Part        int
	Owner       string    // "Appointment/<id>", "Slot/<id>" (the publisher's block) or "hold/<id>"
	Until       time.Time // zero: for good; else a hold that runs out
	Predecessor string
}

// Release gives a slot part back; a claim of another owner is a conflict
// ("slot-taken"), none at all is fine.
type Release struct {
	Slot  string
	Part  int
	Owner string
}

// AuxPut writes an auxiliary document; an expired one counts as absent. Kinds
// "claim" and "hold", "idem" (Batch.Idem writes those) and "meta" (the engine's)
// are refused.
type AuxPut struct {
	Kind, Key string
	Value     []byte
	Expires   time.Time // zero: never
	If        Condition
}

// AuxDelete removes an auxiliary document; none there is fine unless If asks.
type AuxDelete struct {
	Kind, Key string
	If        Condition
}

func (Put) op()       {}
func (Delete) op()    {}
func (Claim) op()     {}
func (Release) op()   {}
func (AuxPut) op()    {}
func (AuxDelete) op() {}

// Guard is a condition on what the batch only read: VersionGuard or NoMatch.
type Guard interface{ guard() }

// VersionGuard demands that a record still stands at a version; 0 demands that
// there never was one. Guards are judged before any operation.
type VersionGuard struct {
	Ref     Ref
	Version int64
}

// NoMatch demands that nothing matches (conditional create).
type NoMatch struct{ Query *search.Query }

func (VersionGuard) guard() {}
func (NoMatch) guard()      {}

// Idem makes a batch happen once for each of its keys. The first commit keeps
// Hash, the versions written and Answer for Keep, under every key. One of the
// keys again with the same Hash writes nothing and gives Result.Replay; with
// another Hash it is a conflict of kind IdemMismatch; where keys disagree, the
// replay wins. Both come before guards and conditions. The records are auxiliary
// documents of kind "idem".
type Idem struct {
	Keys   []string
	Hash   string
	Answer []byte // at most MaxAnswer bytes of the door's own
	Keep   time.Duration
}

// MaxAnswer bounds Idem.Answer.
const MaxAnswer = 4096

// Result is what a Commit did.
type Result struct {
	Versions []Version // one for each Put and Delete, in the batch's order
	Replay   *Replay   // set: the key was used before and nothing was written
}

// Version is one version that was written.
type Version struct {
	Ref         Ref
	Version     int64
	LastUpdated time.Time
}

// Replay is what the first commit under an idempotency key left.
type Replay struct {
	Versions []Version
	Answer   []byte
	At       time.Time
}

// Aux is one auxiliary document.
type Aux struct {
	Kind, Key string
	Version   int64
	Value     []byte
	Expires   time.Time
}

// Health is the store's state.
type Health struct {
	Engine  string // "sqlite", ...
	Schema  int
	Durable string // what an acknowledged write survives
	Sync    string // the setting behind it: SQLite's synchronous, MongoDB's write concern
	Backlog int    // batches that wait for the writer
	// Ahead is by how much this machine's clock is ahead of the database's, at least;
	// 0 where that has none of its own.
	Ahead time.Duration `json:"-"`
}
