package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/onward-health/onward/bars"
)

// reindexCommand makes the search index anew. A SQLite store must not be in use;
// on MongoDB servers may run.
type reindexCommand struct {
	configFile `embed:""`

	Store   string `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"The store: sqlite:PATH or a mongodb URI."`
	BaseURL string `env:"ONWARD_BASE_URL" name:"base-url" default:"http://127.0.0.1:8080" help:"The server's base URL: references to it are our own."`
}

// Run reindexes every type.
func (c *reindexCommand) Run() error {
	ctx, stop := untilStopped()
	defer stop()
	db, err := openStore(ctx, c.Store, opening{there: true})
	if err != nil {
		return err
	}
	desk := bars.NewDesk(db, bars.Options{Base: c.BaseURL + fhirPath, Log: slog.New(slog.DiscardHandler)})
	bar := newProgress(os.Stderr)
	done := map[string]int{}
	err = desk.Reindex(ctx, version, func(typ string, n, of int) {
		done[typ] = n
		bar.show("indexing "+typ, int64(n), int64(of))
	})
	bar.end()
	err = ended(ctx, err, "the same command goes on from here")
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	all := 0
	for _, n := range done {
		all += n
	}
	fmt.Printf("%d records of %d types are indexed anew\n", all, len(done))
	return nil
}
