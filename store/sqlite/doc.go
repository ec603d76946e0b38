// Package sqlite is the embedded engine of package store: one SQLite file in
// WAL mode, one writer goroutine that commits waiting batches together, and a
// few read-only connections. It is pure Go and needs nothing installed.
//
// It serves one process on one machine: the file's folder holds a LOCK file
// that a second process is refused by. It reads no FHIR and knows no rule of
// booking; package bars is its user, package storetest its contract.
//
// Index entries are kept by number (term.go), each text once, and what a record has
// of them stands beside it (keys.go); a search counts what its conditions have
// (plan.go) and then gathers or walks (walk.go).
//
// Operations of a batch take effect in their order, guards are judged before
// all of them, and the idempotency key before the guards. Searches and pages
// end with the record's logical id, ascending, so that equal sort values page
// in one order. Times are kept in milliseconds.
package sqlite
