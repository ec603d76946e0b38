// Package testtool is a sandbox stand-in of the national conformance tool in its
// part as a receiver (BaRS, testing and environments): a supplier of a sender tries
// every answer that a receiver may give. Sentinel values choose it: the target, the
// patient's NHS number or the id of a record; one NHS number walks through a
// scenario that remembers, per organisation, what was booked and referred.
//
// It stores nothing and invents all that it shows. Three numbers make it send a
// response of its own to where the request asks for (respond.go), by the port that
// cmd gives it. cmd mounts it where the sandbox is on; the proxy's stand-in routes
// the targets of the system "tests" to it.
package testtool
