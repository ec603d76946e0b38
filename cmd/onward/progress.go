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
	done, of int64
	shown    time.Time
	says     int64 // what the line that stands says is done
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
		p.task, p.began, p.first, p.shown = task, now, done, time.Time{}
	}
	p.done, p.of = done, of
	every := 5 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	if now.Sub(p.shown) >= every {
		p.write(now)
	}
}

func (p *progress) write(now time.Time) {
	p.shown, p.says = now, p.done
	rate := ""
	if spent := now.Sub(p.began).Seconds(); spent > 0.5 {
		rate = fmt.Sprintf(", %.0f/s", float64(p.done-p.first)/spent)
	}
	line := p.task
	if p.of > 0 {
		part := min(float64(p.done)/float64(p.of), 1)
		line = fmt.Sprintf("%s: %3.0f %%, %d of %d%s", p.task, 100*part, p.done, p.of, rate)
		if p.terminal {
			full := int(part * barWidth)
			line = fmt.Sprintf("[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), line)
		}
	} else if p.done > 0 {
		line = fmt.Sprintf("%s: %d%s", p.task, p.done, rate)
	}
	if p.terminal {
		fmt.Fprintf(p.out, "\r\033[K%s", line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// end leaves how far the task came standing.
func (p *progress) end() {
	if p.task == "" {
		return
	}
	if p.says != p.done {
		p.write(time.Now())
	}
	if p.terminal {
		fmt.Fprintln(p.out)
	}
	p.task = ""
}
