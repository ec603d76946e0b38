// Package kit is what the engines of package store share: the checks of a batch
// and of a query, the judging of conditions, sealed cursors, and the waking of
// those who wait for a commit.
//
// It reads and writes no database. Only engines use it.
package kit
