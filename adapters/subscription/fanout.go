package subscription

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/internal/lease"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// The fan-out's position in the feed is an auxiliary document.
const (
	positionKind = "feed"
	positionKey  = "subscriptions"
	leaseKey     = "feed/subscriptions"
)

// Bounds of the fan-out.
const (
	pageSize   = 500
	feedWait   = 10 * time.Second // for a change
	leaseTime  = 30 * time.Second
	breath     = 20 * time.Millisecond // between pages, so that under load a page holds many changes
	askAgain   = 2 * time.Second       // for the lease
	faultWait  = time.Second
	unsaved    = 1000 // changes that nobody wants, before the position is kept
	endsEvery  = time.Minute
	commitTime = 10 * time.Second
)

// Fanout turns changes into notifications. Of several processes on one store one
// does the work at a time.
type Fanout struct {
	Store store.Store
	Desk  *bars.Desk
	Owner string // names this process among those that share the store
	Wake  func() // tells the outbox's worker
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// CaughtUp is told when every change so far has been dealt with, and when
	// another process has the work. May be nil.
	CaughtUp func(at time.Time)
	Log      *slog.Logger

	held    *lease.Lease
	pos     position
	kept    int64 // version of the document that holds the position; 0: none
	behind  int   // changes between the kept position and pos
	endings time.Time
}

// Run works until ctx ends.
func (f *Fanout) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := f.Step(ctx, feedWait)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			f.Log.Warn("the change feed can't be carried on with; it will be tried again", "error", err)
			f.held = nil // read everything again
			wait = faultWait
		}
		if wait == 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-f.After(wait):
		}
	}
	f.close(ctx)
}

// close keeps the position and gives the lease back. Where a commit was cut off,
// the position says what it was before and the fence may refuse it; the next
// process begins there.
func (f *Fanout) close(ctx context.Context) {
	if f.held == nil {
		return
	}
	ops := []store.Op{f.held.Drop(f.Now())}
	if f.behind > 0 {
		ops = append(ops, f.putPosition())
	}
	if err := f.commit(ctx, ops); err != nil {
		f.Log.Debug("the feed's position could not be kept", "error", err)
	}
	f.held = nil
}

// Step deals with one page of the feed, waiting that long for a change. It
// returns how long to wait before the next.
func (f *Fanout) Step(ctx context.Context, feedWait time.Duration) (wait time.Duration, err error) {
	wait, more, err := f.step(ctx, feedWait)
	if err == nil && !more && f.CaughtUp != nil {
		f.CaughtUp(f.Now())
	}
	return wait, err
}

// step is Step; more says that there may be changes that wait.
func (f *Fanout) step(ctx context.Context, feedWait time.Duration) (wait time.Duration, more bool, err error) {
	if held, err := f.hold(ctx); err != nil || !held {
		return askAgain, false, err
	}
	if err := f.end(ctx); err != nil {
		return 0, true, err
	}
	page, err := f.Store.Changes(ctx, f.pos.at, pageSize, feedWait)
	if errors.Is(err, store.ErrCursor) && f.pos.at != "" {
		// A store that was copied. Whoever missed a change is told twice of others,
		// under the same ids.
		f.pos = f.pos.elsewhere()
		f.Log.Warn("the feed's position belongs to another store; what was written since is told, some of it again", "since", f.pos.since)
		return 0, true, nil
	}
	if err != nil {
		return 0, true, err
	}
	if len(page.List) == 0 {
		f.pos.at = page.Next
		if f.pos.since.IsZero() {
			return 0, false, nil
		}
		f.pos.since = time.Time{} // what comes now is new, whatever its time
		return 0, false, f.save(ctx, nil)
	}
	ops, save, err := f.tell(ctx, page.List)
	if errors.Is(err, errLost) {
		return askAgain, false, nil
	}
	if err != nil {
		return 0, true, err
	}
	f.pos.pass(page, f.Now())
	f.behind += len(page.List)
	more = len(page.List) == pageSize
	if !more {
		wait = breath
	}
	if len(ops) == 0 && !save && f.behind < unsaved {
		return wait, more, nil
	}
	return wait, more, f.save(ctx, ops)
}

