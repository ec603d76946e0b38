//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Ensure that only a lock that is held counts as another process: an operator who
// looks for one that isn't there loses the night.
func TestALockThatCannotBeHadSaysWhy(t *testing.T) {
	for code, row := range map[syscall.Errno]struct {
		is   error
		says string
	}{
		syscall.EWOULDBLOCK: {errLocked, "another process"},
		syscall.ENOSYS:      {errNoLocks, "file system has no locks"},
		syscall.ENOLCK:      {errNoLocks, "file system has no locks"},
		syscall.EOPNOTSUPP:  {errNoLocks, "file system has no locks"},
		syscall.EIO:         {syscall.EIO, "input/output"},
	} {
		asked := 0
		f, err := lockBy(filepath.Join(t.TempDir(), "LOCK"), func(int, int) error {
			if asked++; asked == 1 {
				return syscall.EINTR
			}
			return code
		})
		if f != nil || !errors.Is(err, row.is) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%v: %v", code, err)
		}
		if row.is != errLocked && errors.Is(err, errLocked) {
			t.Errorf("%v is taken for another process", code)
		}
	}
}
