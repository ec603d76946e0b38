package bars_test

import (
	"fmt"
	"strings"
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
				q = row.q
				q.CountOnly = true
				page, err := desk.Records().History(s.plain(), q)
				require.NoError(t, err)
				require.Equal(t, len(row.want), page.Total)
				require.Empty(t, page.Versions)
			}
		})
	}
}

func TestAHistoryTellsItsTotalAndKeepsItsPagesWhileOthersWrite(t *testing.T) {
	l := newLibrary(t)
	for i := range 4 {
		l.put(fmt.Sprintf(`Patient/a "multipleBirthInteger":%d`, i), fmt.Sprintf(`Observation/o%d`, i))
		l.tick()
	}
	for path, want := range map[string]string{"/Patient/a/_history": "4", "/Patient/_history": "4", "/Observation/o0/_history": "1", "/_history": "8"} {
		require.Equal(t, want, string(l.get(path).Get("total").Raw()), path)
		require.Equal(t, want, string(l.get(path+"?_count=1").Get("total").Raw()), path)
		alone := l.get(path + "?_count=0")
		require.Equal(t, want, string(alone.Get("total").Raw()), path)
		require.False(t, alone.Get("entry").Exists())
		require.Empty(t, linkOf(alone, "next"))
	}
	require.Equal(t, "2", string(l.get("/Patient/_history?_count=0&_since="+l.at(2)).Get("total").Raw()))
	require.Equal(t, "1", string(l.get("/Patient/a/_history?_count=0&_at="+l.at(2)).Get("total").Raw()))
	require.False(t, l.get("/_history?_count=1&_since="+l.at(2)).Get("total").Exists(), "not without counting")
	l.refused("/Patient/none/_history?_count=0", 404, "not-found", "")

	var got []string
	for path := "/_history?_count=3"; path != ""; {
		page := l.get(path)
		for e := range page.Get("entry").Items() {
			got = append(got, e.Dig("response", "location").Text())
		}
		require.True(t, strings.HasPrefix(linkOf(page, "self"), base+"/_history?_count=3"))
		path = linkOf(page, "next")
		l.tick()
		l.put(`Patient/a "active":true`, fmt.Sprintf(`Slot/s%d "schedule":{"reference":"Schedule/x"},"status":"free","start":"2030-01-01T09:00:00Z","end":"2030-01-01T09:20:00Z"`, len(got)))
	}
	require.Equal(t, []string{"Patient/a/_history/4", "Observation/o3/_history/1", "Patient/a/_history/3", "Observation/o2/_history/1",
		"Patient/a/_history/2", "Observation/o1/_history/1", "Patient/a/_history/1", "Observation/o0/_history/1"}, got)
}
