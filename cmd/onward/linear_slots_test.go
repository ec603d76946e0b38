package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/store/storetest/linear"
)

// groupsAtOnce lets four clients meet on each group.
const groupsAtOnce = 16

// slotGroup is the slots of one group and what its clients have learned of who
// has them. An Appointment is told apart by its description, which its maker
// chose: a maker who got no answer doesn't know the id.
type slotGroup struct {
	key   string
	slots [linear.GroupSize]freeSlot

	mu    sync.Mutex
	known []booking
}

type booking struct{ name, id string }

// byMessage says that a message made it: then the id is ours. Messages don't
// cancel what a plain client booked.
func (b booking) byMessage() bool { return b.id != b.name }

func (g *slotGroup) learn(b booking) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known = append(g.known, b)
}

func (g *slotGroup) any(random *rand.Rand) (booking, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.known) == 0 {
		return booking{}, false
	}
	return g.known[max(0, len(g.known)-1-random.IntN(4))], true
}

// newGroups puts fresh slots on the sample schedule.
func newGroups(t testing.TB, s *server, round int) []*slotGroup {
	t.Helper()
	groups := make([]*slotGroup, groupsAtOnce)
	var entries []string
	begin := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(round) * time.Hour)
	for i := range groups {
		groups[i] = &slotGroup{key: fmt.Sprintf("round %d group %d", round, i)}
		for j := range groups[i].slots {
			slot := freeSlot{uuid.NewString(), begin.Add(time.Duration(j) * time.Minute).Format(time.RFC3339), begin.Add(time.Duration(j+1) * time.Minute).Format(time.RFC3339)}
			groups[i].slots[j] = slot
			entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Slot","id":%q,"schedule":{"reference":"Schedule/%s"},"status":"free","start":%q,"end":%q},"request":{"method":"PUT","url":"Slot/%s"}}`,
				slot.id, sandbox.ID("schedule/utc-1"), slot.start, slot.end, slot.id))
		}
	}
	a := s.do("POST", "/FHIR/R4", plain(), []byte(`{"resourceType":"Bundle","type":"transaction","entry":[`+strings.Join(entries, ",")+`]}`))
	require.Equal(t, 200, a.status, "%s", a.body)
	return groups
}

// slotClient is one client of a group.
type slotClient struct {
	t      testing.TB
	n      int
	http   *impatient
	random *rand.Rand
	h      *linear.History
	group  *slotGroup
}

func (c *slotClient) step() {
	slot := c.random.IntN(linear.GroupSize)
	b, known := c.group.any(c.random)
	switch dice := c.random.IntN(100); {
	case dice < 18:
		c.write(linear.SlotCall{Deed: linear.Take, Slot: slot, Owner: uuid.NewString()}, c.bookByMessage)
	case dice < 36 || !known:
		c.write(linear.SlotCall{Deed: linear.Take, Slot: slot, Owner: uuid.NewString()}, c.bookByPut)
	case dice < 48:
		c.write(linear.SlotCall{Deed: linear.Leave, Owner: b.name}, func(linear.SlotCall) (*answer, error) { return c.put(b, 0, "cancelled") })
	case dice < 58 && b.byMessage():
		c.write(linear.SlotCall{Deed: linear.Leave, Owner: b.name}, func(linear.SlotCall) (*answer, error) { return c.cancelByMessage(b) })
	case dice < 72:
		c.write(linear.SlotCall{Deed: linear.Move, Owner: b.name, Slot: slot}, func(linear.SlotCall) (*answer, error) { return c.put(b, slot, "booked") })
	case dice < 86:
		c.read(slot)
	default:
		c.look(slot)
	}
}

func (c *slotClient) write(call linear.SlotCall, do func(linear.SlotCall) (*answer, error)) {
	c.h.Call(c.n, c.group.key, call, func() (any, linear.Result) {
		a, err := do(call)
		r, known := result(a, err)
		if !known {
			c.http.complain("%s of %s: %d %s", call.Deed, c.group.key, a.status, diagnosticsIn(a.body))
		}
		if r == linear.Refused && strings.Contains(string(a.body), "was changed here after it was received") {
			r = linear.Void // BaRS Core 1.5, applying an update: who moved it by another door goes first
		}
		if r == linear.Refused && !refusesSlot(a.body) {
			c.http.complain("%s of %s is refused for another reason: %s", call.Deed, c.group.key, a.body)
		}
		return linear.SlotAnswer{Result: r}, r
	})
}

