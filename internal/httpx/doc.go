// Package httpx is the plumbing around every door's HTTP: the guard of a server
// without authentication, a bound on requests under way, the access log and the
// health pages.
//
// It knows no door and no domain. cmd uses it.
package httpx
