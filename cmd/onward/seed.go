package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance/sandbox"
)

type seedCommand struct {
	configFile `embed:""`

	Store      string    `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"The store to fill: sqlite:PATH (no server may run on it) or a mongodb URI."`
	BaseURL    string    `env:"ONWARD_BASE_URL" name:"base-url" default:"http://127.0.0.1:8080" help:"The server's base URL."`
	Scale      int       `required:"" help:"How many slots; a tenth as many patients, appointments, referrals and encounters come with them."`
	RandomSeed uint64    `name:"random-seed" default:"1" help:"The same seed and start make the same data."`
	Start      time.Time `format:"2006-01-02" help:"The day on which the diaries begin; default today."`
}

// seedWorkers make and index batches while the store writes others, up to so many
// in one transaction.
const seedWorkers = 24

// maxScale is more than anybody has a disk for, and far from where numbers of
// resources overflow.
const maxScale = 1_000_000_000

// Run fills the store.
func (c *seedCommand) Run() error {
	if c.Scale < 1 || c.Scale > maxScale {
		return usage("--scale must be from 1 to %d", maxScale)
	}
	if c.Start.IsZero() {
		c.Start = time.Now()
	}
	ctx, stop := untilStopped()
	defer stop()
	db, err := openStore(ctx, c.Store, opening{bulk: true, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	desk := bars.NewDesk(db, bars.Options{Base: c.BaseURL + fhirPath})
	began := time.Now()
	loaded, err := c.load(ctx, desk)
	err = ended(ctx, err, "the same command, with the same --start, goes on")
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	spent := time.Since(began)
	fmt.Printf("%d resources loaded in %v, %.0f a second\n", loaded, spent.Round(time.Millisecond), float64(loaded)/spent.Seconds())
	return nil
}

// load loads the batches; after an error the others stop.
func (c *seedCommand) load(ctx context.Context, desk *bars.Desk) (int64, error) {
	scale := sandbox.Scale{Slots: c.Scale, Seed: c.RandomSeed, Start: c.Start}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bar := newProgress(os.Stderr)
	defer bar.end()
	var next, loaded atomic.Int64
	var done int64
	var showing sync.Mutex
	var all sync.WaitGroup
	for range seedWorkers {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < scale.Batches() && ctx.Err() == nil; n = int(next.Add(1)) - 1 {
				batch := scale.Batch(n)
				stored, err := desk.Load(ctx, bars.Caller{Door: "seed"}, batch)
				if err != nil {
					cancel(behind(err))
					return
				}
				loaded.Add(int64(stored))
				showing.Lock()
				done += int64(len(batch))
				bar.show("loading", done, scale.Resources())
				showing.Unlock()
			}
		})
	}
	all.Wait()
	return loaded.Load(), context.Cause(ctx)
}
