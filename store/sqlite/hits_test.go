package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// tied puts n slots of one diary that begin at the same moment, between one
// before and one after; ids aren't in the order of their rows.
func tied(t *testing.T, s *Store, n int, body string) {
	t.Helper()
	put := func(i int, id string, start int64) {
		r := slotRecord(4 * i)
		r.ID, r.Body = id, []byte(body)
		r.Index.D[0] = search.Span{Param: "start", Lo: start, Hi: start + 999}
		if _, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Put{Record: r}}}); err != nil {
			t.Fatal(err)
		}
	}
	put(0, "first", 1_000)
	put(1, "last", 3_000)
	for i := range n {
		put(i, fmt.Sprintf("tie-%02d", (i*7)%n), 2_000)
	}
}

// pages reads all pages of count records and returns the ids, a page a word.
func pages(t *testing.T, s *Store, count int, sorts ...search.Sort) (all []string) {
	t.Helper()
	q := &search.Query{Type: "Slot", Where: search.Has("schedule:Schedule/d0"), Sort: sorts, Count: count}
	for range 100 {
		page, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		all = append(all, strings.Join(ids, ","))
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
	t.Fatal("the pages have no end")
	return nil
}

func TestRecordsOfOneStartComeByIDOnAllPages(t *testing.T) {
	s := opened(t)
	tied(t, s, 5, "{}")
	start, byID := search.Sort{Param: "start"}, search.Sort{Param: "_id", Desc: true}
	down := search.Sort{Param: "start", Desc: true}
	for _, c := range []struct {
		count    int
		sorts    []search.Sort
		expected string
	}{
		{3, []search.Sort{start}, "first,tie-00,tie-01 tie-02,tie-03,tie-04 last"},
		{2, []search.Sort{start, byID}, "first,tie-04 tie-03,tie-02 tie-01,tie-00 last"},
		{4, []search.Sort{down}, "last,tie-00,tie-01,tie-02 tie-03,tie-04,first"},
		{1, []search.Sort{down, byID}, "last tie-04 tie-03 tie-02 tie-01 tie-00 first"},
		{7, []search.Sort{start}, "first,tie-00,tie-01,tie-02,tie-03,tie-04,last"},
		{6, []search.Sort{start}, "first,tie-00,tie-01,tie-02,tie-03,tie-04 last"},
	} {
		if got := strings.Join(pages(t, s, c.count, c.sorts...), " "); got != c.expected {
			t.Errorf("pages of %d by %v: %s, expected %s", c.count, c.sorts, got, c.expected)
		}
	}
}

// A page ends early where its bodies are many, among records of one start too.
func TestAPageFullOfBodiesEndsAmongRecordsOfOneStart(t *testing.T) {
	s := opened(t)
	const n = 12 // of 4 MiB
	tied(t, s, n, `{"comment":"`+strings.Repeat("x", 4<<20)+`"}`)
	got := pages(t, s, 50, search.Sort{Param: "start"})
	expected := []string{"first"}
	for i := range n {
		expected = append(expected, fmt.Sprintf("tie-%02d", i))
	}
	if all := strings.Join(got, ","); all != strings.Join(append(expected, "last"), ",") {
		t.Errorf("the pages hold %s", all)
	}
	if len(got) < 2 {
		t.Error("one page holds them all")
	}
}

// A statement whose rows are being read isn't dropped when many others come.
func TestAFullCacheKeepsTheStatementThatIsBeingRead(t *testing.T) {
	s := opened(t)
	tied(t, s, 5, "{}")
	err := s.read(t.Context(), "test", func(c *conn) error {
		n := 0
		err := c.rows(t.Context(), `SELECT id FROM res ORDER BY id`, nil, func(r row) error {
			n++
			for i := range maxStatements {
				if _, err := c.exec(t.Context(), fmt.Sprintf(`SELECT %d`, n*maxStatements+i)); err != nil {
					return err
				}
			}
			return nil
		})
		if n != 7 || len(c.stmts) > maxStatements {
			return fmt.Errorf("%d rows, %d statements", n, len(c.stmts))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A caller who goes ends the reading between two rows, and the connection is as
// good as before.
func TestReadingEndsWithItsContext(t *testing.T) {
	s := opened(t)
	tied(t, s, 5, "{}")
	err := s.read(t.Context(), "test", func(c *conn) error {
		ctx, leave := context.WithCancel(t.Context())
		n := 0
		err := c.rows(ctx, `SELECT id FROM res ORDER BY id`, nil, func(row) error {
			n++
			leave()
			return nil
		})
		if n != 1 || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%d rows, error %v", n, err)
		}
		_, err = c.row(t.Context(), `SELECT count(*) FROM res`, nil, &n)
		if err != nil || n != 7 {
			return fmt.Errorf("afterwards: %d rows, error %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAColumnThatAVariableDoesNotTakeIsAnError(t *testing.T) {
	s := opened(t)
	err := s.read(t.Context(), "test", func(c *conn) error {
		for _, text := range []string{`SELECT 'text'`, `SELECT NULL`, `SELECT 1, 2`, `SELECT 1.5`} {
			var n int64
			if _, err := c.row(t.Context(), text, nil, &n); err == nil {
				return fmt.Errorf("%s was taken", text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), ":memory:", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
