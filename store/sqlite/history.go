package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// spot is a version's place in a history list.
type spot struct {
	typ, id string
	ver, lu int64
}

// History implements store.Store. Versions of one time are listed by type, id
// and version, all descending. count is as in search.Query.
func (s *Store) History(ctx context.Context, scope store.Ref, since time.Time, count int, cursor string) (*store.Page, error) {
	if scope.Type == "" && scope.ID != "" {
		return nil, fmt.Errorf("store: a history of an id needs its type")
	}
	count = kit.PageSize(count)
	from := kit.SinceMillis(since)
	asked := sha256.Sum256(fmt.Appendf(nil, "history %q %q %d", scope.Type, scope.ID, from))
	var last *kit.Mark
	if cursor != "" {
		var err error
		if last, err = s.seal.Open(cursor, asked[:]); err != nil {
			return nil, err
		}
		if len(last.Keys) != 1 || last.Keys[0].N == nil {
			return nil, store.ErrCursor
		}
	}
	text, args := historyText(scope, from, last)
	page := &store.Page{}
	err := s.read(ctx, "list versions", func(c *conn) error {
		return c.snapshot(ctx, func() error {
			return c.history(ctx, page, s.seal, asked[:], count, text, append(args, count+1))
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// historyText lists places only: bodies would make SQLite's sorter heavy.
func historyText(scope store.Ref, from int64, last *kit.Mark) (string, []any) {
	where, args := `lu >= ?`, []any{from}
	if scope.Type != "" {
		where, args = `typ = ? AND `+where, append([]any{scope.Type}, args...)
	}
	order := `lu DESC, typ DESC, id DESC, ver DESC`
	after := ` AND lu <= ? AND (lu, typ, id, ver) < (?, ?, ?, ?)`
	if last != nil {
		lu := *last.Keys[0].N
		args = append(args, lu, lu, last.Type, last.ID, last.Ver)
	}
	if scope.ID != "" {
		// Of one record, versions and times run together, and the key's order
		// needs no sorting.
		where, order, after = `typ = ? AND id = ? AND lu >= ?`, `ver DESC`, ` AND ver < ?`
		args = []any{scope.Type, scope.ID, from}
		if last != nil {
			args = append(args, last.Ver)
		}
	}
	if last != nil {
		where += after
	}
	part := `SELECT lu, typ, id, ver FROM `
	text := part + `res WHERE ` + where + ` UNION ALL ` + part + `hist WHERE ` + where + ` ORDER BY ` + order + ` LIMIT ? + 0`
	return text, append(args[:len(args):len(args)], args...)
}

func (c *conn) history(ctx context.Context, page *store.Page, seal kit.Sealer, asked []byte, count int, text string, args []any) error {
	var spots []spot
	err := c.each(ctx, text, args, func(scan func(...any) error) error {
		var p spot
		if err := scan(&p.lu, &p.typ, &p.id, &p.ver); err != nil {
			return err
		}
		spots = append(spots, p)
		return nil
	})
	if err != nil {
		return err
	}
	size := 0
	for i, p := range spots {
		if i == count || size > maxPage {
			before := spots[i-1]
			page.Next = seal.Close(kit.Mark{Query: asked, Keys: []kit.Value{{N: &before.lu}}, Type: before.typ, ID: before.id, Ver: before.ver})
			return nil
		}
		err := c.each(ctx, `SELECT `+columns+` FROM res r WHERE typ = ? AND id = ? AND ver = ?
			UNION ALL SELECT `+columns+` FROM hist r WHERE typ = ? AND id = ? AND ver = ?`,
			[]any{p.typ, p.id, p.ver, p.typ, p.id, p.ver}, func(scan func(...any) error) error {
				r, err := scanRecord(scan)
				if err != nil {
					return err
				}
				size += len(r.Body)
				page.Records = append(page.Records, r)
				return nil
			})
		if err != nil {
			return err
		}
	}
	return nil
}
