package linear

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// GroupSize is how many slots one object of the slot model has: an owner moves
// among the slots of its group.
const GroupSize = 3

// Deed is what a client does to a group of slots.
type Deed string

// The deeds.
const (
	Take  Deed = "take"  // Owner takes Slot: a booking, a hold; From may have it before
	Leave Deed = "leave" // Owner gives back whatever it has: a cancellation
	Move  Deed = "move"  // Owner, who has one, changes to Slot
	Read  Deed = "read"  // is Slot free?
	Look  Deed = "look"  // who has Slot?
)

// SlotCall is one call on a group.
type SlotCall struct {
	Deed        Deed
	Slot        int
	Owner, From string
}

// SlotAnswer is what came of it. Free belongs to Read, Owner ("" for nobody) to
// Look.
type SlotAnswer struct {
	Result Result
	Free   bool
	Owner  string
}

type group [GroupSize]string

func (g group) has(owner string) bool {
	for _, who := range g {
		if who == owner {
			return true
		}
	}
	return false
}

func (g group) without(owner string) group {
	for i, who := range g {
		if who == owner {
			g[i] = ""
		}
	}
	return g
}

// next gives the group after a deed, and whether the deed goes through.
func (g group) next(c SlotCall) (group, bool) {
	who := g[c.Slot]
	switch c.Deed {
	case Take:
		if who != "" && who != c.Owner && (c.From == "" || who != c.From) {
			return g, false
		}
		g[c.Slot] = c.Owner
	case Leave:
		return g.without(c.Owner), true // ending what has ended changes nothing
	case Move:
		if !g.has(c.Owner) || (who != "" && who != c.Owner) {
			return g, false
		}
		g = g.without(c.Owner)
		g[c.Slot] = c.Owner
	}
	return g, true
}

// Slots is the model of a group of slots that nobody has at first.
func Slots() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return group{} },
		Step: func(state, input, output any) (bool, any) {
			g, call, answer := state.(group), input.(SlotCall), output.(SlotAnswer)
			switch call.Deed {
			case Read:
				return answer.Free == (g[call.Slot] == ""), g
			case Look:
				return answer.Owner == g[call.Slot], g
			}
			after, through := g.next(call)
			switch answer.Result {
			case Done:
				return through, after
			case Refused:
				if call.Deed == Leave {
					return !g.has(call.Owner), g
				}
				return !through, g
			}
			return true, after // unknown: carried out if it could be; never is the same as after all others
		},
		DescribeOperation: func(input, output any) string {
			c, a := input.(SlotCall), output.(SlotAnswer)
			switch c.Deed {
			case Read:
				return fmt.Sprintf("read %d: free %v", c.Slot, a.Free)
			case Look:
				return fmt.Sprintf("look %d: %q", c.Slot, a.Owner)
			case Leave:
				return fmt.Sprintf("%s leaves: %s", c.Owner, a.Result)
			}
			return fmt.Sprintf("%s %ss %d: %s", c.Owner, c.Deed, c.Slot, a.Result)
		},
		DescribeState: func(state any) string {
			g := state.(group)
			return strings.Join(g[:], " | ")
		},
	}
}

func (r Result) String() string { return [...]string{"done", "refused", "unknown", "void"}[r] }
