package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// KindAudit is the kind of the auxiliary documents that say who did what to the
// store itself. Key begins with "purge/" for those that Purge leaves.
const KindAudit = "audit"

// PurgeRequest says what Purge removes: superseded versions written before
// Before, and records that were deleted before then, with all their versions.
// The current version of a live record always stays.
type PurgeRequest struct {
	Before time.Time // must not be in the future
	Type   string    // "": of every type
	ID     string    // "": of every record of Type
	By     []byte    // JSON: who asked, as in Record.By; must not be empty
}

// PurgeResult is what was removed. Audit is the key of the audit record.
type PurgeResult struct {
	Versions int64 // superseded versions
	Records  int64 // deleted records
	Audit    string
}

// PurgeAudit is the value of a purge's audit record, as JSON. It is written in the
// commit of each deletion; Done says that the purge came to its end.
type PurgeAudit struct {
	At       time.Time       `json:"at"`
	By       json.RawMessage `json:"by"`
	Before   time.Time       `json:"before"`
	Type     string          `json:"type,omitempty"`
	ID       string          `json:"id,omitempty"`
	Versions int64           `json:"versions"`
	Records  int64           `json:"records"`
	Done     bool            `json:"done"`
}

// Value encodes the record.
func (a PurgeAudit) Value() ([]byte, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("store: a purge's By must be JSON")
	}
	return b, nil
}
