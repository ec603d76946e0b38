package bars_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/store/sqlite"
)

func TestHistoryByScopeAndAtATime(t *testing.T) {
	var minutes atomic.Int64 // the store asks too, from its own goroutine
	now := func() time.Time { return sceneNow.Add(time.Duration(minutes.Load()) * time.Minute) }
	db, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	desk := bars.NewDesk(db, bars.Options{Base: base, Now: now})
	s := &scene{t: t, ctx: t.Context(), store: db, desk: desk}
	write := func(text string) {
		_, err := s.put(text, 0)
		require.NoError(t, err)
		minutes.Add(1)
	}
	write(`{"resourceType":"Patient","id":"a","gender":"male"}`)
	write(`{"resourceType":"Patient","id":"a","gender":"female"}`)
	write(`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"a"}}`)
	require.NoError(t, s.remove("Patient", "a"))
	minutes.Add(1)
	write(`{"resourceType":"Patient","id":"b"}`)

	at := func(minute float64) *rest.Period {
		moment := sceneNow.Add(time.Duration(minute * float64(time.Minute)))
		return &rest.Period{From: moment, To: moment}
	}
	all := &rest.Period{From: sceneNow.Add(-time.Hour), To: sceneNow.Add(time.Hour)}
	for _, row := range []struct {
		name string
		q    rest.HistoryQuery
		want []string
	}{
		{"a record", rest.HistoryQuery{Type: "Patient", ID: "a"}, []string{"Patient/a/3", "Patient/a/2", "Patient/a/1"}},
		{"a type", rest.HistoryQuery{Type: "Patient"}, []string{"Patient/b/1", "Patient/a/3", "Patient/a/2", "Patient/a/1"}},
		{"everything", rest.HistoryQuery{}, []string{"Patient/b/1", "Patient/a/3", "Observation/o/1", "Patient/a/2", "Patient/a/1"}},
		{"since", rest.HistoryQuery{Since: sceneNow.Add(3 * time.Minute)}, []string{"Patient/b/1", "Patient/a/3"}},
		{"at the moment of a change", rest.HistoryQuery{Type: "Patient", At: at(1)}, []string{"Patient/a/2"}},
		{"at a moment between", rest.HistoryQuery{At: at(2.5)}, []string{"Observation/o/1", "Patient/a/2"}},
		{"at one record", rest.HistoryQuery{Type: "Patient", ID: "a", At: at(0.5)}, []string{"Patient/a/1"}},
		{"at the end", rest.HistoryQuery{At: at(60)}, []string{"Patient/b/1", "Patient/a/3", "Observation/o/1"}},
		{"before everything", rest.HistoryQuery{At: at(-1)}, nil},
		{"a period", rest.HistoryQuery{At: all}, []string{"Patient/b/1", "Patient/a/3", "Observation/o/1", "Patient/a/2", "Patient/a/1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 10} {
				var got []string
				q := row.q
				q.Count = size
				for more := true; more; more = q.Cursor != "" {
					page, err := desk.Records().History(s.plain(), q)
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Versions), size)
					for _, v := range page.Versions {
						got = append(got, v.Type+"/"+v.ID+"/"+string(rune('0'+v.Version)))
					}
					q.Cursor = page.Next
				}
				require.Equal(t, row.want, got)
			}
		})
	}
}
