// Package mongo is the engine of package store over a MongoDB replica set or
// sharded cluster, server 5.0 or later. A standalone server, and a server that
// only looks like MongoDB, is refused at start.
//
// It reads no FHIR and knows no rule of booking; package bars is its user,
// package storetest its contract.
//
// Four collections hold everything: res (the current version of each record,
// with its index entries), hist (superseded versions), claim (slot parts) and
// aux (small documents, and under kind "meta" the engine's own). Uniqueness is
// asked of _id alone, because that is what a sharded cluster enforces
// everywhere.
//
// A batch of one record or one claim is written without a transaction; every
// other batch reads all that it needs in one transaction, judges it in memory
// in the order of its operations, and writes the outcome. Each call has a
// causally consistent session, which begins at the last write of this program.
// Times are kept in milliseconds, and expiry is judged by the injected clock: the
// server's own clean-up of expired documents comes a day later and only tidies.
package mongo
