package sqlite

import (
	"context"
	"crypto/rand"

	"github.com/onward-health/onward/store/internal/kit"
)

const sealKey = "cursor"

// sealer reads the key from aux, or makes it.
func (c *conn) sealer(ctx context.Context) (kit.Sealer, error) {
	var key []byte
	found, err := c.row(ctx, `SELECT val FROM aux WHERE kind = ? AND key = ?`, []any{kit.KindMeta, sealKey}, &key)
	if err != nil {
		return kit.Sealer{}, fault("read the cursor key", err)
	}
	if !found {
		key = make([]byte, kit.KeySize)
		rand.Read(key)
		if _, err := c.exec(ctx, `INSERT INTO aux (kind, key, ver, val) VALUES (?, ?, 1, ?)`, kit.KindMeta, sealKey, key); err != nil {
			return kit.Sealer{}, fault("keep the cursor key", err)
		}
	}
	return kit.NewSealer(key)
}
