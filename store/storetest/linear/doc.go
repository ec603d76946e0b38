// Package linear judges whether what many clients saw at once could have been
// seen by clients that came one after another: linearizability, by porcupine.
// It holds the models of a group of slots and of a versioned record, and keeps
// histories.
//
// It talks to nothing. Package storetest fills histories from an engine, the
// tests of cmd/onward from the built binary over HTTP; no product code may use
// it.
package linear
