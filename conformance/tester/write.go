package tester

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	_ "embed"
)

// Text writes the report for a terminal: a line a case, what is wrong below it.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Target, r.Service)
	for _, c := range r.Results {
		switch c.Verdict {
		case Passed:
			fmt.Fprintf(&b, "pass  %s\n", c.ID)
		case Skipped:
			fmt.Fprintf(&b, "skip  %s: %s\n", c.ID, c.Why)
		case Failed:
			fmt.Fprintf(&b, "FAIL  %s\n        requirement: %s\n        %s\n", c.ID, c.Requirement, c.Why)
			for _, x := range c.Exchanges {
				fmt.Fprintf(&b, "        %s %s: %d\n", x.Method, x.URL, x.Status)
			}
		}
	}
	for _, left := range r.Remains {
		fmt.Fprintf(&b, "left  %s: %s\n", left.Record, left.State)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, %d skipped\n", r.Passed, r.Failed, r.Skipped)
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes the whole report.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Seconds string     `xml:"time,attr"`
	Failure *junitNote `xml:"failure"`
	Skipped *junitNote `xml:"skipped"`
}

type junitNote struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as build servers read it.
func (r *Report) JUnit(w io.Writer) error {
	suite := junitSuite{Name: "onward conform", Tests: len(r.Results), Failures: r.Failed, Skipped: r.Skipped, Time: r.Started.UTC().Format("2006-01-02T15:04:05")}
	for _, c := range r.Results {
		group, _, _ := strings.Cut(c.ID, "/")
		one := junitCase{Class: "conform." + group, Name: c.ID, Seconds: fmt.Sprintf("%.3f", c.Took.Seconds())}
		switch c.Verdict {
		case Failed:
			one.Failure = &junitNote{Message: c.Why, Text: c.Requirement}
		case Skipped:
			one.Skipped = &junitNote{Message: c.Why}
		}
		suite.Cases = append(suite.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"group": func(id string) string { group, _, _ := strings.Cut(id, "/"); return group },
	"when":  func(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") },
	"word": func(v Verdict) string {
		return map[Verdict]string{Passed: "Pass", Failed: "Fail", Skipped: "Skipped"}[v]
	},
}).Parse(page))

// HTML writes the report as one page that needs nothing else, for people.
func (r *Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }
