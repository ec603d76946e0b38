// Package fakereplset is a MongoDB replica set of one member for tests: the
// real wire protocol on a loopback port, so that the real driver talks to it,
// over the memory engine of package lungo. It logs commands and breaks on
// request.
//
// It is no database: nothing is kept, writers wait for each other (so that
// conflicts come only from a Hook), indexes are remembered and never used, and
// the query language is lungo's part of MongoDB's. Tests of package mongo use
// it; no product code may.
package fakereplset
