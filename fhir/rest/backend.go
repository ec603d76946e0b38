package rest

import (
	"context"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// Backend is what the REST interactions need from the server behind them.
// Errors are *fhir.Outcome values; any other error is rendered as a 500 without
// its text. The caller's identity travels in the context.
type Backend interface {
	// Read returns the current version; a deleted record comes back with Deleted.
	Read(ctx context.Context, typ, id string) (*Version, error)
	// VersionRead returns one version.
	VersionRead(ctx context.Context, typ, id string, version int64) (*Version, error)
	// Create stores a new resource under an id of the server's choice.
	Create(ctx context.Context, r *fhir.Resource) (*Version, error)
	// Update stores the next version. ifMatch 0 means unconditional. created
	// says that there was no record with this id before.
	Update(ctx context.Context, id string, r *fhir.Resource, ifMatch int64) (v *Version, created bool, err error)
	// Delete leaves a tombstone; deleting a deleted record is a success.
	Delete(ctx context.Context, typ, id string, ifMatch int64) error
	// History lists the versions of one record, newest first.
	History(ctx context.Context, typ, id string, since time.Time, count int, cursor string) (*Page, error)
	// Search returns one page of matches. Counting them costs another search, so
	// Total is only needed where count is set or the page holds them all.
	Search(ctx context.Context, q *search.Query, count bool) (*Page, error)
}

// Version is one version of a resource. Body lacks meta.versionId and
// meta.lastUpdated (fhir.Stamp puts them in); a tombstone has no Body.
type Version struct {
	Type, ID    string
	Version     int64
	LastUpdated time.Time
	Deleted     bool
	Method      string
	Body        []byte
}

// Page is one page of a search or a history. Next continues it, "" on the
// last. Total is -1 where the number isn't known exactly.
type Page struct {
	Versions []*Version
	Next     string
	Total    int
}
