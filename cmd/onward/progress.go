package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress shows how far a long task is: a bar on a terminal, else a line now
// and then.
type progress struct {
	out      io.Writer
	terminal bool
	task     string
	began    time.Time
	first    int64 // done when the task began
	shown    time.Time
	full     bool // the line that says 100 % was shown
}

func newProgress(out *os.File) *progress {
	info, err := out.Stat()
	return &progress{out: out, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

const barWidth = 30

// show says that a task has done so many of about so many; of 0: unknown.
func (p *progress) show(task string, done, of int64) {
	now := time.Now()
	if task != p.task {
		p.end()
		p.task, p.began, p.first, p.shown, p.full = task, now, done, time.Time{}, false
	}
	every := 5 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	full := of > 0 && done >= of
	if now.Sub(p.shown) < every && (!full || p.full) {
		return
	}
	p.full = full
	p.shown = now
	rate := ""
	if spent := now.Sub(p.began).Seconds(); spent > 0.5 {
		rate = fmt.Sprintf(", %.0f/s", float64(done-p.first)/spent)
	}
	line := fmt.Sprintf("%s: %d%s", task, done, rate)
	if of == 0 && done == 0 {
		line = task
	}
	if of > 0 {
		part := min(float64(done)/float64(of), 1)
		line = fmt.Sprintf("%s: %3.0f %%, %d of %d%s", task, 100*part, done, of, rate)
		if p.terminal {
			full := int(part * barWidth)
			line = fmt.Sprintf("[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), line)
		}
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r\033[K%s", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// end leaves the last line standing.
func (p *progress) end() {
	if p.terminal && p.task != "" {
		fmt.Fprintln(p.out)
	}
	p.task = ""
}
