package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/storetest/linear"
)

// Histories of 16 clients, four on each object; one commit in ten is given up at
// a random moment.
const (
	linearObjects = 4
	linearClients = 16
	linearCalls   = 12
)

var linearChecks = []Check{
	{"what clients see of holds, claims and moves could have come one after another", func(e *Env) error {
		h := linear.NewHistory()
		err := together(linearClients, func(n int) error {
			c := &claimant{Env: e, h: h, n: n, random: rand.New(rand.NewPCG(uint64(n), 3)), key: fmt.Sprint("group", n%linearObjects)}
			for i := range linearCalls {
				c.step(i)
			}
			return c.fault
		})
		return first(err, h.Check(linear.Slots(), ""))
	}},
	{"what clients see of a record could have come one after another", func(e *Env) error {
		h := linear.NewHistory()
		for i := range linearObjects {
			if _, err := e.commit(created(record("Task", fmt.Sprint("t", i), "first"))); err != nil {
				return err
			}
		}
		err := together(linearClients, func(n int) error {
			c := &editor{Env: e, h: h, n: n, random: rand.New(rand.NewPCG(uint64(n), 4)), id: fmt.Sprint("t", n%linearObjects), version: 1}
			for i := range linearCalls {
				c.step(i)
			}
			return c.fault
		})
		return first(err, h.Check(linear.Records("first"), ""))
	}},
}

// hastily commits, and gives one commit in ten up.
func (e *Env) hastily(g *rand.Rand, ops ...store.Op) (*store.Result, linear.Result, error) {
	ctx := e.ctx
	if g.IntN(10) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(e.ctx, time.Duration(g.IntN(3000))*time.Microsecond)
		defer cancel()
	}
	done, err := e.Store.Commit(ctx, &store.Batch{Ops: ops})
	var c *store.ConflictError
	switch {
	case err == nil:
		return done, linear.Done, nil
	case errors.Is(err, store.ErrUnknown):
		return nil, linear.Unknown, nil
	case errors.As(err, &c):
		return nil, linear.Refused, nil
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return nil, linear.Void, nil // nothing was written
	}
	return nil, linear.Unknown, err
}

// claimant takes slots of one group, first by holds, as links do.
type claimant struct {
	*Env
	h      *linear.History
	n      int
	random *rand.Rand
	key    string
	owner  string // "" where it has nothing
	slot   int    // that owner has
	fault  error
}

func (c *claimant) name(slot int) string { return fmt.Sprint(c.key, "-", slot) }

func (c *claimant) step(i int) {
	slot := c.random.IntN(linear.GroupSize)
	mine := c.owner
	switch dice := c.random.IntN(10); {
	case dice < 3:
		c.look(slot)
	case mine == "" && dice < 7:
		hold := fmt.Sprintf("hold/%d-%d", c.n, i)
		c.write(linear.SlotCall{Deed: linear.Take, Slot: slot, Owner: hold}, c.hold(c.name(slot), hold, time.Minute))
	case mine == "":
		owner := fmt.Sprintf("Appointment/%d-%d", c.n, i)
		c.write(linear.SlotCall{Deed: linear.Take, Slot: slot, Owner: owner}, claim(c.name(slot), owner))
	case mine[0] == 'h' && dice < 8: // confirm it
		owner := fmt.Sprintf("Appointment/%d-%d", c.n, i)
		c.write(linear.SlotCall{Deed: linear.Take, Slot: c.slot, Owner: owner, From: mine}, store.Claim{Slot: c.name(c.slot), Owner: owner, Predecessor: mine})
	case mine[0] == 'A' && dice < 6 && slot != c.slot:
		c.write(linear.SlotCall{Deed: linear.Move, Slot: slot, Owner: mine}, claim(c.name(slot), mine), store.Release{Slot: c.name(c.slot), Owner: mine})
	default:
		c.write(linear.SlotCall{Deed: linear.Leave, Owner: mine}, store.Release{Slot: c.name(c.slot), Owner: mine})
	}
}

func (c *claimant) write(call linear.SlotCall, ops ...store.Op) {
	c.h.Call(c.n, c.key, call, func() (any, linear.Result) {
		_, r, err := c.hastily(c.random, ops...)
		c.fault = first(c.fault, err)
		switch {
		case r == linear.Unknown || (r == linear.Done && call.Deed == linear.Leave):
			c.owner = ""
		case r == linear.Done:
			c.owner, c.slot = call.Owner, call.Slot
		}
		return linear.SlotAnswer{Result: r}, r
	})
}

func (c *claimant) look(slot int) {
	c.h.Call(c.n, c.key, linear.SlotCall{Deed: linear.Look, Slot: slot}, func() (any, linear.Result) {
		claims, err := c.Store.AuxGet(c.ctx, "claim", []string{c.name(slot)})
		c.fault = first(c.fault, err)
		answer := linear.SlotAnswer{}
		for _, a := range claims {
			answer.Owner += string(a.Value)
		}
		return answer, linear.Done
	})
}

// editor reads and writes one record by the version that it saw last.
type editor struct {
	*Env
	h       *linear.History
	n       int
	random  *rand.Rand
	id      string
	version int64 // 0 where it was deleted
	fault   error
}

func (c *editor) step(i int) {
	value := fmt.Sprintf("%d-%d", c.n, i)
	switch dice := c.random.IntN(10); {
	case dice < 3:
		c.read()
	case dice < 8 && c.version > 0:
		c.write(linear.RecordCall{Value: value, If: c.version}, at(record("Task", c.id, value), c.version))
	case dice < 9:
		c.write(linear.RecordCall{Value: value}, put(record("Task", c.id, value)))
	default:
		c.write(linear.RecordCall{Delete: true}, store.Delete{Ref: store.Ref{Type: "Task", ID: c.id}})
	}
}

func (c *editor) read() {
	c.h.Call(c.n, c.id, linear.RecordCall{}, func() (any, linear.Result) {
		r, err := c.Store.Get(c.ctx, store.Ref{Type: "Task", ID: c.id})
		if err != nil {
			c.fault = err
			return nil, linear.Void
		}
		if c.version = r.Version; r.Deleted {
			c.version = 0
			return linear.RecordAnswer{Deleted: true}, linear.Done
		}
		var body struct{ Comment string }
		c.fault = first(c.fault, json.Unmarshal(r.Body, &body))
		return linear.RecordAnswer{Version: r.Version, Value: body.Comment}, linear.Done
	})
}

func (c *editor) write(call linear.RecordCall, op store.Op) {
	c.h.Call(c.n, c.id, call, func() (any, linear.Result) {
		done, r, err := c.hastily(c.random, op)
		c.fault = first(c.fault, err)
		answer := linear.RecordAnswer{Result: r}
		if r == linear.Done && !call.Delete {
			answer.Version = done.Versions[0].Version
			c.version = answer.Version
		}
		return answer, r
	})
}
