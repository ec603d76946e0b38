//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// A file that may not grow further (ulimit -f) is a full disk, which the store
// answers as such; the signal would end the process.
func init() { signal.Ignore(syscall.SIGXFSZ) }
