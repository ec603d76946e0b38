package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

func claim(slot, owner string) store.Claim { return store.Claim{Slot: slot, Owner: owner} }

func (e *Env) hold(slot, owner string, d time.Duration) store.Claim {
	return store.Claim{Slot: slot, Owner: owner, Until: e.Clock.Now().Add(d)}
}

// owner is who has the slot, "" for nobody; several parts are joined.
func (e *Env) owner(slot, expected string) error {
	got, err := e.Store.AuxGet(e.ctx, "claim", []string{slot})
	if err != nil {
		return err
	}
	var owners []string
	for _, a := range got {
		if a.Key != slot || a.Kind != "claim" {
			return fmt.Errorf("a claim on %s came back as %s %s", slot, a.Kind, a.Key)
		}
		owners = append(owners, string(a.Value))
	}
	return want("owner of "+slot, expected, strings.Join(owners, ","))
}

var claimChecks = []Check{
	{"a slot part has one owner", func(e *Env) error {
		if _, err := e.commit(claim("s1", "Appointment/a")); err != nil {
			return err
		}
		if err := first(e.refused(store.SlotTaken, "Slot/s1", claim("s1", "Appointment/b")), e.owner("s1", "Appointment/a")); err != nil {
			return err
		}
		if _, err := e.commit(claim("s1", "Appointment/a"), store.Claim{Slot: "s1", Part: 1, Owner: "Appointment/b"}, claim("s2", "Appointment/b")); err != nil {
			return fmt.Errorf("own slot, another part and another slot are free: %w", err)
		}
		return first(e.owner("s1", "Appointment/a,Appointment/b"), e.owner("s2", "Appointment/b"))
	}},
	{"a released slot is free and only its owner releases it", func(e *Env) error {
		release := func(slot, owner string) store.Release { return store.Release{Slot: slot, Owner: owner} }
		if _, err := e.commit(claim("s1", "Appointment/a"), release("never", "Appointment/a")); err != nil {
			return err
		}
		if err := e.refused(store.SlotTaken, "Slot/s1", release("s1", "Appointment/b")); err != nil {
			return err
		}
		if _, err := e.commit(release("s1", "Appointment/a")); err != nil {
			return err
		}
		if _, err := e.commit(claim("s1", "Appointment/b")); err != nil {
			return err
		}
		return e.owner("s1", "Appointment/b")
	}},
	{"a hold keeps others out until its end and no longer", holds},
	{"the holder moves the end and the appointment takes over by name", takeOver},
	{"holds are read apart from claims", onlyHolds},
	{"claims are listed in order of slot", func(e *Env) error {
		if _, err := e.commit(claim("b", "Appointment/1"), claim("a", "Appointment/2"), store.Claim{Slot: "a", Part: 1, Owner: "Appointment/3"},
			claim("c", "Appointment/4"), e.hold("d", "hold/x", time.Minute)); err != nil {
			return err
		}
		e.Clock.Move(time.Hour)
		var list []string
		after := ""
		for range 10 {
			got, err := e.Store.AuxScan(e.ctx, "claim", "", after, 1)
			if err != nil {
				return err
			}
			for _, a := range got {
				list, after = append(list, a.Key+"="+string(a.Value)), a.Key
			}
			if len(got) == 0 {
				break
			}
		}
		return want("claims", "a=Appointment/2 a=Appointment/3 b=Appointment/1 c=Appointment/4", strings.Join(list, " "))
	}},
}

