package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
)

// explained is a committed list of differences that are right or known.
type explained struct {
	Validator string `json:"validator"`
	// Unjudged are the files without a verdict.
	Unjudged struct {
		Files  []string `json:"files"`
		Reason string   `json:"reason"`
	} `json:"unjudged"`
	Differences []*explaining `json:"differences"`
}

// explaining says why the one validator refuses what the other takes. What is
// left out matches anything.
type explaining struct {
	By     string `json:"by"`    // who refuses: "ours" or "theirs"
	Files  string `json:"files"` // a pattern of path.Match
	Rule   string `json:"rule"`  // regular expressions
	Path   string `json:"path"`
	Text   string `json:"text"`
	Reason string `json:"reason"`

	rule, path, text *regexp.Regexp
	used             int
}

func readExplained(file string) (*explained, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	list := &explained{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, e := range list.Differences {
		if e.By != "ours" && e.By != "theirs" || e.Reason == "" || e.Files+e.Rule+e.Path+e.Text == "" {
			return nil, fmt.Errorf("%s: difference %d needs by, reason and something to match", file, i+1)
		}
		for _, pair := range []struct {
			to   **regexp.Regexp
			from string
		}{{&e.rule, e.Rule}, {&e.path, e.Path}, {&e.text, e.Text}} {
			if *pair.to, err = regexp.Compile("^(?:" + pair.from + ")$"); err != nil {
				return nil, fmt.Errorf("%s: difference %d: %w", file, i+1, err)
			}
		}
	}
	return list, nil
}

// explains says whether the list has a reason for a difference; the first that
// matches counts it.
func (l *explained) explains(d difference) bool {
	for _, e := range l.Differences {
		if e.matches(d) {
			e.used++
			return true
		}
	}
	return false
}

func (e *explaining) matches(d difference) bool {
	if e.By != d.By {
		return false
	}
	if e.Files != "" {
		if ok, err := path.Match(e.Files, d.File); err != nil || !ok {
			return false
		}
	}
	return (e.Rule == "" || e.rule.MatchString(d.Rule)) && (e.Path == "" || e.path.MatchString(d.Path)) &&
		(e.Text == "" || e.text.MatchString(d.Text))
}

func (l *explained) unused() []*explaining {
	var out []*explaining
	for _, e := range l.Differences {
		if e.used == 0 {
			out = append(out, e)
		}
	}
	return out
}
