// Command crosscheck compares what our validator says of each JSON file of a
// folder with what somebody else's said of it, and fails on a difference that
// isn't explained. `make medplum` and `make hapi` use it on the official R4
// examples. It runs no validator but ours and goes nowhere for definitions.
//
//	crosscheck -examples FOLDER -explained FILE.json <verdicts
//
// A verdict is a line of JSON: {"file":"name.json","issues":[{"rule":..,"path":..,"text":..}]},
// errors only. Two issues agree where one's element is the other's or lies in it.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	examples := flag.String("examples", "", "folder of the resources, as JSON files")
	explained := flag.String("explained", "", "file of the explained differences")
	flag.Parse()
	ok, err := run(*examples, *explained, os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "crosscheck:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}
