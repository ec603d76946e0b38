package store

import "time"

// Change says that a version was written. It holds no body: who needs one reads
// the record, which may have moved on by then.
type Change struct {
	Ref         Ref
	Version     int64
	LastUpdated time.Time
	Deleted     bool
	Method      string // POST, PUT, PATCH or DELETE
}

// Changes is one page of the change feed. Next is the position to go on from,
// behind the last change of List; where List is empty it is worth as much as the
// one asked with, and cheaper to go on from.
type Changes struct {
	List []Change
	Next string
}

// MaxChanges bounds one page of the feed.
const MaxChanges = 1000

// Count is how much there is of a type.
type Count struct {
	Live     int64 // records that aren't deleted
	Versions int64 // all versions, tombstones included
}

// Plan says how an engine would answer a query. Steps name indexes, parameters
// and the order of conditions; values of the query are masked (design D21).
type Plan struct {
	Engine string
	Steps  []string
	Rows   int // what the driving condition has at most, as estimated
}
