package bars_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/store"
)

func TestTheWatchTellsWhatItFound(t *testing.T) {
	var reports []*bars.Report
	var stop context.CancelFunc
	s := open(t, func(o *bars.Options) {
		o.Checked = func(r *bars.Report, took time.Duration, err error) {
			require.NoError(t, err)
			require.GreaterOrEqual(t, took, time.Duration(0))
			reports = append(reports, r)
			stop()
		}
	})
	watch := func() {
		ctx, cancel := context.WithCancel(s.ctx)
		stop = cancel
		s.desk.Watch(ctx, time.Hour)
	}
	whole := map[bars.Rule]bars.Tally{bars.RuleOwner: {}, bars.RuleOnce: {}, bars.RuleClaimed: {}, bars.RulePartly: {}, bars.RuleSlotHere: {}, bars.RuleStatus: {}}
	watch()
	require.Equal(t, whole, reports[0].Tally)

	s.setStatus(3, "busy") // claimed by nobody
	s.plant(store.Claim{Slot: slotID(clinic, 2), Owner: "Appointment/none"})
	watch()
	whole[bars.RuleStatus] = bars.Tally{Found: 2, Repaired: 2}
	whole[bars.RuleOwner] = bars.Tally{Found: 1}
	require.Equal(t, whole, reports[1].Tally)
}

func TestTheWatchTellsOfACheckThatFailed(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var failed error
	s := open(t, func(o *bars.Options) {
		o.Checked = func(r *bars.Report, _ time.Duration, err error) {
			require.Nil(t, r)
			failed = err
			stop()
		}
	})
	s.faulty = true // nothing can be read any more
	require.NoError(t, s.store.Close())
	s.desk.Watch(ctx, time.Hour)
	require.ErrorIs(t, failed, store.ErrUnavailable)
}

func TestRepeatedRequestsAreTold(t *testing.T) {
	var told []string
	var during func()
	s := open(t, func(o *bars.Options) {
		o.Repeated = func(door string, how bars.Repeat) { told = append(told, door+" "+string(how)) }
		o.Now = func() time.Time {
			if f := during; f != nil {
				during = nil
				f()
			}
			return sceneNow
		}
	})
	r := request(t, booking(t, 0))
	door := r.Key.Door
	_, err := s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	require.Empty(t, told)
	_, err = s.desk.Message(s.ctx, r)
	require.NoError(t, err)
	other := request(t, booking(t, 1))
	other.Key = r.Key
	_, err = s.desk.Message(s.ctx, other)
	require.Error(t, err)
	require.Equal(t, []string{door + " replayed", door + " other-body"}, told)

	told = nil
	_, err = s.desk.Message(s.ctx, request(t, booking(t, 0))) // taken: no repetition
	require.Error(t, err)
	require.Empty(t, told)

	first, inner := request(t, referral(t)), request(t, referral(t))
	inner.Key = first.Key
	during = func() { _, err = s.desk.Message(s.ctx, inner) }
	_, outer := s.desk.Message(s.ctx, first)
	require.NoError(t, outer)
	require.Error(t, err)
	require.Equal(t, []string{door + " under-way"}, told)
}
