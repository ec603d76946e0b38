// Package lease lets several processes on one store share work: who holds a
// lease does the work, and what it commits is fenced by the lease, so that a
// process which slept past its end can't commit what another has taken over.
//
// A lease is an auxiliary document of kind "lease" that runs out. It doesn't
// keep an effect outside the store from happening twice: a call that was made
// just before the end may be made again by the next holder. Packages outbox and
// adapters/subscription use it.
package lease

import (
	"context"
	"errors"
	"time"

	"github.com/onward-health/onward/store"
)

// Kind is the kind of the documents.
const Kind = "lease"

// Lease is one that this process holds, as far as it knows.
type Lease struct {
	Until   time.Time
	key     string
	owner   string
	version int64
}

// skew is more than clocks of processes that share a store differ by.
const skew = time.Minute

// Take takes a lease until the given moment, for an owner whose name no other
// process has. It is nil, without an error, where another holds it. A lease that
// this owner holds already, from before a crash, is taken over; so is one that
// would last longer than this one by more than a minute: the clock has been put
// back since, by how much nobody knows.
func Take(ctx context.Context, s store.Store, key, owner string, until time.Time) (*Lease, error) {
	held, err := s.AuxGet(ctx, Kind, []string{key})
	if err != nil {
		return nil, err
	}
	if len(held) > 0 && string(held[0].Value) != owner && !held[0].Expires.After(until.Add(skew)) {
		return nil, nil
	}
	put := store.AuxPut{Kind: Kind, Key: key, Value: []byte(owner), Expires: until, If: store.Condition{Absent: true}}
	if len(held) > 0 {
		put.If = store.Condition{Version: held[0].Version}
	}
	if _, err := s.Commit(ctx, &store.Batch{Ops: []store.Op{put}}); err != nil {
		if lost(err) {
			return nil, nil
		}
		return nil, err
	}
	// The store numbers versions, and the number is what fences.
	held, err = s.AuxGet(ctx, Kind, []string{key})
	if err != nil || len(held) == 0 || string(held[0].Value) != owner {
		return nil, err
	}
	return &Lease{Until: until, key: key, owner: owner, version: held[0].Version}, nil
}

// Keep is the operation that holds the lease for longer. It belongs into the
// batch of what was done under the lease: where another has taken it, nothing of
// the batch happens. After the commit the caller calls Kept.
func (l *Lease) Keep(until time.Time) store.Op {
	return store.AuxPut{Kind: Kind, Key: l.key, Value: []byte(l.owner), Expires: until, If: store.Condition{Version: l.version}}
}

// Kept notes that the batch of Keep was committed.
func (l *Lease) Kept(until time.Time) { l.version, l.Until = l.version+1, until }

// Drop is the operation that gives the lease back, fenced as Keep is. It ends the
// document and doesn't delete it: the next lease goes on from its version, which
// would else come again one day and let an old holder in.
func (l *Lease) Drop(now time.Time) store.Op {
	return store.AuxPut{Kind: Kind, Key: l.key, Expires: now.Add(-skew), If: store.Condition{Version: l.version}}
}

// lost says whether another holds the lease.
func lost(err error) bool {
	var c *store.ConflictError
	return errors.As(err, &c)
}
