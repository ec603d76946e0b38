package kit

import "github.com/onward-health/onward/store"

// Kinds of auxiliary documents that no batch may write: claims, those of them that
// are holds, and the engine's own.
const (
	KindClaim = "claim"
	KindHold  = "hold"
	KindMeta  = "meta"
)

// Conflict is the error of operation i.
func Conflict(kind store.ConflictKind, i int, what string, current int64) error {
	return &store.ConflictError{Kind: kind, Op: i, What: what, Current: current}
}

// Unmet judges a condition against what stands.
func Unmet(c store.Condition, found bool, ver int64, i int, what string) error {
	if c.Absent && found {
		return Conflict(store.Exists, i, what, ver)
	}
	if c.Version != 0 && !found {
		return Conflict(store.MissingRecord, i, what, 0)
	}
	if c.Version != 0 && c.Version != ver {
		return Conflict(store.VersionConflict, i, what, ver)
	}
	return nil
}
