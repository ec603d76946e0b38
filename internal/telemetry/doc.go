// Package telemetry is the plumbing of /metrics: a registry of the process's own,
// the counts of HTTP and of the store, values that are asked for behind a bound,
// and the page itself.
//
// It knows no door, route or rule: cmd names them. A label only ever holds one of
// a few values that the program wrote, never anything of a request or a record
// (design D21).
package telemetry
