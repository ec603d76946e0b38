// Package scripts holds our own FHIR TestScripts: what the RESTful API of R4
// demands of a server that offers what ours offers, and booking an appointment
// by hand as a plain FHIR client does it. Each test's description is the
// requirement that it proves; docs/conformance.md lists them all.
//
// Package testscript runs them. They create what they need and take most of it
// away again; the variable "run" must be one that no other run against the same
// server used.
package scripts

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/onward-health/onward/conformance/testscript"
)

//go:embed *.json fixtures bars
var files embed.FS

// Names lists the scripts' files.
func Names() ([]string, error) { return fs.Glob(files, "*.json") }

// BaRSNames lists the files of the scripts for receivers of the Booking and
// Referral Standard.
func BaRSNames() ([]string, error) { return fs.Glob(files, "bars/*.json") }

// All reads every script of plain FHIR, in the order of their names.
func All() ([]*testscript.Script, error) { return read(Names()) }

// BaRS reads every script for receivers of the Booking and Referral Standard.
// Package tester gives their variables values.
func BaRS() ([]*testscript.Script, error) { return read(BaRSNames()) }

func read(names []string, err error) ([]*testscript.Script, error) {
	if err != nil {
		return nil, err
	}
	var all []*testscript.Script
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := testscript.Parse(text, files)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}
