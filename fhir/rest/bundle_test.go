package rest_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

const bundleStart = `{"resourceType":"Bundle","id":"` + bundleID + `","meta":{"lastUpdated":"`

func TestSearchAnswersWithASearchset(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("b", "female")
	s.send("PUT", "/Observation/a", `{"resourceType":"Observation","id":"a"}`)
	a := s.do("GET", "/Patient?_id=b", "")
	require.Equal(t, 200, a.status)
	require.Equal(t, rest.ContentType, a.header.Get("Content-Type"))
	require.Equal(t, bundleStart+`2026-03-01T09:32:00.250Z"},"type":"searchset","total":1,`+
		`"link":[{"relation":"self","url":"`+base+`/Patient?_id=b"}],`+
		`"entry":[{"fullUrl":"`+base+`/Patient/b","resource":{"resourceType":"Patient","id":"b",`+
		`"meta":{"versionId":"1","lastUpdated":"2026-03-01T09:31:00.250Z"},"gender":"female"},"search":{"mode":"match"}}]}`, a.body)
}

func TestASearchWithoutMatchesHasNoEntry(t *testing.T) {
	a := newScene(t).do("GET", "/Patient", "")
	require.Equal(t, bundleStart+`2026-03-01T09:30:00.250Z"},"type":"searchset","total":0,`+
		`"link":[{"relation":"self","url":"`+base+`/Patient"}]}`, a.body)
}

func TestDeletedResourcesAreNotFound(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.do("DELETE", "/Patient/a", "")
	require.NotContains(t, s.do("GET", "/Patient?_id=a", "").body, "entry")
}

func TestTotalIsLeftOutWhereItIsNotKnownOrNotWanted(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	require.Contains(t, s.do("GET", "/Patient", "").body, `"total":1`)
	require.NotContains(t, s.do("GET", "/Patient?_total=none", "").body, `"total"`)

	server := rest.New(uncounted{s.backend}, rest.Options{BaseURL: base, Types: []string{"Patient"}})
	for _, path := range []string{"/Patient", "/Patient/a/_history"} {
		a := direct(server, "GET", path, nil)
		require.Contains(t, a.body, `"entry"`)
		require.NotContains(t, a.body, `"total"`)
	}
}

func TestACountAloneHasNoEntries(t *testing.T) {
	s := newScene(t)
	for _, id := range []string{"a", "b", "c"} {
		s.patient(id, "male")
	}
	for _, query := range []string{"_count=0", "_summary=count", "_summary=count&_total=none"} {
		a := s.do("GET", "/Patient?"+query, "")
		require.Equal(t, 200, a.status, a.body)
		require.Equal(t, bundleStart+`2026-03-01T09:33:00.250Z"},"type":"searchset","total":3,`+
			`"link":[{"relation":"self","url":"`+base+`/Patient?`+query+`"}]}`, a.body)
	}
	require.Equal(t, 1, s.backend.queries[0].Count, "one record is fetched, not a page of them")
}

func TestASearchByContentReachesTheBackend(t *testing.T) {
	s := newScene(t)
	require.Equal(t, 200, s.do("GET", "/Patient?gender=male", "").status)
	require.NotNil(t, s.backend.queries[0].Where)
	require.Equal(t, base+"/Patient?gender=male", s.do("GET", "/Patient?gender=male", "").links(t)["self"])
}

func TestSearchTakesItsClockAndBaseFromTheHandler(t *testing.T) {
	var asked []search.Node
	for _, now := range []time.Time{start, start.AddDate(1, 0, 0), start} {
		s := newScene(t, func(o *rest.Options) { o.Search = search.Options{} })
		s.now = now
		require.Equal(t, 200, s.do("GET", "/Patient?birthdate=ap1980", "").status)
		require.Equal(t, 200, s.do("GET", "/Observation?patient=Patient/a", "").status)
		require.Equal(t, 200, s.do("GET", "/Observation?patient="+base+"/Patient/a", "").status)
		require.Equal(t, s.backend.queries[1].Where, s.backend.queries[2].Where)
		asked = append(asked, s.backend.queries[0].Where)
	}
	require.NotEqual(t, asked[0], asked[1])
	require.Equal(t, asked[0], asked[2])
}

