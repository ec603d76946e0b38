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
func (c *conn) migrate(ctx context.Context, p *place, from int, steps [][]string, log *slog.Logger) error {
	to := 1 + len(steps)
	if from == to {
		return nil
	}
	kept := fmt.Sprintf("%s.before-schema-%d", p.file, to)
	log.Info("migrating the store", "from", from, "to", to, "copy", kept)
	if err := c.keep(ctx, kept); err != nil {
		return fmt.Errorf("store: the copy before a migration: %w", err)
	}
	text := []string{`BEGIN IMMEDIATE`}
	for _, step := range steps[from-1:] {
		text = append(text, step...)
	}
	text = append(text, fmt.Sprintf(`PRAGMA user_version = %d`, to), `COMMIT`)
	for _, t := range text {
		if _, err := c.c.ExecContext(ctx, t); err != nil {
			_, _ = c.c.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`)
			return fmt.Errorf("store: migration to schema %d; the file is as it was: %w", to, fault("migrate", err))
		}
	}
	log.Info("the store is migrated", "schema", to)
	return nil
}

// keep copies the database to a file, replacing an older one only when the new
// one is whole.
func (c *conn) keep(ctx context.Context, to string) error {
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := c.copyInto(ctx, part); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return syncFolder(to)
}
