package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/store"
)

// purgeCommand removes what is superseded or deleted. A SQLite store must not be
// in use; on MongoDB servers may run.
type purgeCommand struct {
	configFile `embed:""`

	Store  string `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"The store: sqlite:PATH or a mongodb URI."`
	Before string `required:"" help:"Remove what was written before this time: 2025-01-31 (midnight UTC) or 2025-01-31T08:30:00Z."`
	Type   string `help:"Only of this resource type, or of one record: Slot or Slot/123."`
	Yes    bool   `help:"Really remove it."`
}

// Run purges, and says how much has gone and where its audit record is.
func (c *purgeCommand) Run() error {
	r, err := c.request()
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if !c.Yes {
		return usage("this removes %s for good; back the store up and add --yes", c.what(r))
	}
	ctx, stop := untilStopped()
	defer stop()
	db, err := openStore(ctx, c.Store, opening{there: true})
	if err != nil {
		return err
	}
	done, err := db.Purge(ctx, r)
	if done.Audit != "" {
		fmt.Printf("removed %d superseded versions and %d deleted records; audit record %s|%s\n", done.Versions, done.Records, store.KindAudit, done.Audit)
	}
	err = ended(ctx, err, "the same command removes the rest")
	return errors.Join(err, db.Close())
}

func (c *purgeCommand) request() (store.PurgeRequest, error) {
	r := store.PurgeRequest{}
	before, err := time.Parse(time.DateOnly, c.Before)
	if err != nil {
		before, err = time.Parse(time.RFC3339, c.Before)
	}
	if err != nil {
		return r, errors.New("--before must be a date such as 2025-01-31 or a time such as 2025-01-31T08:30:00Z")
	}
	r.Before = before
	named := false
	if r.Type, r.ID, named = strings.Cut(c.Type, "/"); named && (r.Type == "" || r.ID == "") {
		return r, errors.New("--type must be a type such as Slot or a record such as Slot/123") // an id left empty would mean all
	}
	if c.Type != "" && r4.Tables.Resource(r.Type) == nil {
		return r, errors.New("--type names no resource type of FHIR R4, whose names begin with a capital: Slot or Slot/123")
	}
	by := map[string]string{"door": "command"}
	if u, err := user.Current(); err == nil {
		by["user"] = u.Username
	}
	r.By, err = json.Marshal(by)
	return r, err
}

func (c *purgeCommand) what(r store.PurgeRequest) string {
	of := "every record"
	if c.Type != "" {
		of = c.Type
	}
	return fmt.Sprintf("the superseded versions of %s, and the deleted records among them, from before %s", of, r.Before.Format(time.RFC3339))
}
