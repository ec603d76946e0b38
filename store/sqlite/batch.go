package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// guardTime bounds one NoMatch search, because it runs while every other write
// waits.
const guardTime = 2 * time.Second

// apply carries out one batch inside its savepoint. now is taken once, so that
// all of its versions bear one time.
func (w *writer) apply(ctx context.Context, b *store.Batch, ready []*parts) (*store.Result, error) {
	now := w.s.now().UnixMilli()
	replay, err := w.replay(ctx, b.Idem, now)
	if err != nil || replay != nil {
		return &store.Result{Replay: replay}, err
	}
	for i, g := range b.Guards {
		if err := w.guard(ctx, i, g); err != nil {
			return nil, err
		}
	}
	if err := w.ready(ctx, b, ready); err != nil {
		return nil, err
	}
	result := &store.Result{}
	for i, op := range b.Ops {
		v, err := w.op(ctx, i, op, ready[i], now)
		if err != nil {
			return nil, err
		}
		if v != nil {
			result.Versions = append(result.Versions, *v)
		}
	}
	return result, w.remember(ctx, b.Idem, result.Versions, now)
}

// ready numbers the words of all records that the batch puts.
func (w *writer) ready(ctx context.Context, b *store.Batch, ready []*parts) error {
	var list []numbered
	for i, op := range b.Ops {
		if put, is := op.(store.Put); is {
			typ, err := w.typeNumber(ctx, put.Record.Type)
			if err != nil {
				return err
			}
			list = append(list, numbered{typ, ready[i]})
		}
	}
	if len(list) == 0 {
		return nil
	}
	return w.learn(ctx, list)
}

func (w *writer) op(ctx context.Context, i int, op store.Op, p *parts, now int64) (*store.Version, error) {
	switch op := op.(type) {
	case store.Put:
		return w.put(ctx, i, op, p, now)
	case store.Delete:
		return w.delete(ctx, i, op, now)
	case store.Claim:
		return nil, w.claim(ctx, i, op, now)
	case store.Release:
		return nil, w.release(ctx, i, op, now)
	case store.AuxPut:
		return nil, w.auxPut(ctx, i, op, now)
	case store.AuxDelete:
		return nil, w.auxDelete(ctx, i, op, now)
	}
	return nil, fmt.Errorf("store: unknown operation %T", op)
}

func (w *writer) guard(ctx context.Context, i int, g store.Guard) error {
	switch g := g.(type) {
	case store.VersionGuard:
		var ver int64
		_, err := w.row(ctx, `SELECT ver FROM res WHERE typ = ? AND id = ?`, []any{g.Ref.Type, g.Ref.ID}, &ver)
		if err != nil {
			return err
		}
		if ver != g.Version { // 0 where there is none, which guards an absence
			return kit.Conflict(store.GuardFailed, i, g.Ref.String(), ver)
		}
		return nil
	case store.NoMatch:
		ctx, cancel := context.WithTimeout(ctx, guardTime)
		defer cancel()
		n, err := count(ctx, w.conn, g.Query, 1)
		if ctx.Err() != nil {
			return fmt.Errorf("%w: the guard's search takes too long", store.ErrTooLarge)
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return kit.Conflict(store.GuardFailed, i, g.Query.Type, 0)
		}
		return nil
	}
	return fmt.Errorf("store: unknown guard %T", g)
}

// replay looks for an earlier commit under one of the keys.
func (w *writer) replay(ctx context.Context, idem *store.Idem, now int64) (*store.Replay, error) {
	if idem == nil {
		return nil, nil
	}
	var docs []store.Aux
	for _, key := range idem.Keys {
		doc := store.Aux{Kind: store.KindIdem, Key: key}
		found, err := w.row(ctx, `SELECT val FROM aux WHERE kind = ? AND key = ? AND (exp IS NULL OR exp > ?)`,
			[]any{store.KindIdem, key, now}, &doc.Value)
		if err == nil {
			doc.Value, err = w.values.long(doc.Value)
		}
		if err != nil {
			return nil, err
		}
		if found {
			docs = append(docs, doc)
		}
	}
	return store.ReadIdem(docs, idem.Hash)
}

// remember leaves the record under every key; an expired one is taken over.
func (w *writer) remember(ctx context.Context, idem *store.Idem, versions []store.Version, now int64) error {
	if idem == nil {
		return nil
	}
	val := store.IdemRecord{Hash: idem.Hash, At: kit.Instant(now), Versions: versions, Answer: idem.Answer}.Value()
	for _, key := range idem.Keys {
		if err := w.auxWrite(ctx, store.KindIdem, key, val, now+idem.Keep.Milliseconds()); err != nil {
			return err
		}
	}
	return nil
}
