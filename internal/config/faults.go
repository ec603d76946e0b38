package config

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// maxFaults bounds how many are told at once.
const maxFaults = 20

// Fault is one thing wrong with a file.
type Fault struct {
	Line, Column int    // from 1
	Key          string // the path of the key, as far as it is one; "": of the whole
	Text         string
}

// Faults are what is wrong with a file; further ones are only counted.
type Faults struct {
	Name string
	List []Fault
	More int
}

// Error has a line for each.
func (f *Faults) Error() string {
	lines := make([]string, 0, len(f.List)+1)
	for _, fault := range f.List {
		text := fault.Text
		if fault.Key != "" {
			text = fault.Key + ": " + text
		}
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", f.Name, fault.Line, fault.Column, text))
	}
	if f.More > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more", f.Name, f.More))
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) add(t *token.Token, key, text string) {
	if len(f.List) == maxFaults {
		f.More++
		return
	}
	f.List = append(f.List, *at(t, key, text))
}

func at(t *token.Token, key, text string) *Fault {
	fault := &Fault{Line: 1, Column: 1, Key: key, Text: text}
	if t != nil && t.Position != nil {
		fault.Line, fault.Column = t.Position.Line, t.Position.Column
	}
	return fault
}

var aName = regexp.MustCompile(`^[A-Za-z0-9*_.-]{1,40}$`)

// named is a key as it may be told: one that looks like no name may be anything,
// a password in a wrong place too.
func named(key string) string {
	if !aName.MatchString(key) {
		return "(a key)"
	}
	return key
}

// closest finds the setting that somebody meant by a key, "" if none is close: one
// that was written as its flag, or with two letters off.
func closest(key string, settings []Setting) string {
	written := key[strings.LastIndexByte(key, '.')+1:]
	best, meant := 3, ""
	for _, s := range settings {
		if s.Flag == written || s.Flag == strings.ReplaceAll(key, ".", "-") {
			return s.Key
		}
		if d := distance(key, s.Key); d < best {
			best, meant = d, s.Key
		}
	}
	return meant
}

// distance counts the letters to put in, leave out or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // row[j] of the row above, to the left
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
