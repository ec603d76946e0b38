package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// migrate brings the file from a schema to that of this program, in one
// transaction, after a copy of the file as it was has been put beside it. A
// migration that fails leaves the file as it was.
func (c *conn) migrate(ctx context.Context, p *place, from int, steps []upgrade, log *slog.Logger) error {
	to := 1 + len(steps)
	if from == to {
		return nil
	}
	kept := fmt.Sprintf("%s.before-schema-%d", p.file, to)
	log.Info("migrating the store", "from", from, "to", to, "copy", kept)
	if err := c.keep(ctx, kept); err != nil {
		return fmt.Errorf("store: the copy before a migration: %w", err)
	}
	if err := c.upgrade(ctx, steps[from-1:], to); err != nil {
		_ = c.once(context.WithoutCancel(ctx), `ROLLBACK`)
		return fmt.Errorf("store: migration to schema %d; the file is as it was: %w", to, fault("migrate", err))
	}
	c.forget() // plans and statements of the old tables
	log.Info("the store is migrated", "schema", to)
	return nil
}

// keep copies the database to a file, replacing an older one only when the new
// one is whole.
func (c *conn) keep(ctx context.Context, to string) error {
	part := to + ".part"
	for _, name := range []string{part, part + "-journal"} { // of one that was killed
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := c.copyInto(ctx, part); err != nil {
		_ = os.Remove(part) // it may be what fills the disk
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return syncFolder(to)
}

// upgrade carries out the steps in one transaction.
func (c *conn) upgrade(ctx context.Context, steps []upgrade, to int) error {
	if err := c.once(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, step := range steps {
		if err := c.run(ctx, step.before); err != nil {
			return err
		}
		if step.run != nil {
			if err := step.run(ctx, c); err != nil {
				return err
			}
			c.forget() // a statement that stays open would hold its table
		}
		if err := c.run(ctx, step.after); err != nil {
			return err
		}
	}
	return c.run(ctx, []string{fmt.Sprintf(`PRAGMA user_version = %d`, to), `COMMIT`})
}