// refusesSlot says that the rule of slots is why, and not another request that
// came between.
func refusesSlot(body []byte) bool {
	for _, why := range []string{"the slot is not free", "does not change its status again", "no longer current"} {
		if strings.Contains(string(body), why) {
			return true
		}
	}
	return false
}

func (c *slotClient) bookByMessage(call linear.SlotCall) (*answer, error) {
	body := strings.Replace(string(bookingFor(c.t, c.group.slots[call.Slot])), "Sprained ankle", call.Owner, 1)
	a, err := c.http.try(some(c.random), "POST", messagePath, speaking(sandbox.UrgentTreatment), []byte(body))
	if err == nil && a.status == 200 {
		if id := appointmentID(a.body); id != "" {
			c.group.learn(booking{call.Owner, id})
		}
	}
	return a, err
}

func (c *slotClient) bookByPut(call linear.SlotCall) (*answer, error) {
	b := booking{call.Owner, call.Owner}
	a, err := c.put(b, call.Slot, "booked")
	if err == nil && a.status < 300 {
		c.group.learn(b)
	}
	return a, err
}

func (c *slotClient) put(b booking, slot int, status string) (*answer, error) {
	s := c.group.slots[slot]
	body := fmt.Sprintf(`{"resourceType":"Appointment","id":%q,"status":%q,"description":%q,"start":%q,"end":%q,"slot":[{"reference":"Slot/%s"}],"participant":[{"actor":{"display":"somebody"},"status":"accepted"}]}`,
		b.id, status, b.name, s.start, s.end, s.id)
	return c.http.try(some(c.random), "PUT", "/FHIR/R4/Appointment/"+b.id, plain(), []byte(body))
}

func (c *slotClient) cancelByMessage(b booking) (*answer, error) {
	body := strings.Replace(string(cancellationFor(c.t, b.id, c.group.slots[0])), "Sprained ankle", b.name, 1)
	return c.http.try(some(c.random), "POST", messagePath, speaking(sandbox.UrgentTreatment), []byte(body))
}

func (c *slotClient) read(slot int) {
	c.h.Call(c.n, c.group.key, linear.SlotCall{Deed: linear.Read, Slot: slot}, func() (any, linear.Result) {
		a, err := c.http.try(some(c.random), "GET", "/FHIR/R4/Slot/"+c.group.slots[slot].id, nil, nil)
		var r struct{ Status string }
		if err != nil || a.status != 200 || json.Unmarshal(a.body, &r) != nil {
			return nil, linear.Void
		}
		return linear.SlotAnswer{Free: r.Status == "free"}, linear.Done
	})
}

// look asks who has a slot; two at once are an owner that no model knows.
func (c *slotClient) look(slot int) {
	c.h.Call(c.n, c.group.key, linear.SlotCall{Deed: linear.Look, Slot: slot}, func() (any, linear.Result) {
		a, err := c.http.try(some(c.random), "GET", "/FHIR/R4/Appointment?status=booked&slot=Slot/"+c.group.slots[slot].id, nil, nil)
		var r struct {
			Entry []struct {
				Resource struct{ ID, Description string }
			}
		}
		if err != nil || a.status != 200 || json.Unmarshal(a.body, &r) != nil {
			return nil, linear.Void
		}
		var owners []string
		for _, e := range r.Entry {
			owners = append(owners, e.Resource.Description)
			c.group.learn(booking{e.Resource.Description, e.Resource.ID})
		}
		return linear.SlotAnswer{Owner: strings.Join(owners, " and ")}, linear.Done
	})
}

// playSlots lets the clients work on fresh groups for one round.
func playSlots(t testing.TB, s *server, c *impatient, h *linear.History, round int) {
	groups := newGroups(t, s, round)
	var wg sync.WaitGroup
	for n := range proofClients {
		one := &slotClient{t: t, n: n, http: c, random: rand.New(rand.NewPCG(uint64(round), uint64(n))), h: h, group: groups[n%len(groups)]}
		wg.Go(func() {
			for range efforts().each {
				one.step()
			}
		})
	}
	wg.Wait()
}

// diagnosticsIn is why a request was refused.
func diagnosticsIn(body []byte) string {
	var o struct {
		Issue []struct{ Diagnostics string }
	}
	if json.Unmarshal(body, &o) != nil || len(o.Issue) == 0 {
		return string(body)
	}
	return o.Issue[0].Diagnostics
}
