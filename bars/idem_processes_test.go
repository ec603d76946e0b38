package bars_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// beaten is a store on which something else happens once, as soon as a request
// has seen that its key is new.
type beaten struct {
	store.Store
	once func()
}

func (b *beaten) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	docs, err := b.Store.AuxGet(ctx, kind, keys)
	if f := b.once; f != nil && kind == store.KindIdem {
		b.once = nil
		f()
	}
	return docs, err
}

// Ensure that of two processes on one store which are given the same request at
// once the slower says what became of it, and not that its slot is taken.
func TestTheSameKeyInTwoProcessesAtOnceIsAReplayInTheSlower(t *testing.T) {
	for name, body := range map[string]func(s *scene) []byte{
		"booking": func(s *scene) []byte { return booking(t, 0) },
		"cancellation": func(s *scene) []byte {
			return bookingCancel(t, focus(s.accepted(booking(t, 0))), 0)
		},
		"referral": func(s *scene) []byte { return referral(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			req := request(t, body(s))
			var first *bars.MessageResult
			db := &beaten{Store: s.store}
			db.once = func() {
				var err error
				first, err = s.desk.Message(s.ctx, req)
				require.NoError(t, err)
				require.Nil(t, first.Replay)
			}
			slower := bars.NewDesk(db, bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Budget: time.Minute})
			result, err := slower.Message(s.ctx, req)
			require.NoError(t, err)
			require.NotNil(t, result.Replay)
			require.ElementsMatch(t, first.Stored, result.Stored)
			s.invariant()

			other := request(t, append(req.Body, '\n'))
			other.Key = req.Key
			_, err = slower.Message(s.ctx, other)
			refused(t, err, fhir.KindInvalid)
		})
	}
}

// Ensure that a key which another process has used meanwhile with another body is
// refused for that, and not for what that body has changed.
func TestAKeyThatAnotherProcessUsesMeanwhileWithAnotherBody(t *testing.T) {
	s := open(t)
	req := request(t, booking(t, 0))
	other := request(t, append(req.Body, '\n'))
	other.Key = req.Key
	db := &beaten{Store: s.store}
	db.once = func() {
		_, err := s.desk.Message(s.ctx, other)
		require.NoError(t, err)
	}
	slower := bars.NewDesk(db, bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Budget: time.Minute})
	_, err := slower.Message(s.ctx, req)
	refused(t, err, fhir.KindInvalid)
}

// Ensure that what a process told nobody doesn't hide what another has done.
func TestAFailureThatNobodyHeardDoesNotHideASuccess(t *testing.T) {
	s, sendAndLeave := leaving(t)
	req := request(t, referral(t, dangling))
	refused(t, sendAndLeave(req), fhir.KindInvariant)
	kept := s.failures()[0]
	var failure struct{ Hash string }
	require.NoError(t, json.Unmarshal(kept.Value, &failure))
	_, err := s.store.Commit(s.ctx, &store.Batch{Ops: []store.Op{store.AuxPut{Kind: "x", Key: "y"}},
		Idem: &store.Idem{Keys: []string{kept.Key}, Hash: failure.Hash, Keep: time.Hour}})
	require.NoError(t, err)
	result, err := s.desk.Message(s.ctx, req)
	require.NoError(t, err)
	require.NotNil(t, result.Replay)
}
