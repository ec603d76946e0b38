package sqlite

import (
	"context"
	"os"
)

// The log begins anew only where for a moment no reader looks into it. Readers that
// overlap for ever would let it grow for ever, so once it is longer than it should
// be, the writer waits for those that read, a little: who begins meanwhile finds all
// in the database and is waited for by nobody.
const (
	logLimit     = 64 << 20 // bytes
	bulkLogLimit = 1 << 30
	logWait      = `PRAGMA busy_timeout = 200`
)

// shorten has the log begin anew where it is too long. Where readers take longer,
// it is tried again when the log has grown by a quarter.
func (w *writer) shorten() {
	info, err := os.Stat(w.s.place.file + "-wal")
	if err != nil {
		return
	}
	size, limit := info.Size(), w.s.logLimit
	if size <= limit { // SQLite cuts it back when it begins anew
		w.tooLong = limit
		return
	}
	if size <= w.tooLong {
		return
	}
	w.tooLong = size + size/4
	for _, text := range []string{logWait, `PRAGMA wal_checkpoint(RESTART)`, busyTimeout} {
		_ = w.once(context.Background(), text)
	}
}