// tell makes the notifications of changes. It commits what one commit takes as it
// goes, for many Subscriptions and many changes are more than should be in memory,
// and returns what is left. save says that the position must be kept even so.
func (f *Fanout) tell(ctx context.Context, changes []store.Change) (ops []store.Op, save bool, err error) {
	list, err := f.Desk.Subscriptions(ctx) // read after the page: who subscribed before a change is in it
	if err != nil {
		return nil, false, err
	}
	for _, change := range changes {
		if change.LastUpdated.Before(f.pos.since) {
			continue
		}
		// So that an old change isn't read again and told to a new subscriber.
		save = save || change.Ref.Type == "Subscription"
		if held, err := f.hold(ctx); err != nil {
			return nil, false, err
		} else if !held {
			return nil, false, errLost
		}
		wanting, rec, err := f.Desk.Wanting(ctx, list, change)
		if err != nil {
			return nil, false, err
		}
		for _, s := range wanting {
			op, err := outbox.Put(message(s, rec, f.Now()))
			if err != nil {
				return nil, false, err
			}
			if ops = append(ops, op); len(ops) < most {
				continue
			}
			// A crash between this and the position makes these a second time, under the
			// same ids.
			if err := f.keep(ctx, ops...); err != nil {
				return nil, false, err
			}
			f.Wake()
			ops = nil
		}
	}
	return ops, save, nil
}

// most is how many notifications one commit takes, beside position and lease.
const most = store.MaxOps - 2

// errLost says that another process has taken the work over.
var errLost = errors.New("subscription: the lease is lost")

// hold takes or renews the lease and, when it was taken, reads the position.
func (f *Fanout) hold(ctx context.Context) (bool, error) {
	if f.held != nil && f.held.Until.Sub(f.Now()) > leaseTime/2 {
		return true, nil
	}
	if f.held != nil {
		err := f.keep(ctx)
		if err != nil {
			f.held = nil
		}
		return err == nil, lost(err)
	}
	held, err := lease.Take(ctx, f.Store, leaseKey, f.Owner, f.Now().Add(leaseTime))
	if err != nil || held == nil {
		return false, err
	}
	docs, err := f.Store.AuxGet(ctx, positionKind, []string{positionKey})
	if err != nil {
		return false, err
	}
	f.pos, f.kept, f.behind = position{}, 0, 0
	if len(docs) > 0 {
		f.pos, f.kept = readPosition(docs[0].Value), docs[0].Version
	}
	f.held = held
	return true, nil
}

// lost forgives the loss of a lease: another process goes on.
func lost(err error) error {
	var c *store.ConflictError
	if errors.As(err, &c) {
		return nil
	}
	return err
}

// putPosition writes the position, fenced by what it was.
func (f *Fanout) putPosition() store.Op {
	put := store.AuxPut{Kind: positionKind, Key: positionKey, Value: f.pos.text(), If: store.Condition{Version: f.kept}}
	if f.kept == 0 {
		put.If = store.Condition{Absent: true}
	}
	return put
}

// save commits notifications and, with them, the position.
func (f *Fanout) save(ctx context.Context, ops []store.Op) error {
	if err := f.keep(ctx, append(ops[:len(ops):len(ops)], f.putPosition())...); err != nil {
		return err
	}
	f.kept++
	f.behind = 0
	if len(ops) > 0 {
		f.Wake()
	}
	return nil
}

// keep commits operations under the lease, which is then held for longer.
func (f *Fanout) keep(ctx context.Context, ops ...store.Op) error {
	until := f.Now().Add(leaseTime)
	if err := f.commit(ctx, append(ops, f.held.Keep(until))); err != nil {
		return err
	}
	f.held.Kept(until)
	return nil
}

func (f *Fanout) commit(ctx context.Context, ops []store.Op) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	_, err := f.Store.Commit(ctx, &store.Batch{Ops: ops})
	return err
}

// end switches off the Subscriptions whose time has come (Subscription.end).
func (f *Fanout) end(ctx context.Context) error {
	if since := f.Now().Sub(f.endings); since >= 0 && since < endsEvery { // a clock may go back
		return nil
	}
	list, err := f.Desk.Subscriptions(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if !s.Ended {
			continue
		}
		if err := f.Desk.StopSubscription(ctx, s.ID, s.Version, "off", ""); err != nil {
			return err
		}
	}
	f.endings = f.Now()
	return nil
}
