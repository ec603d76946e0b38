package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

var raceChecks = []Check{
	{"of 64 that race for each slot exactly one wins", func(e *Env) error {
		const slots, racers = 12, 64
		d := &diary{Env: e, slots: slots}
		if err := d.open(); err != nil {
			return err
		}
		var mu sync.Mutex
		winners := map[string]int{}
		err := together(racers, func(racer int) error {
			g := rand.New(rand.NewPCG(uint64(racer), 1))
			for _, i := range g.Perm(slots) {
				slot := slotName(i)
				won, err := d.book(fmt.Sprintf("a-%d-%d", racer, i), slot)
				if err != nil {
					return err
				}
				if won {
					mu.Lock()
					winners[slot]++
					mu.Unlock()
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := range slots {
			if err := want("winners of "+slotName(i), 1, winners[slotName(i)]); err != nil {
				return err
			}
		}
		return d.sound()
	}},
	{"booking, cancelling and moving at once keep diary and claims in step", func(e *Env) error {
		d := &diary{Env: e, slots: 8}
		if err := d.open(); err != nil {
			return err
		}
		err := together(64, func(racer int) error {
			g := rand.New(rand.NewPCG(uint64(racer), 2))
			for i := range 6 {
				id, slot, other := fmt.Sprintf("a-%d-%d", racer, i), slotName(g.IntN(8)), slotName(g.IntN(8))
				won, err := d.book(id, slot)
				if err != nil {
					return err
				}
				if !won {
					continue
				}
				if g.IntN(2) == 0 && other != slot {
					if won, err = d.move(id, slot, other); err != nil {
						return err
					}
					if won {
						slot = other
					}
				}
				if g.IntN(3) > 0 {
					if err := d.cancel(id, slot); err != nil {
						return err
					}
				}
			}
			return nil
		})
		return first(err, d.sound())
	}},
	{"of 64 that repeat one request exactly one is carried out", func(e *Env) error {
		var mu sync.Mutex
		fresh := 0
		err := together(64, func(int) error {
			done, err := e.Store.Commit(e.ctx, idemBatch("h1", "k1", "k2"))
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if done.Replay == nil {
				fresh++
			}
			return nil
		})
		got, err2 := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "s1"})
		return first(err, err2, want("carried out", 1, fresh), want("version", 1, got.Version))
	}},
	{"of 64 updates from one version exactly one succeeds", func(e *Env) error {
		if _, err := e.commit(put(record("Task", "t1", ""))); err != nil {
			return err
		}
		var mu sync.Mutex
		won := 0
		err := together(64, func(i int) error {
			_, err := e.Store.Commit(e.ctx, &store.Batch{Ops: []store.Op{at(record("Task", "t1", fmt.Sprint(i)), 1)}})
			mu.Lock()
			defer mu.Unlock()
			var c *store.ConflictError
			if errors.As(err, &c) && c.Kind == store.VersionConflict {
				return nil
			}
			won++
			return err
		})
		return first(err, want("winners", 1, won))
	}},
}

// together runs f in n goroutines and gives the first error.
func together(n int, f func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- f(i) }()
	}
	var found error
	for range n {
		if err := <-errs; err != nil {
			found = err
		}
	}
	return found
}

func slotName(i int) string { return fmt.Sprint("slot", i) }

// diary books as the room does: claim, appointment and slot in one batch. An
// appointment's entry "slot:" says which slot it has.
type diary struct {
	*Env
	slots int
}

func (d *diary) open() error {
	for i := range d.slots {
		if _, err := d.commit(created(record("Slot", slotName(i), "", "status:free"))); err != nil {
			return err
		}
	}
	return nil
}

// try commits; losing a race is no error.
func (d *diary) try(ops ...store.Op) (bool, error) {
	_, err := d.Store.Commit(d.ctx, &store.Batch{Ops: ops})
	var c *store.ConflictError
	if errors.As(err, &c) && (c.Kind == store.SlotTaken || c.Kind == store.VersionConflict) {
		return false, nil
	}
	return err == nil, err
}

func (d *diary) slot(id, status string) (store.Put, error) {
	now, err := d.Store.Get(d.ctx, store.Ref{Type: "Slot", ID: id})
	if err != nil {
		return store.Put{}, err
	}
	return at(record("Slot", id, "", "status:"+status), now.Version), nil
}

func (d *diary) book(id, slot string) (bool, error) {
	busy, err := d.slot(slot, "busy")
	if err != nil {
		return false, err
	}
	return d.try(claim(slot, "Appointment/"+id), created(record("Appointment", id, "", "slot:"+slot)), busy)
}

func (d *diary) move(id, from, to string) (bool, error) {
	free, err := d.slot(from, "free")
	if err != nil {
		return false, err
	}
	busy, err := d.slot(to, "busy")
	if err != nil {
		return false, err
	}
	return d.try(claim(to, "Appointment/"+id), store.Release{Slot: from, Owner: "Appointment/" + id},
		at(record("Appointment", id, "", "slot:"+to), 1), free, busy)
}

func (d *diary) cancel(id, slot string) error {
	free, err := d.slot(slot, "free")
	if err != nil {
		return err
	}
	_, err = d.commit(store.Release{Slot: slot, Owner: "Appointment/" + id}, put(record("Appointment", id, "")), free)
	return err
}

// sound checks the invariant: an appointment has a slot exactly if it owns the
// claim, and a slot is busy exactly if it is claimed.
func (d *diary) sound() error {
	for i := range d.slots {
		slot := slotName(i)
		claims, err := d.Store.AuxGet(d.ctx, "claim", []string{slot})
		if err != nil {
			return err
		}
		has, err := d.Store.Search(d.ctx, &search.Query{Type: "Appointment", Where: search.Has("slot:" + slot)})
		if err != nil {
			return err
		}
		busy, err := d.Store.Search(d.ctx, &search.Query{Type: "Slot", Where: search.And{search.IDs{slot}, search.Has("status:busy")}})
		if err != nil {
			return err
		}
		if len(claims) > 1 || len(has.Records) != len(claims) || len(busy.Records) != len(claims) {
			return fmt.Errorf("%s: %d claims, %d appointments, busy %d", slot, len(claims), len(has.Records), len(busy.Records))
		}
		if len(claims) == 1 && string(claims[0].Value) != has.Records[0].Ref().String() {
			return fmt.Errorf("%s: claimed by another than its appointment", slot)
		}
	}
	return nil
}
