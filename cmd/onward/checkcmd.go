package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/store/sqlite"
)

type checkCommand struct {
	configFile `embed:""`

	Store   string `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"The store: sqlite:PATH or a mongodb URI."`
	BaseURL string `env:"ONWARD_BASE_URL" name:"base-url" default:"http://127.0.0.1:8080" help:"The server's base URL: references to it are our own."`
	Repair  bool   `help:"Set the status of slots to what their claims say; nothing else is ever repaired."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
}

// checkReport is what the command prints.
type checkReport struct {
	OK     bool     `json:"ok"`
	Engine string   `json:"engine"`
	Schema int      `json:"schema"`
	File   []string `json:"file"` // what is wrong with the file itself
	*bars.Report
}

// errBroken ends a check that found something.
var errBroken = errors.New("the store isn't as it should be")

// Run checks.
func (c *checkCommand) Run() error {
	ctx, stop := untilStopped()
	defer stop()
	db, err := openStore(ctx, c.Store, opening{readOnly: !c.Repair, there: true})
	if err != nil {
		if c.Repair && !isMongo(c.Store) {
			return fmt.Errorf("%w (a running server repairs slots itself, at its start and every hour)", err)
		}
		return err
	}
	defer db.Close()
	report, fault := c.check(ctx, db)
	fault = ended(ctx, fault, "not all was looked at")
	if fault != nil && (report == nil || len(report.File) == 0) {
		return fault
	}
	if c.JSON {
		err = json.NewEncoder(os.Stdout).Encode(report)
	} else {
		err = report.write(os.Stdout)
	}
	if err == nil && !report.OK {
		err = errBroken
	}
	return errors.Join(err, fault)
}

// check checks. What is wrong with the file comes with an error too, which may be
// its consequence.
func (c *checkCommand) check(ctx context.Context, db bulkStore) (*checkReport, error) {
	health, err := db.Health(ctx)
	if err != nil {
		return nil, err
	}
	report := &checkReport{Engine: health.Engine, Schema: health.Schema, File: []string{}, Report: &bars.Report{}}
	if file, is := db.(*sqlite.Store); is {
		faults, err := file.CheckFile(ctx)
		if err != nil {
			return nil, err
		}
		report.File = append(report.File, faults...)
	}
	bar := newProgress(os.Stderr)
	of := int64(0)
	if counts, err := db.Counts(ctx); err == nil {
		for _, n := range counts {
			of += n.Live
		}
	}
	desk := bars.NewDesk(db, bars.Options{Base: c.BaseURL + fhirPath, Log: slog.New(slog.DiscardHandler)})
	found, err := desk.Verify(bars.WithCaller(ctx, bars.Caller{Door: "check"}), bars.VerifyOptions{
		Everything: db, Repair: c.Repair, Progress: func(n int) { bar.show("checking", int64(n), of) },
	})
	bar.end()
	if err != nil {
		return report, err
	}
	report.Report = found
	report.OK = len(report.File) == 0 && report.Found == report.Repaired
	return report, nil
}

// write prints the report for people.
func (r *checkReport) write(w io.Writer) error {
	fmt.Fprintf(w, "%s, schema %d: %d records with %d versions, %d claims, %d appointments that occupy slots, %d slots that aren't free, %d idempotency records\n",
		r.Engine, r.Schema, r.Records, r.Versions, r.Claims, r.Appointments, r.Slots, r.Idempotency)
	for _, fault := range r.File {
		fmt.Fprintf(w, "DAMAGE    %s\n", fault)
	}
	for _, b := range r.Breaches {
		word := "BROKEN"
		if b.Repaired {
			word = "REPAIRED"
		}
		fmt.Fprintf(w, "%-9s %s: %s %s: %s\n", word, b.Rule, b.What, b.Other, b.Note)
	}
	if more := r.Found - len(r.Breaches); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	for _, o := range r.Overlaps {
		fmt.Fprintf(w, "note      %s: %s and %s overlap\n", o.Schedule, o.Slots[0], o.Slots[1])
	}
	if more := r.OverlapCount - len(r.Overlaps); more > 0 {
		fmt.Fprintf(w, "and %d more overlaps\n", more)
	}
	if r.Unsettled > 0 {
		fmt.Fprintf(w, "note      %d slots changed again and again while they were looked at\n", r.Unsettled)
	}
	_, err := fmt.Fprintf(w, "%d broken, %d repaired, %d overlapping slots\n", r.Found+len(r.File), r.Repaired, r.OverlapCount)
	return err
}