func holds(e *Env) error {
	if _, err := e.commit(e.hold("s1", "hold/x", 5*time.Minute)); err != nil {
		return err
	}
	got, err := e.Store.AuxGet(e.ctx, "claim", []string{"s1"})
	if err != nil {
		return err
	}
	if err := want("holds", 1, len(got)); err != nil {
		return err
	}
	if err := first(want("its end", e.Clock.Now().Add(5*time.Minute), got[0].Expires),
		e.refused(store.SlotTaken, "Slot/s1", e.hold("s1", "hold/y", time.Minute)),
		e.refused(store.SlotTaken, "Slot/s1", claim("s1", "Appointment/a"))); err != nil {
		return err
	}
	e.Clock.Move(5*time.Minute - time.Millisecond)
	if err := e.refused(store.SlotTaken, "Slot/s1", claim("s1", "Appointment/a")); err != nil {
		return fmt.Errorf("a millisecond before its end: %w", err)
	}
	e.Clock.Move(time.Millisecond)
	if err := e.owner("s1", ""); err != nil {
		return fmt.Errorf("a hold that ran out is left out: %w", err)
	}
	if _, err := e.commit(store.Release{Slot: "s1", Owner: "hold/other"}); err != nil {
		return fmt.Errorf("a hold that ran out counts as none: %w", err)
	}
	if _, err := e.commit(claim("s1", "Appointment/a")); err != nil {
		return err
	}
	e.Clock.Move(1000 * time.Hour)
	return first(e.owner("s1", "Appointment/a"), e.refused(store.SlotTaken, "Slot/s1", claim("s1", "hold/x")))
}

// onlyHolds asks for fewer slots than there are holds, for as many and for more,
// because an engine may read either.
func onlyHolds(e *Env) error {
	if _, err := e.commit(claim("a", "Appointment/1"), e.hold("b", "hold/x", time.Minute), e.hold("c", "hold/y", time.Hour),
		store.Claim{Slot: "c", Part: 1, Owner: "Appointment/2"}, store.Claim{Slot: "c", Part: 2, Owner: "hold/z", Until: e.Clock.Now().Add(time.Hour)},
		e.hold("d", "hold/v", time.Hour)); err != nil {
		return err
	}
	read := func(expected string, slots ...string) error {
		got, err := e.Store.AuxGet(e.ctx, "hold", slots)
		if err != nil {
			return err
		}
		var list []string
		for _, h := range got {
			if h.Kind != "hold" || h.Expires.IsZero() {
				return fmt.Errorf("a hold came back as %+v", h)
			}
			list = append(list, h.Key+"="+string(h.Value))
		}
		return want(fmt.Sprint("holds of ", slots), expected, strings.Join(list, " "))
	}
	all := []string{"d", "c", "b", "a", "none", "other"}
	if err := first(read("d=hold/v c=hold/y c=hold/z b=hold/x", all...), read("", "a"), read("c=hold/y c=hold/z", "c", "a"),
		read("b=hold/x c=hold/y c=hold/z d=hold/v", "b", "c", "a", "d"), read("")); err != nil {
		return err
	}
	e.Clock.Move(time.Minute)
	if err := first(read("d=hold/v c=hold/y c=hold/z", all...), read("", "b")); err != nil {
		return fmt.Errorf("when one has run out: %w", err)
	}
	e.Clock.Move(time.Hour)
	return read("", all...)
}

func takeOver(e *Env) error {
	if _, err := e.commit(e.hold("s1", "hold/x", time.Minute)); err != nil {
		return err
	}
	e.Clock.Move(30 * time.Second)
	if _, err := e.commit(e.hold("s1", "hold/x", time.Minute)); err != nil {
		return err
	}
	e.Clock.Move(45 * time.Second)
	if err := e.owner("s1", "hold/x"); err != nil {
		return fmt.Errorf("the moved end: %w", err)
	}
	confirm := func(before string) store.Claim {
		return store.Claim{Slot: "s1", Owner: "Appointment/a", Predecessor: before}
	}
	if err := e.refused(store.SlotTaken, "Slot/s1", confirm("hold/y")); err != nil {
		return err
	}
	if _, err := e.commit(confirm("hold/x")); err != nil {
		return err
	}
	e.Clock.Move(time.Hour)
	if err := e.owner("s1", "Appointment/a"); err != nil {
		return fmt.Errorf("a confirmed slot doesn't run out: %w", err)
	}
	// The hold is gone: who comes with it again is too late.
	return e.refused(store.SlotTaken, "Slot/s1", store.Claim{Slot: "s1", Owner: "Appointment/b", Predecessor: "hold/x"})
}
