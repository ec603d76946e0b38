// Command onward moves patients between NHS services: it takes referrals and
// bookings through the doors that their systems speak and keeps them as FHIR R4
// resources. This package is flags and wiring, nothing else.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "devel"

type cli struct {
	Serve   serveCommand   `cmd:"" default:"withargs" help:"Run the server."`
	Store   storeCommand   `cmd:"" help:"Look after a store: back up, check, copy, purge."`
	Seed    seedCommand    `cmd:"" help:"Fill a store with generated data, for tests of size."`
	Send    sendCommand    `cmd:"" help:"Send a BaRS message to another system."`
	Outbox  outboxCommand  `cmd:"" help:"Show what could not be sent; send it again or drop it."`
	Keys    keysCommand    `cmd:"" help:"Make a key pair, or an assertion signed with one, for the token endpoint."`
	Conform conformCommand `cmd:"" help:"Test any BaRS receiver, or FHIR server, from outside."`
	Version versionCommand `cmd:"" help:"Print the version."`

	given *settings // once the command line was read
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run() error {
	_, err := fmt.Printf("onward %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

func newParser(c *cli) *kong.Kong {
	return kong.Must(c,
		kong.Name("onward"),
		kong.Description("Moves patients between NHS services: referrals and bookings in by one door, out by every other."),
		kong.UsageOnError(),
		kong.Exit(func(code int) {
			if code != 0 {
				code = exitUsage
			}
			os.Exit(code)
		}),
	)
}

func main() {
	var c cli
	parser := newParser(&c)
	chosen, err := parser.Parse(os.Args[1:])
	var refused *exitError
	if !errors.As(err, &refused) { // those are about values, where a page of flags is no help
		parser.FatalIfErrorf(err)
		err = chosen.Run(&c.Outbox, c.given)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "onward:", err)
		os.Exit(exitCode(err))
	}
}
