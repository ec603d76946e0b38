package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"modernc.org/sqlite"

	"github.com/onward-health/onward/store"
)

// maxStatements bounds the prepared statements of one connection. Searches have
// as many shapes as callers think of.
const maxStatements = 128

// conn is one connection with its prepared statements; one goroutine at a time.
// It uses the driver as database/sql does but without what that puts around each
// row and statement: locks, a pool, a second copy of every body.
type conn struct {
	c      driver.Conn // nil once closed
	stmts  map[string]*statement
	args   []driver.NamedValue // of the statement that is being started
	crowds map[string]int      // how many records an index entry has at least, see planner.estimate
	asked  int                 // searches since crowds was emptied

	maxScan int // see Options.MaxScan
	values  squeezer
}

// statement is a prepared statement. Its rows are read before it is asked again.
type statement struct {
	driver.Stmt
	row  row
	open bool // its rows are being read
}

var errClosed = fmt.Errorf("%w: the connection is closed", store.ErrUnavailable)

// connect opens a connection to the file of a place.
func (p *place) connect(ctx context.Context, pragmas []string) (*conn, error) {
	to, err := sqlite.NewConnector(p.dsn())
	if err != nil {
		return nil, fault("open the database", err)
	}
	opened, err := to.Connect(ctx)
	if err != nil {
		return nil, fault("open the database", err)
	}
	c := &conn{c: opened, stmts: map[string]*statement{}, crowds: map[string]int{}}
	if err := c.run(ctx, pragmas); err != nil {
		c.close()
		return nil, fault("open the database", err)
	}
	return c, nil
}

// close ends the connection; the last one of a file folds its log into it.
func (c *conn) close() error {
	c.forget()
	if c.c == nil {
		return nil
	}
	err := c.c.Close()
	c.c = nil
	return err
}

// forget closes the prepared statements.
func (c *conn) forget() {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
}

// prepare returns the statement for a text. A full cache drops any one that isn't
// being read.
func (c *conn) prepare(ctx context.Context, text string) (*statement, error) {
	if s := c.stmts[text]; s != nil {
		return s, nil
	}
	if c.c == nil {
		return nil, errClosed
	}
	if len(c.stmts) >= maxStatements {
		for old, s := range c.stmts {
			if !s.open {
				s.Close()
				delete(c.stmts, old)
				break
			}
		}
	}
	prepared, err := c.c.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: prepared}
	c.stmts[text] = s
	return s, nil
}

// arguments are valid until the next statement is started.
func (c *conn) arguments(list []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, v := range list {
		v, err := value(v)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args, nil
}

func (c *conn) exec(ctx context.Context, text string, args ...any) (driver.Result, error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return nil, err
	}
	with, err := c.arguments(args)
	if err != nil {
		return nil, err
	}
	defer clear(with) // bodies aren't kept until the next statement
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, with)
}

// once carries out a text that isn't worth keeping prepared.
func (c *conn) once(ctx context.Context, text string, args ...any) error {
	if c.c == nil {
		return errClosed
	}
	with, err := c.arguments(args)
	if err != nil {
		return err
	}
	_, err = c.c.(driver.ExecerContext).ExecContext(ctx, text, with)
	return err
}

// run carries out texts one after the other.
func (c *conn) run(ctx context.Context, list []string) error {
	for _, text := range list {
		if err := c.once(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// row scans the first row; found is false where there is none.
func (c *conn) row(ctx context.Context, text string, args []any, into ...any) (found bool, err error) {
	err = c.rows(ctx, text, args, func(r row) error {
		if err := r.scan(into...); err != nil {
			return err
		}
		found = true
		return errEnough
	})
	return found, err
}

// errEnough ends each without an error.
var errEnough = errors.New("store: enough rows")

// each calls f for every row until it says to stop.
func (c *conn) each(ctx context.Context, text string, args []any, f func(scan func(...any) error) error) error {
	return c.rows(ctx, text, args, func(r row) error { return f(r.scan) })
}

// rows is each for those who take the columns as they are. f may keep texts and
// bytes, not the row.
func (c *conn) rows(ctx context.Context, text string, args []any, f func(row) error) error {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return err
	}
	with, err := c.arguments(args)
	if err != nil {
		return err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, with)
	clear(with)
	if err != nil {
		return err
	}
	s.open = true
	defer func() {
		rows.Close()
		s.open = false
	}()
	if s.row == nil {
		s.row = make(row, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.row); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := f(s.row); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
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
		if s.lost.Load() {
			return errLost
		}
		return fault(doing, s.guarded(func() error { return f(c) }))
	case <-s.closing:
		return store.ErrUnavailable
	case <-ctx.Done():
		return fault(doing, ctx.Err())
	}
}