func TestAParameterThatNobodyWouldLookAtIsRefused(t *testing.T) {
	s := newScene(t, func(o *rest.Options) { o.Search.Own = []string{"_own"} })
	s.do("GET", "/Patient?_own=x", "").refused(t, 400, "not-supported")
}

func TestAVersionOfUnknownMethodAndZoneIsStillWellFormed(t *testing.T) {
	s := newScene(t)
	s.now = start.In(time.FixedZone("", 3600))
	s.backend.add(&rest.Version{Type: "Patient", ID: "a", Body: []byte(`{"resourceType":"Patient","id":"a"}`)})
	require.Contains(t, s.do("GET", "/Patient/a/_history", "").body, `"request":{"method":"PUT","url":"Patient/a"}`)
	a := s.do("GET", "/Patient/a", "")
	require.Equal(t, httpTime, a.header.Get("Last-Modified"))
	require.Contains(t, a.body, stampText)
}

func TestHeadOfABundleWritesNothing(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	h := rest.New(s.backend, rest.Options{BaseURL: base, Types: []string{"Patient"}})
	a := direct(h, "HEAD", "/Patient", nil)
	require.Equal(t, 200, a.status)
	require.Empty(t, a.body)
}

func TestPagesFollowOneAnotherByTheNextLink(t *testing.T) {
	s := newScene(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		s.patient(id, "male")
	}
	for i, v := range []string{"male", "female", "other", "unknown"} {
		s.patient("a", v)
		require.Len(t, s.backend.records["Patient/a"], i+2)
	}
	for path, want := range map[string][]string{
		"/Patient?_count=2":            {"a/5", "b/1", "c/1", "d/1", "e/1"},
		"/Patient/a/_history?_count=2": {"a/5", "a/4", "a/3", "a/2", "a/1"},
		"/Patient/a/_history?_since=2026-03-01T09%3A30%3A01%2B00%3A00": {"a/5", "a/4", "a/3", "a/2"},
	} {
		var got []string
		for pages := 0; path != ""; pages++ {
			require.Less(t, pages, 4)
			a := s.do("GET", path, "")
			require.Equal(t, 200, a.status, a.body)
			entries := 0
			for e := range a.resource(t).Get("entry").Items() {
				entries++
				got = append(got, e.Dig("resource", "id").Text()+"/"+e.Dig("resource", "meta", "versionId").Text())
			}
			links := a.links(t)
			require.Equal(t, base+path, links["self"])
			path = strings.TrimPrefix(links["next"], base)
			if strings.Contains(links["self"], "_count") {
				require.LessOrEqual(t, entries, 2)
			}
		}
		require.Equal(t, want, got)
	}
}

func TestLinksHoldOnlyWhatWasApplied(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("b", "male")
	for _, c := range []struct{ path, self, next string }{
		{"/Patient?_id=a&nonsense=1", "/Patient?_id=a", ""},
		{"/Patient?_count=1&nonsense=1&_format=json", "/Patient?_count=1&_format=json", "/Patient?_count=1&_format=json&_cursor=1"},
		{"/Patient?_cursor=1&_count=1", "/Patient?_count=1&_cursor=1", ""},
		{"/Patient/a/_history?_count=100000", "/Patient/a/_history?_count=500", ""},
		{"/Patient/a/_history?nonsense=1&_pretty=true&_format=json", "/Patient/a/_history?_format=json&_pretty=true", ""},
	} {
		a := s.do("GET", c.path, "", "Prefer: handling=lenient")
		require.Equal(t, 200, a.status, a.body)
		links := a.links(t)
		require.Equal(t, base+c.self, links["self"], c.path)
		next := ""
		if c.next != "" {
			next = base + c.next
		}
		require.Equal(t, next, links["next"], c.path)
	}
}

