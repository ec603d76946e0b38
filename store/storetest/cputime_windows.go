//go:build windows

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
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		t.Fatal(err)
	}
	var made, ended, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(self, &made, &ended, &kernel, &user); err != nil {
		t.Fatal(err)
	}
	return ticks(kernel) + ticks(user)
}

// ticks reads a duration, which Windows counts in 100 ns.
func ticks(f syscall.Filetime) time.Duration {
	return time.Duration(int64(f.HighDateTime)<<32|int64(f.LowDateTime)) * 100
}
