package rest_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// versions lists what a history holds as Type/id/version.
func (a answer) versions(t *testing.T) []string {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	require.Equal(t, "history", a.resource(t).Get("type").Text())
	list := []string{}
	for e := range a.resource(t).Get("entry").Items() {
		_, version, _ := strings.Cut(e.Dig("response", "location").Text(), "/_history/")
		list = append(list, strings.TrimPrefix(e.Get("fullUrl").Text(), base+"/")+"/"+version)
	}
	return list
}

// twoTypes writes a (three versions, the last a delete), Observation o, then b,
// a minute apart each.
func twoTypes(s *scene) {
	s.patient("a", "male")
	s.patient("a", "female")
	require.Equal(s.t, 201, s.send("PUT", "/Observation/o", `{"resourceType":"Observation","id":"o"}`).status)
	s.tick()
	require.Equal(s.t, 204, s.do("DELETE", "/Patient/a", "").status)
	s.tick()
	s.patient("b", "male")
}

func TestHistoryOfATypeAndOfTheWholeServer(t *testing.T) {
	s := newScene(t)
	require.Empty(t, s.do("GET", "/_history", "").versions(t), "nothing has happened yet")
	twoTypes(s)
	require.Equal(t, []string{"Patient/b/1", "Patient/a/3", "Patient/a/2", "Patient/a/1"}, s.do("GET", "/Patient/_history", "").versions(t))
	require.Equal(t, []string{"Patient/b/1", "Patient/a/3", "Observation/o/1", "Patient/a/2", "Patient/a/1"}, s.do("GET", "/_history", "").versions(t))
	require.Equal(t, []string{"Patient/b/1", "Patient/a/3"}, s.do("GET", "/_history?_since="+at(3), "").versions(t))
	a := s.do("GET", "/_history?_count=2&_since="+at(1), "")
	require.Equal(t, base+"/_history?_since="+at(1)+"&_count=2", a.links(t)["self"])
	next := s.do("GET", strings.TrimPrefix(a.links(t)["next"], base), "")
	require.Equal(t, []string{"Observation/o/1", "Patient/a/2"}, next.versions(t))
	require.Empty(t, next.links(t)["next"])
	require.Equal(t, "xml", s.do("GET", "/Patient/_history?_format=xml", "").format(t))
	require.Equal(t, 404, s.do("GET", "/Encounter/_history", "").status)
}

// at is the scene's clock after some minutes.
func at(minutes int) string {
	return url.QueryEscape(start.Add(time.Duration(minutes) * time.Minute).Format("2006-01-02T15:04:05.000Z"))
}

func TestHistoryAtShowsWhatStoodThen(t *testing.T) {
	s := newScene(t)
	twoTypes(s)
	for query, want := range map[string][]string{
		"/Patient/a/_history?_at=" + at(0):                      {"Patient/a/1"},
		"/Patient/a/_history?_at=" + at(2):                      {"Patient/a/2"},
		"/Patient/_history?_at=" + at(9):                        {"Patient/b/1", "Patient/a/3"},
		"/_history?_at=" + at(2):                                {"Observation/o/1", "Patient/a/2"},
		"/_history?_at=2025":                                    {},
		"/Patient/a/_history?_at=2026-03-01":                    {"Patient/a/3", "Patient/a/2", "Patient/a/1"},
		"/Patient/a/_history?_at=2026-03-01&_since=" + at(1):    {"Patient/a/3", "Patient/a/2"},
		"/Patient/a/_history?_at=2026-03-01T09:31:30%2B00:00":   {"Patient/a/2"},
		"/Patient/a/_history?_at=2026-03-01T10:31:30%2B01:00":   {"Patient/a/2"},
		"/Observation/_history?_at=2026-03-01T09:31:30%2B00:00": {},
	} {
		require.Equal(t, want, s.do("GET", query, "").versions(t), query)
	}
	require.Equal(t, base+"/_history?_at=2026-03-01", s.do("GET", "/_history?_at=2026-03-01", "").links(t)["self"])
	s.do("GET", "/_history?_at=2026&_at=2025", "").refused(t, 400, "invalid")
}
