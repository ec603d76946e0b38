package sqlite

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A log ends where its checksums no longer hold (SQLite, database file format,
// section 4.1 to 4.3): so what a power cut left unfinished is dropped. But where the
// disk damages the middle of a log, every commit behind goes the same way without a
// word, and the log is overwritten.

// errBrokenLog is such a log.
var errBrokenLog = errors.New("store: the log (-wal) beside the database is damaged, and commits that stand behind the damage can't be read: restore a backup; or keep a copy of the file, its -wal and its -shm, and start the server with --sync normal, which goes on without those commits")

// The parts of a log.
const (
	logHead   = 32
	frameHead = 24
)

// checkLog refuses a database with a damaged log. The process that has it open may
// write meanwhile, so only what looks the same twice is damage.
func (p *place) checkLog() error {
	var broken [2]int64
	for i := range broken {
		f, err := os.Open(p.file + "-wal")
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("store: can't open the log of the database: %w", err)
		}
		broken[i] = brokenFrame(f)
		f.Close()
		if broken[i] == 0 {
			return nil
		}
	}
	if broken[0] != broken[1] {
		return nil
	}
	return errBrokenLog
}

// brokenFrame finds the first frame that doesn't hold and has commits behind it
// which were on disk, or 0. A power cut leaves at most the frames of one transaction
// that wasn't synced, the mark of its commit among them; a frame that goes on from
// behind such a mark says that the transaction was whole before the next began. What
// earlier rounds left behind the end has other salts or goes on from other frames.
func brokenFrame(f io.Reader) int64 {
	in := bufio.NewReaderSize(f, 1<<20)
	head := make([]byte, logHead)
	if _, err := io.ReadFull(in, head); err != nil {
		return 0
	}
	sum := logSum{big: head[3]&1 == 1}
	sum.add(head[:24])
	size := binary.BigEndian.Uint32(head[8:])
	if binary.BigEndian.Uint32(head)&^1 != 0x377f0682 || !sum.is(head[24:]) || size < 512 || size > 1<<16 {
		return brokenHead(head, in)
	}
	frame := make([]byte, frameHead+size)
	broken, committed := int64(0), false
	for n := int64(1); ; n++ {
		if _, err := io.ReadFull(in, frame); err != nil {
			return 0
		}
		ours := bytes.Equal(frame[8:16], head[16:24])
		sum.add(frame[:8])
		sum.add(frame[frameHead:])
		holds := ours && sum.is(frame[16:])
		if !holds && broken == 0 {
			broken = n
		}
		if holds && broken > 0 && committed {
			return broken
		}
		committed = ours && binary.BigEndian.Uint32(frame[4:]) > 0
		sum.from(frame[16:]) // what the next one goes on from, whether this one holds or not
	}
}

// brokenHead tells damage to the beginning of a log with frames from a log that was
// never written.
func brokenHead(head []byte, rest io.Reader) int64 {
	if _, err := io.ReadFull(rest, make([]byte, frameHead+512)); err != nil || bytes.Equal(head, make([]byte, logHead)) {
		return 0
	}
	return -1
}

// logSum is the checksum of a log, which runs on from frame to frame.
type logSum struct {
	big  bool
	a, b uint32
}

func (s *logSum) add(p []byte) {
	a, b := s.a, s.b
	if s.big {
		for ; len(p) >= 8; p = p[8:] {
			a += binary.BigEndian.Uint32(p) + b
			b += binary.BigEndian.Uint32(p[4:]) + a
		}
	} else {
		for ; len(p) >= 8; p = p[8:] {
			a += binary.LittleEndian.Uint32(p) + b
			b += binary.LittleEndian.Uint32(p[4:]) + a
		}
	}
	s.a, s.b = a, b
}

func (s *logSum) is(p []byte) bool {
	return s.a == binary.BigEndian.Uint32(p) && s.b == binary.BigEndian.Uint32(p[4:])
}

func (s *logSum) from(p []byte) {
	s.a, s.b = binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
}
