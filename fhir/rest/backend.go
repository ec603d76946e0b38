package rest

import (
	"context"
	"time"

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
	// Commit carries out changes, all of them or none, and says what each did.
	// An error about one of several is a *ChangeError. Deleting what isn't there is
	// none (R4 http.html#delete).
	Commit(ctx context.Context, changes []Change) ([]Changed, error)
	// History lists versions, newest first. One record that never was is a
	// KindNotFound.
	History(ctx context.Context, q HistoryQuery) (*Page, error)
	// Search returns one page of matches. Counting them costs another search, so
	// Total is only needed where count is set or the page holds them all.
	Search(ctx context.Context, q *search.Query, count bool) (*Page, error)
	// Included returns the records that the includes bring to a page of matches.
	Included(ctx context.Context, matches []*Version, includes []search.Include) ([]*Version, error)
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

// HistoryQuery asks for versions: of one record, of a type (ID empty) or of
// everything (both empty).
type HistoryQuery struct {
	Type, ID string
	Since    time.Time // changed at or after; zero: ever
	// At, where it is set, leaves only versions that stood at some moment of it.
	At     *Period
	Count  int
	Cursor string // Page.Next of the page before
	// CountOnly asks for Page.Total and no versions.
	CountOnly bool
}

// Period is a stretch of time, both ends inclusive.
type Period struct{ From, To time.Time }

// Page is one page of a search or a history. Next continues it, "" on the
// last; a page with a Next may hold fewer than were asked for, even none. Total is -1 where the number isn't known exactly.
type Page struct {
	Versions []*Version
	Next     string
	Total    int
}
