package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/onward-health/onward/internal/lease"
	"github.com/onward-health/onward/store"
)

// Bounds of one turn at a lane.
const (
	maxTurn     = 50               // messages, then other lanes have theirs
	longTurn    = 10 * time.Second // after which no further message is begun: a slow recipient keeps no place
	commitTime  = 10 * time.Second
	leaseMargin = 30 * time.Second // beyond the longest attempt
	maxReason   = 200
)

// deliver sends the messages of one lane that are due, one after another, under
// the lane's lease.
func (w *Worker) deliver(work context.Context, first *Message, kind Route) {
	ours := false
	defer func() {
		w.left(first)
		if ours {
			w.Wake() // others waited for the place
		}
	}()
	held, err := lease.Take(work, w.store, "outbox/"+first.lane(), w.o.Owner, w.until(kind))
	if err != nil {
		w.o.Log.Warn("a lease of the outbox can't be taken", "error", err)
	}
	if held == nil {
		return
	}
	began := w.o.Now()
	for n := 1; ; n++ {
		over := func() bool { return n == maxTurn || w.o.Now().Sub(began) >= longTurn }
		more, err := w.turn(work, held, first.lane(), kind, over)
		if err != nil {
			w.o.Log.Warn("a message of the outbox can't be carried on with; it will be tried again", "error", err)
			return // the lease runs out
		}
		if !more {
			ours = true
			return
		}
	}
}

func (w *Worker) until(kind Route) time.Time {
	return w.o.Now().Add(kind.Policy.Timeout + leaseMargin)
}

// turn sends the first message of a lane, if it is due, and commits what came of
// it. more says that the next one may be sent, unless the turn is over; else the
// lease was given back.
func (w *Worker) turn(work context.Context, held *lease.Lease, lane string, kind Route, over func() bool) (more bool, err error) {
	docs, err := w.store.AuxScan(work, Kind, lane, "", 2) // of two large ones the second comes with the next pass
	if err != nil {
		return false, err
	}
	if len(docs) == 0 {
		return false, w.commit(work, held.Drop(w.o.Now()))
	}
	m, err := read(docs[0])
	if err != nil {
		return false, err
	}
	if w.waits(m, kind.Policy) {
		return false, w.commit(work, held.Drop(w.o.Now()))
	}
	if held.Until.Sub(w.o.Now()) < kind.Policy.Timeout { // it must outlast the attempt
		if err := w.keep(work, held, kind); err != nil {
			return false, err
		}
	}
	began := w.o.Now()
	w.begins(m, began)
	m.Last = m.Attempts+1 >= kind.Policy.MaxAttempts || w.tooOld(m, kind.Policy)
	result := w.send(work, m, kind)
	took := w.o.Now().Sub(began)
	if result.Verdict == Again && work.Err() != nil {
		return false, w.commit(work, held.Drop(w.o.Now())) // stopping: this was no attempt
	}
	w.fared(m, kind.Policy, result, took)
	ops := w.outcome(docs[0], m, kind.Policy, result)
	verdict := result.Verdict
	if !m.Died.IsZero() {
		verdict = Dead
	}
	w.o.Attempted(m.Kind, verdict, took)
	if more = !over() && result.Verdict != Again && len(docs) > 1 && work.Err() == nil; more {
		err = w.keep(work, held, kind, ops...)
	} else {
		err = w.commit(work, append(ops, held.Drop(w.o.Now()))...)
	}
	if errors.As(err, new(*store.ConflictError)) {
		// Somebody asked for it to be sent again while this failed (see Retry), or the
		// lease is lost, and then this is refused too.
		return false, w.commit(work, held.Drop(w.o.Now()))
	}
	return more, err
}

// keep commits operations and holds the lease for longer.
func (w *Worker) keep(work context.Context, held *lease.Lease, kind Route, ops ...store.Op) error {
	until := w.until(kind)
	if err := w.commit(work, append(ops, held.Keep(until))...); err != nil {
		return err
	}
	held.Kept(until)
	return nil
}

// send makes one attempt. A Sender that panics has failed.
func (w *Worker) send(work context.Context, m *Message, kind Route) (result Result) {
	defer func() {
		if p := recover(); p != nil {
			w.o.Log.Error("panic in a sender", "kind", m.Kind, "value", fmt.Sprintf("%T", p))
			result = Result{Reason: "a fault of the sender"}
		}
	}()
	ctx, cancel := context.WithTimeout(work, kind.Policy.Timeout)
	defer cancel()
	return kind.Sender.Send(ctx, *m)
}

// waits says whether a message isn't due yet. No wait is longer than a day (or
// LongestWait): one that is was written by a clock that has been put back since.
func (w *Worker) waits(m *Message, p Policy) bool {
	wait := m.Due.Sub(w.o.Now())
	return wait > 0 && wait <= max(p.LongestWait, longestAsked)
}

func (w *Worker) tooOld(m *Message, p Policy) bool { return w.o.Now().Sub(m.Created) >= p.MaxAge }

// outcome is what becomes of a message. What failed must stand as it was read; what
// was delivered is done with, whatever was asked for meanwhile. Only what the Sender
// was told is the last attempt ends one that may be sent again, even where it grew
// too old meanwhile.
func (w *Worker) outcome(doc store.Aux, m *Message, p Policy, result Result) []store.Op {
	if result.Verdict == Delivered || result.Verdict == Discarded {
		return []store.Op{store.AuxDelete{Kind: Kind, Key: doc.Key}}
	}
	as := store.Condition{Version: doc.Version}
	m.Attempts++
	m.Reason = result.Reason[:min(len(result.Reason), maxReason)]
	if result.Verdict == Dead || m.Last {
		m.Died, m.Due = w.o.Now().UTC(), time.Time{}
		w.o.Log.Error("a message became a dead letter", "kind", m.Kind, "id", m.ID, "attempts", m.Attempts, "reason", m.Reason)
		return toDead(doc, m.value())
	}
	m.Due = w.o.Now().Add(p.wait(m.Attempts, result.After, w.o.Random())).UTC()
	w.o.Log.Info("a message was not taken; it will be sent again", "kind", m.Kind, "id", m.ID, "attempts", m.Attempts, "reason", m.Reason)
	return []store.Op{store.AuxPut{Kind: Kind, Key: doc.Key, Value: m.value(), If: as}}
}

// toDead are the operations that make a message a dead letter.
func toDead(doc store.Aux, value []byte) []store.Op {
	return []store.Op{store.AuxDelete{Kind: Kind, Key: doc.Key, If: store.Condition{Version: doc.Version}},
		store.AuxPut{Kind: KindDead, Key: doc.Key, Value: value}}
}

// bury makes a message that can't be read a dead letter, as it stands, so that it
// holds up none behind it.
func (w *Worker) bury(work context.Context, doc store.Aux) {
	m := shown(doc)
	w.o.Log.Error("a message that can't be read became a dead letter", "kind", m.Kind, "id", m.ID)
	err := w.commit(work, toDead(doc, doc.Value)...)
	if err != nil && !errors.As(err, new(*store.ConflictError)) {
		w.o.Log.Warn("a message that can't be read could not be put aside", "error", err)
	}
}

// commit commits even while the worker stops: what was sent should be known to
// have been.
func (w *Worker) commit(work context.Context, ops ...store.Op) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), commitTime)
	defer cancel()
	_, err := w.store.Commit(ctx, &store.Batch{Ops: ops})
	return err
}
