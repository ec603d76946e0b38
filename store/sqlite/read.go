package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// maxPage bounds the bodies of one answer, which ends early there.
const maxPage = 32 << 20

// columns are those of the alias r.
const columns = `r.typ, r.id, r.ver, r.lu, r.del, r.method, (SELECT val FROM who WHERE who.id = r."by"), r.peer, r.body`

func scanRecord(scan func(...any) error, before ...any) (*store.Record, error) {
	var r store.Record
	var lu int64
	into := append(before, &r.Type, &r.ID, &r.Version, &lu, &r.Deleted, &r.Method, &r.By, &r.Peer, &r.Body)
	if err := scan(into...); err != nil {
		return nil, err
	}
	r.LastUpdated = kit.Instant(lu)
	return &r, nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, ref store.Ref) (*store.Record, error) {
	return s.one(ctx, `SELECT `+columns+` FROM res r WHERE typ = ? AND id = ?`, ref.Type, ref.ID)
}

// GetVersion implements store.Store.
func (s *Store) GetVersion(ctx context.Context, ref store.Ref, version int64) (*store.Record, error) {
	return s.one(ctx, `SELECT `+columns+` FROM res r WHERE typ = ? AND id = ? AND ver = ?
		UNION ALL SELECT `+columns+` FROM hist r WHERE typ = ? AND id = ? AND ver = ?`,
		ref.Type, ref.ID, version, ref.Type, ref.ID, version)
}

func (s *Store) one(ctx context.Context, text string, args ...any) (*store.Record, error) {
	var found *store.Record
	err := s.read(ctx, "read a record", func(c *conn) error {
		return c.each(ctx, text, args, func(scan func(...any) error) (err error) {
			found, err = scanRecord(scan)
			return err
		})
	})
	if err == nil && found == nil {
		return nil, store.ErrNotFound
	}
	return found, err
}

// manyText is one statement, so that all records are of one moment.
const manyText = `SELECT ` + columns + ` FROM res r
	WHERE (typ, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?)) AND del = 0`

// GetMany implements store.Store. A ref that is named twice comes back once.
func (s *Store) GetMany(ctx context.Context, refs []store.Ref) ([]*store.Record, error) {
	if len(refs) > store.MaxMany {
		return nil, fmt.Errorf("%w: more than %d references", store.ErrTooLarge, store.MaxMany)
	}
	list := make([][2]string, 0, len(refs))
	seen := make(map[store.Ref]bool, len(refs))
	for _, r := range refs {
		if !seen[r] && kit.CheckRef(r) == nil { // others can't be there
			list = append(list, [2]string{r.Type, r.ID})
		}
		seen[r] = true
	}
	wanted, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	var out []*store.Record
	size := 0
	err = s.read(ctx, "read records", func(c *conn) error {
		return c.each(ctx, manyText, []any{string(wanted)}, func(scan func(...any) error) error {
			r, err := scanRecord(scan)
			if err != nil {
				return err
			}
			if size += len(r.Body); size > store.MaxWhole {
				return fmt.Errorf("%w: more than %d bytes of bodies", store.ErrTooLarge, store.MaxWhole)
			}
			out = append(out, r)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