func TestPreferHandlingDecidesWhetherUnknownParametersAreRefused(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, path := range []string{"/Patient?nonsense=1", "/Patient/a?nonsense=1", "/Patient/a/_history?nonsense=1"} {
		require.Equal(t, 400, s.do("GET", path, "").status, path)
		require.Equal(t, 400, s.do("GET", path, "", "Prefer: handling=strict").status, path)
		require.Equal(t, 200, s.do("GET", path, "", "Prefer: return=minimal, handling=lenient").status, path)
	}
	lenient := newScene(t, func(o *rest.Options) { o.Search.Lenient = true })
	require.Equal(t, 200, lenient.do("GET", "/Patient?nonsense=1", "").status)
	require.Equal(t, 400, lenient.do("GET", "/Patient?nonsense=1", "", "Prefer: handling=strict").status)
	for query, status := range map[string]int{"_summary=false": 200, "_summary=true": 400, "_elements=gender": 400, "_pretty=true": 200} {
		require.Equal(t, status, s.do("GET", "/Patient/a?"+query, "").status, query)
	}
	diagnostics := s.do("GET", "/Patient/a?Smith=1", "").refused(t, 400, "not-supported")
	require.NotContains(t, diagnostics, "Smith")
}

func TestSearchByPostTakesFormAndQueryTogether(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	s.patient("b", "male")
	form := "Content-Type: application/x-www-form-urlencoded"
	a := s.do("POST", "/Patient/_search", "_id=a%2Cb", form)
	require.Equal(t, 200, a.status, a.body)
	require.Contains(t, a.body, `"total":2`)

	a = s.do("POST", "/Patient/_search?_count=1", "_id=a%2Cb", form+"; charset=UTF-8")
	links := a.links(t)
	require.ElementsMatch(t, []string{"_count=1", "_id=a,b"}, strings.Split(strings.TrimPrefix(links["self"], base+"/Patient?"), "&"))
	next, err := url.Parse(links["next"])
	require.NoError(t, err)
	require.Equal(t, "/FHIR/R4/Patient", next.Path, "a form can't be paged, so the next page is a GET")
	require.Equal(t, "1", next.Query().Get("_cursor"))

	require.Equal(t, 200, s.do("POST", "/Patient/_search", "", form).status)
	require.Equal(t, 200, s.do("POST", "/Patient/_search", "_format=json", form, "Accept: text/html").status)
	require.Equal(t, "xml", s.do("POST", "/Patient/_search", "_format=xml", form).format(t))
	s.do("POST", "/Patient/_search", "_format=ttl", form).refused(t, 406, "not-supported")
	s.do("POST", "/Patient/_search", "_id=%zz", form).refused(t, 400, "invalid")
	s.do("POST", "/Patient/_search", `{}`, "Content-Type: application/json").refused(t, 415, "not-supported")
	s.do("POST", "/Patient/_search", "_id=a", "Content-Type: ").refused(t, 415, "not-supported")
	s.do("POST", "/Patient/_search", "_id="+strings.Repeat("a", 32<<10), form).refused(t, 413, "too-long")
}

func TestHistoryTellsWhatMadeEachVersion(t *testing.T) {
	s := newScene(t)
	require.Equal(t, 201, s.send("POST", "/Patient", `{"resourceType":"Patient"}`).status)
	s.tick()
	require.Equal(t, 200, s.send("PUT", "/Patient/new-1", `{"resourceType":"Patient","id":"new-1","active":true}`).status)
	s.tick()
	require.Equal(t, 204, s.do("DELETE", "/Patient/new-1", "").status)
	a := s.do("GET", "/Patient/new-1/_history", "")
	full, at := `{"fullUrl":"`+base+`/Patient/new-1",`, "Patient/new-1"
	require.Equal(t, bundleStart+`2026-03-01T09:32:00.250Z"},"type":"history","total":3,`+
		`"link":[{"relation":"self","url":"`+base+`/Patient/new-1/_history"}],"entry":[`+
		full+`"request":{"method":"DELETE","url":"`+at+`"},`+
		`"response":{"status":"204 No Content","location":"`+at+`/_history/3","etag":"W/\"3\"","lastModified":"2026-03-01T09:32:00.250Z"}},`+
		full+`"resource":{"resourceType":"Patient","id":"new-1","meta":{"versionId":"2","lastUpdated":"2026-03-01T09:31:00.250Z"},"active":true},`+
		`"request":{"method":"PUT","url":"`+at+`"},`+
		`"response":{"status":"200 OK","location":"`+at+`/_history/2","etag":"W/\"2\"","lastModified":"2026-03-01T09:31:00.250Z"}},`+
		full+`"resource":{"resourceType":"Patient","id":"new-1","meta":{"versionId":"1","lastUpdated":"2026-03-01T09:30:00.250Z"}},`+
		`"request":{"method":"POST","url":"Patient"},`+
		`"response":{"status":"201 Created","location":"`+at+`/_history/1","etag":"W/\"1\"","lastModified":"2026-03-01T09:30:00.250Z"}}]}`, a.body)

	s.patient("q", "male")
	require.Contains(t, s.do("GET", "/Patient/q/_history", "").body, `"request":{"method":"PUT","url":"Patient/q"},"response":{"status":"201 Created"`)
}

