// Package archtest checks the shape of the source tree: which way imports go,
// that every package says what it is for, and that no file grows too long.
//
// It holds tests only; nothing imports it. The rules themselves are in rules.go
// so that breaking one can be tried in a table.
package archtest
