package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

func cantOpen(err error) error {
	return &exitError{exitStore, fmt.Errorf("opening the store: %w", err)}
}

// untilStopped is a context that SIGINT and SIGTERM end.
func untilStopped() (context.Context, func()) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// ended words the error of a command that was told to stop.
func ended(ctx context.Context, err error, then string) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("stopped before the end: %s", then)
}

type backupCommand struct {
	configFile `embed:""`

	Store string `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"The store: sqlite:PATH."`
	To    string `required:"" help:"The file to write; it must not exist."`
}

// Run makes the backup.
func (c *backupCommand) Run() error {
	if isMongo(c.Store) {
		return usage("a MongoDB store is backed up by the server's own means: mongodump --oplog, or a snapshot of its disks")
	}
	path, err := sqlitePath(c.Store)
	if err != nil {
		return err
	}
	if path == ":memory:" {
		return usage("a store in memory has no backup")
	}
	if c.To == "" || os.IsPathSeparator(c.To[len(c.To)-1]) {
		return usage("--to must name a file")
	}
	to, err := filepath.Abs(c.To) // which need not have the folders that it goes through
	if err != nil {
		return err
	}
	ctx, stop := untilStopped()
	defer stop()
	began := time.Now()
	err = ended(ctx, sqlite.Backup(ctx, path, to), "no backup was made")
	var opening *sqlite.OpenError
	switch {
	case errors.Is(err, sqlite.ErrExists):
		return usage("%s exists; a backup overwrites nothing", c.To)
	case errors.As(err, &opening):
		return cantOpen(err)
	case err != nil:
		return err
	}
	info, err := os.Stat(to)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, checked and synced, in %v\n", c.To, info.Size(), time.Since(began).Round(time.Millisecond))
	return nil
}

// folderOf is the folder of a SQLite store, "" where it has none.
func folderOf(uri string) string {
	path, is := strings.CutPrefix(uri, "sqlite:")
	if !is || path == ":memory:" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	return filepath.Dir(abs)
}

type copyCommand struct {
	From string `env:"ONWARD_COPY_FROM" required:"" help:"The store to copy: sqlite:PATH or a mongodb URI. Nothing may write to it."`
	To   string `env:"ONWARD_COPY_TO" required:"" help:"The store to copy into: empty, or with an unfinished copy of the same."`
}

// Run copies.
func (c *copyCommand) Run() error {
	if c.From == c.To {
		return usage("--from and --to are the same store")
	}
	if a, b := folderOf(c.From), folderOf(c.To); a != "" && a == b {
		return usage("--from and --to are in one folder, which has one lock; choose another folder for --to")
	}
	ctx, stop := untilStopped()
	defer stop()
	from, err := openStore(ctx, c.From, opening{there: true})
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer from.Close()
	bar := newProgress(os.Stderr)
	if err := whole(ctx, from, bar); err != nil {
		return ended(ctx, err, "nothing was copied")
	}
	to, err := openStore(ctx, c.To, opening{into: true})
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	sum, err := store.Copy(ctx, from, to, engineOf(c.From), time.Now(), func(s store.CopyStep) { bar.show(s.Doing, s.Done, s.Of) })
	bar.end()
	if errors.Is(err, store.ErrDiffers) {
		err = fmt.Errorf("%w; one of them was written to meanwhile, or --to held a part of another copy: stop every server, remove what is in --to and copy again", err)
	}
	if errors.Is(err, store.ErrNotEmpty) {
		err = fmt.Errorf("%w; if it is this copy, that had come to its end", err)
	}
	err = ended(ctx, err, "the same command goes on from here")
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	fmt.Printf("copied %d versions, %d claims and %d documents; both stores have the checksum %s\n", sum.Versions, sum.Claims, sum.Documents, sum.Sum())
	return nil
}

// whole refuses a damaged file: what its indexes have lost would be missing in the
// copy, whose checksum is that of what was read.
func whole(ctx context.Context, from bulkStore, bar *progress) error {
	file, is := from.(*sqlite.Store)
	if !is {
		return nil
	}
	bar.show("checking the file", 0, 0)
	faults, err := file.CheckFile(ctx)
	bar.end()
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("--from is damaged, so that a copy might lack records; nothing is copied (onward store check says more): %s", faults[0])
	}
	return err
}
