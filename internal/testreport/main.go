// Command testreport reads `go test -json` from standard input and prints what
// a person needs: go test's own line for each package, the output of what
// failed, every skipped test with its reason, and the counts as the last line.
//
// It exits with 1 if anything failed. It runs no tests; `make test` and .ci/run
// use it. Subtests count as tests.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	failed, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	if failed {
		os.Exit(1)
	}
}

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output string
}

type counts struct{ passed, failed, skipped int }

func report(in io.Reader, out io.Writer) (failed bool, err error) {
	var total counts
	output := map[[2]string]*strings.Builder{} // of tests that haven't ended, by package and name
	failedIn := map[string]bool{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		switch {
		case len(line) == 0:
		case json.Unmarshal(line, &e) != nil:
			fmt.Fprint(out, string(line)) // go's own complaints aren't JSON
		default:
			handle(e, output, failedIn, &total, out)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return true, err
		}
	}
	for _, text := range output { // a crash leaves tests without an end
		fmt.Fprint(out, text.String())
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	return total.failed > 0, nil
}

func handle(e event, output map[[2]string]*strings.Builder, failedIn map[string]bool, total *counts, out io.Writer) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "output":
		switch {
		case e.Test == "" && e.Output != "PASS\n":
			fmt.Fprint(out, e.Output)
		case e.Test != "" && !strings.HasPrefix(e.Output, "=== "):
			if output[key] == nil {
				output[key] = &strings.Builder{}
			}
			output[key].WriteString(e.Output)
		}
	case "pass", "fail", "skip":
		end(e, output[key], failedIn, total, out)
		delete(output, key)
	}
}

func end(e event, text *strings.Builder, failedIn map[string]bool, total *counts, out io.Writer) {
	if e.Test == "" {
		if e.Action == "fail" && !failedIn[e.Package] {
			total.failed++ // it didn't build, or died outside a test
		}
		return
	}
	switch e.Action {
	case "pass":
		total.passed++
		return
	case "fail":
		total.failed++
		failedIn[e.Package] = true
	case "skip":
		total.skipped++
	}
	if text != nil {
		fmt.Fprint(out, text.String())
	}
}
