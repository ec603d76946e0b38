package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/storetest/linear"
)

// Ensure that a full disk refuses writes for now, lets reads go on, and costs
// nothing that was acknowledged.
func TestProofThatAFullDiskLosesNothing(t *testing.T) {
	t.Run("file size limit", func(t *testing.T) {
		// To SQLite this is an input/output error. Where it met the commit itself it
		// can't be known whether that counts; before, nothing was written.
		s := start(t)
		fullDisk(t, s, []linear.Result{linear.Unknown, linear.Void}, func() {
			largest := int64(0)
			for _, name := range []string{"onward.db", "onward.db-wal"} {
				info, err := os.Stat(filepath.Join(s.dir, "data", name))
				require.NoError(t, err)
				largest = max(largest, info.Size())
			}
			limitFiles(t, s.cmd.Process.Pid, uint64(largest)+32<<10)
		}, func() { limitFiles(t, s.cmd.Process.Pid, ^uint64(0)) })
	})
	t.Run("small file system", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mount("onward", dir, "tmpfs", 0, "size=48m"); err != nil {
			t.Skip("no file system can be mounted here: ", err)
		}
		t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
		s := start(t, "--store", "sqlite:"+dir+"/onward.db")
		filler := filepath.Join(dir, "filler")
		fullDisk(t, s, []linear.Result{linear.Void}, func() {
			f, err := os.Create(filler)
			require.NoError(t, err)
			defer f.Close()
			for _, size := range []int{1 << 20, 4 << 10} {
				for err = nil; err == nil; {
					_, err = f.Write(make([]byte, size))
				}
			}
			require.ErrorIs(t, err, syscall.ENOSPC)
		}, func() { require.NoError(t, os.Remove(filler)) })
	})
}

// fullDisk fills the disk under load; expected is what writes may be told then.
func fullDisk(t *testing.T, s *server, expected []linear.Result, fill, free func()) {
	l := newPressure(t, s)
	l.run(rand.Uint64(), func() {
		wait(300 * time.Millisecond)
		fill()
		l.untilSpoilt()
		require.Equal(t, 200, s.do("GET", "/FHIR/R4/Slot/"+l.slots[0].id, nil, nil).status, "reads go on")
		require.Equal(t, 200, s.do("GET", "/FHIR/R4/Slot?status=free&_count=5", nil, nil).status, "searches go on")
		free()
		l.untilServed()
		wait(200 * time.Millisecond)
	})
	told := l.count()
	t.Logf("writes: %v", told)
	spoilt := 0
	for _, result := range expected {
		spoilt += told[result]
	}
	require.NotZero(t, spoilt)
	l.verify()
	l.retry(5)
	s.kill()
	s.run()
	l.verify()
}

// limitFiles bounds the size of files that a process may write (prlimit(2)).
func limitFiles(t *testing.T, pid int, most uint64) {
	t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: most, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	require.Zero(t, errno, "%s", errno)
}
