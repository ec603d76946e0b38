package linear

import (
	"errors"
	"os"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// seen makes calls one after another, each with its answer.
func seen(pairs ...[2]any) *History {
	h := NewHistory()
	for i, p := range pairs {
		h.Call(i%3, "it", p[0], func() (any, Result) {
			switch a := p[1].(type) {
			case SlotAnswer:
				return a, a.Result
			case RecordAnswer:
				return a, a.Result
			}
			panic("no answer")
		})
	}
	return h
}

func TestModelsTellWhatCanBeFromWhatCanNot(t *testing.T) {
	take := func(slot int, owner string) SlotCall { return SlotCall{Deed: Take, Slot: slot, Owner: owner} }
	read, look := SlotCall{Deed: Read}, SlotCall{Deed: Look}
	done, refused, unknown := SlotAnswer{}, SlotAnswer{Result: Refused}, SlotAnswer{Result: Unknown}
	free, busy := SlotAnswer{Free: true}, SlotAnswer{}
	owner := func(who string) SlotAnswer { return SlotAnswer{Owner: who} }
	write := func(v string, n int64) RecordCall { return RecordCall{Value: v, If: n} }
	wrote := func(n int64) RecordAnswer { return RecordAnswer{Version: n} }
	for _, c := range []struct {
		name  string
		model porcupine.Model
		h     *History
		can   bool
	}{
		{"a slot is taken once", Slots(), seen([2]any{take(0, "a"), done}, [2]any{take(0, "b"), refused}, [2]any{read, busy}), true},
		{"a slot is taken twice", Slots(), seen([2]any{take(0, "a"), done}, [2]any{take(0, "b"), done}), false},
		{"a free slot is refused", Slots(), seen([2]any{take(0, "a"), refused}), false},
		{"a booking is lost", Slots(), seen([2]any{take(0, "a"), done}, [2]any{read, free}), false},
		{"a booking is another's", Slots(), seen([2]any{take(0, "a"), done}, [2]any{look, owner("b")}), false},
		{"what is unknown was carried out", Slots(), seen([2]any{take(0, "a"), unknown}, [2]any{look, owner("a")}), true},
		{"what is unknown comes later", Slots(), seen([2]any{take(0, "a"), unknown}, [2]any{read, free}, [2]any{read, busy}), true},
		{"what is unknown comes and goes", Slots(), seen([2]any{take(0, "a"), unknown}, [2]any{read, busy}, [2]any{read, free}), false},
		{"a hold is confirmed", Slots(), seen([2]any{take(0, "h"), done}, [2]any{SlotCall{Deed: Take, Owner: "a", From: "h"}, done}, [2]any{look, owner("a")}), true},
		{"a hold is confirmed by a stranger", Slots(), seen([2]any{take(0, "h"), done}, [2]any{SlotCall{Deed: Take, Owner: "a", From: "g"}, done}), false},
		{"a cancelled slot is free", Slots(), seen([2]any{take(0, "a"), done}, [2]any{SlotCall{Deed: Leave, Owner: "a"}, done}, [2]any{read, free}), true},
		{"a cancelled slot stays", Slots(), seen([2]any{take(0, "a"), done}, [2]any{SlotCall{Deed: Leave, Owner: "a"}, done}, [2]any{read, busy}), false},
		{"a cancellation of what is booked is refused", Slots(), seen([2]any{take(0, "a"), done}, [2]any{SlotCall{Deed: Leave, Owner: "a"}, refused}), false},
		{"a cancellation of what has ended is refused", Slots(), seen([2]any{SlotCall{Deed: Leave, Owner: "a"}, refused}), true},
		{"a move leaves the first slot", Slots(), seen([2]any{take(0, "a"), done}, [2]any{SlotCall{Deed: Move, Slot: 1, Owner: "a"}, done}, [2]any{read, free}), true},
		{"a move keeps the first slot", Slots(), seen([2]any{take(0, "a"), done}, [2]any{SlotCall{Deed: Move, Slot: 1, Owner: "a"}, done}, [2]any{read, busy}), false},
		{"a move to a taken slot", Slots(), seen([2]any{take(0, "a"), done}, [2]any{take(1, "b"), done}, [2]any{SlotCall{Deed: Move, Slot: 1, Owner: "a"}, done}), false},
		{"a move of one that ended", Slots(), seen([2]any{SlotCall{Deed: Move, Slot: 1, Owner: "a"}, refused}), true},

		{"versions count up", Records("a"), seen([2]any{write("b", 1), wrote(2)}, [2]any{RecordCall{}, RecordAnswer{Version: 2, Value: "b"}}), true},
		{"a version is overwritten", Records("a"), seen([2]any{write("b", 1), wrote(2)}, [2]any{write("c", 1), wrote(3)}), false},
		{"one version twice", Records("a"), seen([2]any{write("b", 0), wrote(2)}, [2]any{write("c", 0), wrote(2)}), false},
		{"a stale read", Records("a"), seen([2]any{write("b", 1), wrote(2)}, [2]any{RecordCall{}, RecordAnswer{Version: 1, Value: "a"}}), false},
		{"a refusal of the current version", Records("a"), seen([2]any{write("b", 1), RecordAnswer{Result: Refused}}), false},
		{"a refusal of another version", Records("a"), seen([2]any{write("b", 7), RecordAnswer{Result: Refused}}), true},
		{"a lost write", Records("a"), seen([2]any{write("b", 1), wrote(2)}, [2]any{write("c", 2), RecordAnswer{Result: Refused}}), false},
		{"a delete and a new life", Records("a"), seen([2]any{RecordCall{Delete: true}, RecordAnswer{}}, [2]any{RecordCall{}, RecordAnswer{Deleted: true}}, [2]any{write("b", 0), wrote(3)}), true},
		{"a delete that does nothing", Records("a"), seen([2]any{RecordCall{Delete: true}, RecordAnswer{}}, [2]any{RecordCall{}, RecordAnswer{Version: 1, Value: "a"}}), false},
		{"an unknown write seen later", Records("a"), seen([2]any{write("b", 1), RecordAnswer{Result: Unknown}}, [2]any{RecordCall{}, RecordAnswer{Version: 2, Value: "b"}}), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.h.Check(c.model, t.TempDir())
			if c.can {
				require.NoError(t, err)
				return
			}
			var v *Violation
			require.True(t, errors.As(err, &v), "%v", err)
			require.FileExists(t, v.Picture)
			text, err := os.ReadFile(v.Picture)
			require.NoError(t, err)
			require.Contains(t, string(text), "<html")
		})
	}
}

func TestACallThatIsVoidIsCountedAndLeftOut(t *testing.T) {
	h := seen([2]any{SlotCall{Deed: Take, Owner: "a"}, SlotAnswer{Result: Void}}, [2]any{SlotCall{Deed: Read}, SlotAnswer{Free: true}})
	require.NoError(t, h.Check(Slots(), t.TempDir()))
	all, by := h.Counts()
	require.Equal(t, 2, all)
	require.Equal(t, 1, by[Void])
}