func TestHistoryChecksItsParameters(t *testing.T) {
	s := newScene(t)
	s.patient("a", "male")
	for _, query := range []string{
		"_count=-1", "_count=x", "_count=+5", "_count=1.0", "_count=99999999999999999999",
		"_since=2026", "_since=2026-03-01", "_since=2026-03-01T09:30Z", "_since=yesterday", "_cursor=nonsense",
		"_cursor=" + strings.Repeat("0", 5000),
	} {
		s.do("GET", "/Patient/a/_history?"+query, "").refused(t, 400, "value")
	}
	s.do("GET", "/Patient/a/_history?_count=1&_count=2", "").refused(t, 400, "invalid")
	alone := s.do("GET", "/Patient/a/_history?_count=0", "")
	require.Equal(t, 200, alone.status)
	require.Contains(t, alone.body, `"total":1,"link":[{"relation":"self","url":"`+base+`/Patient/a/_history?_count=0"}]}`)
	s.do("GET", "/Patient/a/_history?_at=2026-03-01T09:30", "").refused(t, 400, "value")
	s.do("GET", "/Patient/unknown/_history", "").refused(t, 404, "not-found")

	require.Equal(t, 200, s.do("GET", "/Patient/a/_history?_since=2026-03-01T10:30:00.1234567%2B01:00", "").status)
	require.True(t, s.backend.since.Equal(time.Date(2026, 3, 1, 9, 30, 0, 123456700, time.UTC)))
}

func TestSearchReachesTheBackendCompiled(t *testing.T) {
	s := newScene(t)
	require.Equal(t, 200, s.do("GET", "/Patient?_count=7", "").status)
	require.Equal(t, "Patient", s.backend.queries[0].Type)
	require.Equal(t, 7, s.backend.queries[0].Count)
	require.Equal(t, 400, s.do("GET", "/Patient?_count=x", "").status)
	require.Len(t, s.backend.queries, 1)
	require.LessOrEqual(t, s.backend.queries[0].Count, search.MaxCount)
}

func TestIncludesAndSubsetsShapeAPage(t *testing.T) {
	s := newScene(t)
	s.backend.add(&rest.Version{Type: "Patient", ID: "a", Version: 1, Body: []byte(`{"resourceType":"Patient","id":"a","gender":"female","birthDate":"1980-02-29"}`)})
	s.backend.add(&rest.Version{Type: "Organization", ID: "o", Version: 1, Body: []byte(`{"resourceType":"Organization","id":"o"}`)})
	page := s.do("GET", "/Patient?_include=Patient:organization", "").body
	require.Contains(t, page, `"search":{"mode":"match"}`)
	require.Contains(t, page, `"search":{"mode":"include"}`)
	require.Contains(t, page, `"total":1`, "an included record is no match")
	require.Contains(t, page, "_include=Patient:organization", "the self link says so")

	part := s.do("GET", "/Patient?_elements=gender", "").body
	require.Contains(t, part, `"gender":"female"`)
	require.NotContains(t, part, "birthDate")
	require.Contains(t, part, "SUBSETTED")
	s.do("GET", "/Patient?_include=Patient:nonsense", "").refused(t, 400, "not-supported")
}
