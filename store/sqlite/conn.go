package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/onward-health/onward/store"
)

// maxStatements bounds the prepared statements of one connection. Searches have
// as many shapes as callers think of.
const maxStatements = 128

// conn is one connection with its prepared statements; one goroutine at a time.
type conn struct {
	c      *sql.Conn
	stmts  map[string]*sql.Stmt
	crowds map[string]int // how many records an index entry has at least, see planner.estimate
	asked  int            // searches since crowds was emptied

	maxScan int // see Options.MaxScan
	values  squeezer
}

func connect(ctx context.Context, db *sql.DB, pragmas []string) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, fault("open the database", err)
	}
	new := &conn{c: c, stmts: map[string]*sql.Stmt{}, crowds: map[string]int{}}
	if err := new.pragmas(ctx, pragmas); err != nil {
		c.Close()
		return nil, err
	}
	return new, nil
}

func (c *conn) pragmas(ctx context.Context, list []string) error {
	for _, p := range list {
		if _, err := c.c.ExecContext(ctx, p); err != nil {
			return fault("open the database", err)
		}
	}
	return nil
}

func (c *conn) close() {
	c.forget()
	c.c.Close()
}

// forget closes the prepared statements.
func (c *conn) forget() {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
}

// prepare returns the statement for a text. A full cache drops any one.
func (c *conn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := c.stmts[text]; s != nil {
		return s, nil
	}
	if len(c.stmts) >= maxStatements {
		for old, s := range c.stmts {
			s.Close()
			delete(c.stmts, old)
			break
		}
	}
	s, err := c.c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	c.stmts[text] = s
	return s, nil
}

func (c *conn) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

// row scans the first row; found is false where there is none.
func (c *conn) row(ctx context.Context, text string, args []any, into ...any) (found bool, err error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// errEnough ends each without an error.
var errEnough = errors.New("store: enough rows")

// each calls f for every row until it says to stop.
func (c *conn) each(ctx context.Context, text string, args []any, f func(scan func(...any) error) error) error {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return rows.Err()
}

// forgetCrowds starts afresh now and then, because slots that are free today
// are taken tomorrow.
func (c *conn) forgetCrowds() {
	if c.asked++; c.asked > 1000 {
		clear(c.crowds)
		c.asked = 0
	}
}

// snapshot runs f in one read transaction, so that its statements see the same
// state.
func (c *conn) snapshot(ctx context.Context, f func() error) error {
	if _, err := c.exec(context.Background(), `BEGIN`); err != nil {
		return err
	}
	err := f()
	if _, end := c.exec(context.Background(), `ROLLBACK`); err == nil {
		err = end
	}
	return err
}

// read lends a reader connection to f.
func (s *Store) read(ctx context.Context, doing string, f func(c *conn) error) error {
	if err := ctx.Err(); err != nil {
		return fault(doing, err)
	}
	select {
	case <-s.closing:
		return store.ErrUnavailable
	default:
	}
	select {
	case c := <-s.readers:
		defer func() { s.readers <- c }()
		return fault(doing, f(c))
	case <-s.closing:
		return store.ErrUnavailable
	case <-ctx.Done():
		return fault(doing, ctx.Err())
	}
}
