package bars_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// chart is a library with one patient's records, another's, and what they refer
// to. Minute 0: the others; minute 1: the patient's.
func chart(t *testing.T) *library {
	l := newLibrary(t)
	l.put(`Patient/p2`, `Organization/o1`, `Organization/o2`, `Practitioner/d1`, `Practitioner/d2`,
		`Encounter/e9 "subject":{"reference":"Patient/p2"},"status":"finished","serviceProvider":{"reference":"Organization/o2"}`)
	l.tick()
	l.put(`Patient/p1 "managingOrganization":{"reference":"Organization/o1"}`,
		`Encounter/e1 "subject":{"reference":"Patient/p1"},"status":"finished","period":{"start":"2025-03-01T09:00:00Z","end":"2025-03-02T09:00:00Z"}`,
		`Encounter/e2 "subject":{"reference":"Patient/p1"},"status":"finished","period":{"start":"2026-01-05T09:00:00Z","end":"2026-01-05T10:00:00Z"}`,
		`Encounter/e3 "subject":{"reference":"Patient/p1"},"status":"planned"`,
		`Observation/v1 "subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-01-05T09:30:00Z","encounter":{"reference":"Encounter/e1"},"performer":[{"reference":"Practitioner/d1"},{"reference":"Practitioner/gone"}]`,
		`Condition/c1 "subject":{"reference":"Patient/p1"},"onsetDateTime":"2001","asserter":{"reference":"Practitioner/d1"}`)
	return l
}

func TestEverythingOfAPatient(t *testing.T) {
	l := chart(t)
	const path = "/Patient/p1/$everything"
	all := l.get(path)
	require.Equal(t, "searchset", all.Get("type").Text())
	require.Equal(t, "Patient/p1 Condition/c1 Encounter/e1 Encounter/e2 Encounter/e3 Observation/v1", entries(all, "match"))
	require.ElementsMatch(t, []string{"Organization/o1", "Practitioner/d1"}, strings.Fields(entries(all, "include")))
	require.Equal(t, "6", string(all.Get("total").Raw()))
	require.Equal(t, base+path, linkOf(all, "self"))

	for query, want := range map[string]string{
		"_type=Encounter":                          "Encounter/e1 Encounter/e2 Encounter/e3",
		"_type=Encounter,Condition":                "Condition/c1 Encounter/e1 Encounter/e2 Encounter/e3",
		"_type=Encounter&_type=Patient":            "Patient/p1 Encounter/e1 Encounter/e2 Encounter/e3",
		"_type=Practitioner":                       "",
		"start=2026-01-01":                         "Patient/p1 Condition/c1 Encounter/e2 Encounter/e3 Observation/v1",
		"end=2025-03-01":                           "Patient/p1 Condition/c1 Encounter/e1 Encounter/e3",
		"start=2025-03-02&end=2025-12":             "Patient/p1 Condition/c1 Encounter/e1 Encounter/e3",
		"_since=" + l.at(1):                        "Patient/p1 Condition/c1 Encounter/e1 Encounter/e2 Encounter/e3 Observation/v1",
		"_since=" + l.at(2):                        "",
		"_since=" + l.at(1) + "&_type=Condition":   "Condition/c1",
		"_since=" + l.at(1) + "&_type=Observation": "Observation/v1",
	} {
		require.Equal(t, want, l.found(path+"?"+query), query)
		require.Equal(t, want, l.all(path+"?_count=1&"+query), "one by one: "+query)
	}
	require.Equal(t, "Practitioner/d1", entries(l.get(path+"?_type=Practitioner"), "include"), "a type that is only referred to")
	require.Equal(t, "Organization/o1", entries(l.get(path+"?_type=Patient,Organization"), "include"))
	require.Empty(t, entries(l.get(path+"?_since="+l.at(1)), "include"), "what is referred to changed before")
	require.Equal(t, "Encounter/e1", entries(l.get(path+"?start=2026-01-01&_type=Observation,Encounter"), "include"),
		"outside the period, but an Observation in it refers to it")

	page := l.get(path + "?_count=2&_type=Encounter&start=2020")
	require.Equal(t, base+path+"?_count=2&_type=Encounter&start=2020", linkOf(page, "self"))
	require.True(t, strings.HasPrefix(linkOf(page, "next"), base+path+"?_count=2&_type=Encounter&start=2020&_cursor="))
	require.False(t, page.Get("total").Exists())
}

func TestEverythingTakesItsParametersInABody(t *testing.T) {
	l := chart(t)
	const path = "/Patient/p1/$everything"
	body := func(params ...string) string {
		return `{"resourceType":"Parameters","parameter":[` + strings.Join(params, ",") + `]}`
	}
	status, r := l.send("POST", path, body(`{"name":"start","valueDate":"2026-01-01"}`, `{"name":"_type","valueCode":"Encounter"}`,
		`{"name":"_type","valueCode":"Patient"}`, `{"name":"_count","valueInteger":2}`))
	require.Equal(t, 200, status, text(r))
	require.Equal(t, "Patient/p1 Encounter/e2", entries(r, "match"))
	require.Equal(t, "Encounter/e3", l.all(linkOf(r, "next")))
	status, r = l.send("POST", path, "")
	require.Equal(t, 200, status)
	require.Len(t, strings.Fields(entries(r, "match")), 6)
	for _, params := range []string{`{"name":"colour","valueString":"red"}`, `{"name":"_count"}`, `{"name":"start","valueDate":"2026","valueString":"x"}`,
		`{"name":"_type","resource":{"resourceType":"Patient"}}`, `{"valueString":"x"}`, `{"name":"start","valueDate":"yesterday"}`, `{"name":"_count","valueInteger":0}`} {
		status, r = l.send("POST", path, body(params))
		require.Equal(t, 400, status, "%s: %s", params, text(r))
	}
	status, _ = l.send("POST", path, `{"resourceType":"Patient"}`)
	require.Equal(t, 400, status)
}

func TestEverythingRefusesWhatItIsNotOfferedFor(t *testing.T) {
	l := chart(t)
	l.refused("/Patient/$everything", 501, "not-supported", "one Patient")
	l.refused("/Encounter/e1/$everything", 501, "not-supported", "one Patient")
	l.refused("/Patient/none/$everything", 404, "not-found", "")
	l.put("Patient/p9")
	status, _ := l.send("DELETE", "/Patient/p9", "")
	require.Equal(t, 204, status)
	l.refused("/Patient/p9/$everything", 410, "deleted", "")
	for query, code := range map[string]string{
		"_type=Basic": "value", "_type=": "value", "start=2026-01-01T10:00:00Z": "value", "end=x": "value", "_since=2026": "value", "_count=0": "value",
		"_cursor=x": "value", "colour=red": "not-supported", "_elements=id": "not-supported", "start=2026&start=2025": "invalid",
	} {
		l.refused("/Patient/p1/$everything?"+query, 400, code, "")
	}
	require.Equal(t, base+"/Patient/p1/$everything", linkOf(l.get("/Patient/p1/$everything?colour=red", "Prefer: handling=lenient"), "self"))
}

func TestEverythingPagesStayStableWhileOthersWrite(t *testing.T) {
	l := chart(t)
	n := 0
	got := l.all("/Patient/p1/$everything?_count=2", func() {
		n++
		l.put(fmt.Sprintf(`Condition/a%d "subject":{"reference":"Patient/p1"}`, n), fmt.Sprintf(`Flag/b%d "subject":{"reference":"Patient/p2"}`, n))
	})
	require.Equal(t, "Patient/p1 Condition/c1 Encounter/e1 Encounter/e2 Encounter/e3 Observation/v1", got)
}
