package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
)

// maxIssues is of one file; some examples break one rule hundreds of times.
const maxIssues = 100_000

// maxShown is how many differences are printed.
const maxShown = 200

// verdict is what one validator says of one file.
type verdict struct {
	File   string  `json:"file"`
	Issues []issue `json:"issues"`
}

type issue struct {
	Rule string `json:"rule"`
	Path string `json:"path"`
	Text string `json:"text"`
}

func run(examples, explained string, verdicts io.Reader, out io.Writer) (ok bool, err error) {
	list, err := readExplained(explained)
	if err != nil {
		return false, err
	}
	judged := map[string]bool{}
	var accepted, refused, differences, unexplained int
	for lines := bufio.NewReader(verdicts); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil && err != io.EOF {
			return false, err
		}
		var theirs verdict
		if err := json.Unmarshal(line, &theirs); err != nil {
			return false, fmt.Errorf("verdict %d: %w", len(judged)+1, err)
		}
		ours, err := judge(examples, theirs.File)
		if err != nil {
			return false, err
		}
		judged[theirs.File] = true
		switch {
		case len(ours.Issues) == 0 && len(theirs.Issues) == 0:
			accepted++
		case len(ours.Issues) > 0 && len(theirs.Issues) > 0:
			refused++
		}
		for _, d := range compare(ours, &theirs) {
			differences++
			if list.explains(d) {
				continue
			}
			if unexplained++; unexplained <= maxShown {
				fmt.Fprintf(out, "not explained: %s refuse %s: %s at %s: %s\n", d.By, d.File, d.Rule, d.Path, d.Text)
			}
		}
	}
	all, err := filepath.Glob(filepath.Join(examples, "*-*.json"))
	if err != nil {
		return false, err
	}
	for _, file := range all {
		if name := filepath.Base(file); judged[name] == slices.Contains(list.Unjudged.Files, name) {
			return false, fmt.Errorf("%s: a verdict and none expected, or the other way round", name)
		}
	}
	unused := list.unused()
	for _, e := range unused {
		fmt.Fprintf(out, "explained, but not there any more: %s %s %s %s\n", e.By, e.Files, e.Rule, e.Path)
	}
	for _, e := range list.Differences {
		fmt.Fprintf(out, "%6d  %s: %s\n", e.used, e.By, e.Reason)
	}
	fmt.Fprintf(out, "%s: %d resources, %d accepted by both, %d refused by both, %d issues differ, %d of them unexplained\n",
		list.Validator, len(judged), accepted, refused, differences, unexplained)
	return unexplained == 0 && len(unused) == 0, nil
}

// judge is our own verdict.
func judge(folder, file string) (*verdict, error) {
	text, err := os.ReadFile(filepath.Join(folder, filepath.Base(file)))
	if err != nil {
		return nil, err
	}
	out := &verdict{File: file}
	r, err := fhir.Parse(text)
	if err != nil {
		out.Issues = []issue{{Rule: "unreadable", Text: err.Error()}}
		return out, nil
	}
	for _, i := range validate.Resource(r, validate.Options{MaxIssues: maxIssues}).Issues {
		out.Issues = append(out.Issues, issue{i.Key, i.Expression, i.Text})
	}
	return out, nil
}

// difference is an issue that one validator has and the other hasn't.
type difference struct {
	By   string // "ours" or "theirs"
	File string
	issue
}

func compare(ours, theirs *verdict) []difference {
	var out []difference
	for _, i := range ours.Issues {
		if !slices.ContainsFunc(theirs.Issues, func(j issue) bool { return related(i.Path, j.Path) }) {
			out = append(out, difference{"ours", ours.File, i})
		}
	}
	for _, i := range theirs.Issues {
		if !slices.ContainsFunc(ours.Issues, func(j issue) bool { return related(i.Path, j.Path) }) {
			out = append(out, difference{"theirs", ours.File, i})
		}
	}
	return out
}

// related says whether one element is the other or lies in it.
func related(a, b string) bool {
	a, b = plain(a)+".", plain(b)+"."
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// decoration is what HAPI writes into a path beside elements and indexes: the
// type and id of a resource in it, and the type of a choice.
var decoration = regexp.MustCompile(`/\*.*?\*/|\.ofType\([A-Za-z]+\)`)

func plain(path string) string {
	return strings.ReplaceAll(decoration.ReplaceAllString(path, ""), "[", ".[")
}
