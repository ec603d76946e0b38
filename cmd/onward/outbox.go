package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// outboxCommand shows what waits to be sent and what could not be, beside a
// running server too. To send again or drop from a file that a server has open
// is refused: stop it first. A database may be in use.
type outboxCommand struct {
	configFile `embed:""`

	Store string `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"Where records are kept, as for serve."`

	List  outboxList  `cmd:"" default:"withargs" help:"List dead letters, or with --waiting what waits."`
	Show  outboxShow  `cmd:"" help:"Print one message, its body too."`
	Retry outboxRetry `cmd:"" help:"Send dead letters again."`
	Drop  outboxDrop  `cmd:"" help:"Forget dead letters."`
}

type (
	outboxList struct {
		Waiting bool `help:"List what waits in place of the dead letters."`
	}
	outboxShow struct {
		ID string `arg:"" help:"Its id, as list prints it."`
	}
	outboxRetry struct{ letters }
	outboxDrop  struct{ letters }
)

// letters says which dead letters are meant.
type letters struct {
	ID        string `arg:"" optional:"" help:"Its id, as list prints it."`
	Recipient string `help:"All dead letters to this recipient, as list prints it."`
}

// Validate is called by kong.
func (l letters) Validate() error {
	if (l.ID == "") == (l.Recipient == "") {
		return errors.New("say which: the id of one, or --recipient for all to one recipient")
	}
	return nil
}

// look reads the store, beside a running server too; with may also write.
func (c *outboxCommand) look(work func(ctx context.Context, db store.Store) error) error {
	return c.open(opening{readOnly: true, there: true}, work)
}

func (c *outboxCommand) with(work func(ctx context.Context, db store.Store) error) error {
	return c.open(opening{there: true}, work)
}

func (c *outboxCommand) open(o opening, work func(ctx context.Context, db store.Store) error) error {
	ctx := context.Background()
	db, err := openStore(ctx, c.Store, o)
	if err != nil {
		return err
	}
	err = work(ctx, db)
	if errors.Is(err, store.ErrNotFound) {
		err = errors.New("there is no such message")
	}
	return errors.Join(err, db.Close())
}

// Run lists messages.
func (l outboxList) Run(c *outboxCommand) error {
	return c.look(func(ctx context.Context, db store.Store) error {
		list, err := outbox.List(ctx, db, !l.Waiting)
		if err != nil {
			return err
		}
		out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "ID\tKIND\tRECIPIENT\tFOCUS\tORDER\tCREATED\tATTEMPTS\tREASON")
		for _, m := range list {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\n", m.ID, m.Kind, m.Recipient, m.Focus, m.Order, fhir.FormatInstant(m.Created), m.Attempts, m.Reason)
		}
		return out.Flush()
	})
}

// Run prints a message.
func (s outboxShow) Run(c *outboxCommand) error {
	return c.look(func(ctx context.Context, db store.Store) error {
		m, err := outbox.Find(ctx, db, s.ID)
		if err != nil {
			return err
		}
		body := m.Body
		m.Body = nil
		head, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Printf("%s\n%s\n", head, body)
		return err
	})
}

// Run sends dead letters again.
func (r outboxRetry) Run(c *outboxCommand) error {
	return c.with(func(ctx context.Context, db store.Store) error {
		if r.ID != "" {
			return outbox.Retry(ctx, db, r.ID, time.Now())
		}
		n, err := outbox.RetryAll(ctx, db, r.Recipient, time.Now())
		fmt.Println("sent again:", n)
		return err
	})
}

// Run forgets dead letters.
func (d outboxDrop) Run(c *outboxCommand) error {
	return c.with(func(ctx context.Context, db store.Store) error {
		if d.ID != "" {
			return outbox.Drop(ctx, db, d.ID)
		}
		n, err := outbox.DropAll(ctx, db, d.Recipient)
		fmt.Println("forgotten:", n)
		return err
	})
}
