package kit

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/onward-health/onward/store"
)

// PurgeRows is how many versions go in one commit.
const PurgeRows = 200

// Purge is one purge under way.
type Purge struct {
	Key   string // of the audit record
	Audit store.PurgeAudit
}

// NewPurge refuses a request that makes no sense.
func NewPurge(r store.PurgeRequest, now time.Time) (Purge, error) {
	var p Purge
	switch {
	case r.Before.IsZero() || r.Before.After(now):
		return p, fmt.Errorf("store: a purge needs a time that isn't in the future")
	case r.ID != "" && r.Type == "":
		return p, fmt.Errorf("store: a purge of an id needs its type")
	case r.Type != "" && !Word(r.Type, false) || r.ID != "" && !Word(r.ID, true):
		return p, fmt.Errorf("store: not a record's type and id")
	case len(r.By) == 0 || len(r.By) > store.MaxAnswer || !json.Valid(r.By):
		return p, fmt.Errorf("store: a purge needs to say in JSON who asks, in at most %d bytes", store.MaxAnswer)
	}
	var salt [6]byte
	rand.Read(salt[:])
	p.Key = "purge/" + now.UTC().Format("2006-01-02T15:04:05.000Z") + "/" + hex.EncodeToString(salt[:])
	p.Audit = store.PurgeAudit{At: now.UTC(), By: r.By, Before: r.Before.UTC(), Type: r.Type, ID: r.ID}
	return p, nil
}

// Removed is how many versions have been removed so far.
func (p Purge) Removed() int64 { return p.Audit.Versions + p.Audit.Records }

// Result is what has been removed so far.
func (p Purge) Result() store.PurgeResult {
	return store.PurgeResult{Versions: p.Audit.Versions, Records: p.Audit.Records, Audit: p.Key}
}
