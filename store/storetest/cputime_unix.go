//go:build unix

package storetest

import (
	"syscall"
	"testing"
	"time"
)

// CPUTime is what the process has used: unlike a latency it hardly depends on
// what else runs on the machine.
func CPUTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
