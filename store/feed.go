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

// Changes is one page of the change feed. Next is the position behind the last
// change of List and stays as it was where List is empty.
type Changes struct {
	List []Change
	Next string
}

// Plan says how an engine would answer a query. Steps name indexes, parameters
// and the order of conditions; values of the query are masked (design D21).
type Plan struct {
	Engine string
	Steps  []string
	Rows   int // what the driving condition has at most, as estimated
}
