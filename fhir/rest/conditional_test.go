package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAConditionalCreateCreatesOnlyWhereNothingMatches(t *testing.T) {
	s := newScene(t)
	body := `{"resourceType":"Patient","gender":"male"}`
	a := s.send("POST", "/Patient", body, "If-None-Exist: _id=new-1")
	require.Equal(t, 201, a.status, a.body)
	again := s.send("POST", "/Patient", body, "If-None-Exist: _id=new-1")
	require.Equal(t, 200, again.status, again.body)
	require.Equal(t, a.body, again.body, "the one that is there")
	for _, name := range []string{"Location", "ETag", "Last-Modified"} {
		require.NotEmpty(t, a.header.Get(name))
		require.Equal(t, a.header.Get(name), again.header.Get(name))
	}
	require.Contains(t, s.send("POST", "/Patient", body, "If-None-Exist: _id=new-1", "Prefer: return=OperationOutcome").body, "nothing was created")
	s.patient("b", "male")
	s.send("POST", "/Patient", body, "If-None-Exist: _id=new-1,b").refused(t, 412, "conflict")
	require.Len(t, s.backend.records, 2)
}

func TestAConditionalUpdateChangesTheOneMatch(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("b", "male")
	female := `{"resourceType":"Patient","gender":"female"}`
	a := s.send("PUT", "/Patient?_id=a", female)
	require.Equal(t, []any{200, `W/"2"`, ""}, []any{a.status, a.header.Get("ETag"), a.header.Get("Location")})
	a = s.send("PUT", "/Patient?_id=none", female)
	require.Equal(t, 201, a.status)
	require.Equal(t, base+"/Patient/new-1/_history/1", a.header.Get("Location"))
	a = s.send("PUT", "/Patient?_id=mine&_format=json", `{"resourceType":"Patient","id":"mine"}`)
	require.Equal(t, 201, a.status)
	require.Equal(t, base+"/Patient/mine/_history/1", a.header.Get("Location"))
	s.send("PUT", "/Patient?_id=a,b", female).refused(t, 412, "conflict")
	s.send("PUT", "/Patient?_id=a", female, `If-Match: W/"1"`).refused(t, 412, "conflict")
	require.Equal(t, 200, s.send("PUT", "/Patient?_id=a", female, `If-Match: W/"2"`).status)
	require.Len(t, s.backend.records, 4)
}

func TestAConditionalDeleteDeletesOneOrNothing(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("b", "male")
	s.do("DELETE", "/Patient?_id=a,b", "").refused(t, 412, "conflict")
	for _, want := range []string{`W/"2"`, ""} { // the second time there is nothing
		a := s.do("DELETE", "/Patient?_id=a", "")
		require.Equal(t, []any{204, want}, []any{a.status, a.header.Get("ETag")}, a.body)
	}
	require.Equal(t, 410, s.do("GET", "/Patient/a", "").status)
	require.Equal(t, 200, s.do("GET", "/Patient/b", "").status)
}

func TestIfNoneMatchOfAPutDemandsANewRecord(t *testing.T) {
	s := newScene(t)
	body := `{"resourceType":"Patient","id":"a"}`
	require.Equal(t, 201, s.send("PUT", "/Patient/a", body, "If-None-Match: *").status)
	s.send("PUT", "/Patient/a", body, "If-None-Match: *").refused(t, 412, "conflict")
	require.Equal(t, 204, s.do("DELETE", "/Patient/a", "").status)
	require.Equal(t, 201, s.send("PUT", "/Patient/a", body, "If-None-Match: *").status, "there is none now")
	require.Len(t, s.backend.records["Patient/a"], 3)
}

func TestAConditionThatSelectsNothingOrIsNotUnderstoodIsRefused(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	body := `{"resourceType":"Patient"}`
	for criteria, code := range map[string]string{
		"_format=json":       "invalid",
		"_pretty=true":       "invalid",
		"_id=a&_count=1":     "invalid",
		"_id=a&_sort=_id":    "",
		"_id=a&_total=none":  "invalid",
		"_id=a&nonsense=1":   "not-supported",
		"_id=a&_cursor=1":    "invalid",
		"_summary=count":     "invalid",
		"_id=a&_id:wild=b":   "not-supported",
		"_id=%zz":            "",
		"_lastUpdated=never": "value",
	} {
		for _, a := range []answer{
			s.send("POST", "/Patient", body, "If-None-Exist: "+criteria, "Prefer: handling=lenient"),
			s.send("PUT", "/Patient?"+criteria, body, "Prefer: handling=lenient"),
			s.send("DELETE", "/Patient?"+criteria, "", "Prefer: handling=lenient"),
		} {
			require.Equal(t, 400, a.status, criteria)
			if code != "" {
				require.Equal(t, code, a.resource(t).Get("issue", "code").Text(), criteria)
			}
		}
	}
	s.send("POST", "/Patient", body, "If-None-Exist: ").refused(t, 400, "invalid")
	s.send("POST", "/Patient", body, "If-None-Exist: _id=a", "If-None-Exist: _id=b").refused(t, 400, "invalid")
	require.Empty(t, s.backend.changes[1:])
}
