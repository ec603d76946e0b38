package bars_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
)

// shelves fills a library with records of several types, some of which changed
// in the same millisecond.
func shelves(t *testing.T) *library {
	l := newLibrary(t)
	l.put(`Patient/p1 "identifier":[{"system":"urn:s","value":"1"}]`, `Patient/p2 "meta":{"tag":[{"code":"x"}]}`,
		`Observation/o1 "subject":{"reference":"Patient/p1"},"identifier":[{"system":"urn:s","value":"1"}]`)
	l.tick()
	l.put(`Observation/o2 "subject":{"reference":"Patient/p2"},"meta":{"tag":[{"code":"x"}]}`, `Flag/f1 "subject":{"reference":"Patient/p1"}`,
		`Patient/p3`, `Binary/b1 "contentType":"text/plain"`)
	l.tick()
	l.put(`Task/t1 "for":{"reference":"Patient/p1"}`, `Encounter/e1 "subject":{"reference":"Patient/p1"},"status":"planned"`)
	return l
}

func TestASearchWithoutATypeIsInOrderOfTypeAndID(t *testing.T) {
	l := shelves(t)
	want := "Binary/b1 Encounter/e1 Flag/f1 Observation/o1 Observation/o2 Patient/p1 Patient/p2 Patient/p3 Task/t1"
	require.Equal(t, want, l.found("/"))
	for _, size := range []int{1, 2, 4, 8, 9, 10} {
		require.Equal(t, want, l.all(fmt.Sprintf("/?_count=%d", size)), "pages of %d", size)
	}
	for query, want := range map[string]string{
		"_type=Patient,Observation": "Observation/o1 Observation/o2 Patient/p1 Patient/p2 Patient/p3",
		"_type=Patient":             "Patient/p1 Patient/p2 Patient/p3",
		"_tag=x":                    "Observation/o2 Patient/p2",
		"_tag=x&_type=Patient":      "Patient/p2",
		"_id=p1,o1,none":            "Observation/o1 Patient/p1",
		"_lastUpdated=ge" + l.at(2): "Encounter/e1 Task/t1",
		"identifier=urn:s|1&_type=Patient,Observation":    "Observation/o1 Patient/p1",
		"patient=p1&_type=Observation,Flag,Encounter":     "Encounter/e1 Flag/f1 Observation/o1",
		"patient.identifier=urn:s|1&_type=Flag,Encounter": "Encounter/e1 Flag/f1",
		"_type=Slot": "",
	} {
		require.Equal(t, want, l.found("/?"+query), query)
		status, r := l.send("POST", "/_search", query, "Content-Type: application/x-www-form-urlencoded")
		require.Equal(t, 200, status)
		require.Equal(t, want, entries(r, "match"), "POST _search: "+query)
	}
	require.Equal(t, base+"?_tag=x&_type=Patient", linkOf(l.get("/?_tag=x&_type=Patient"), "self"))
	require.Equal(t, "9", string(l.get("/?_total=accurate&_count=2").Get("total").Raw()))
	require.Equal(t, "2", string(l.get("/?_tag=x&_summary=count").Get("total").Raw()))
	require.False(t, l.get("/?_count=2").Get("total").Exists())
	require.Equal(t, "Patient/p1 Patient/p2", entries(l.get("/?_type=Observation,Flag&_include=*"), "include"))
}

func TestASearchWithoutATypeSortedByTimeOfChange(t *testing.T) {
	l := shelves(t)
	want := "Observation/o1 Patient/p1 Patient/p2 Binary/b1 Flag/f1 Observation/o2 Patient/p3 Encounter/e1 Task/t1"
	back := "Encounter/e1 Task/t1 Binary/b1 Flag/f1 Observation/o2 Patient/p3 Observation/o1 Patient/p1 Patient/p2"
	require.Equal(t, want, l.found("/?_sort=_lastUpdated"))
	// Fewer types make fewer searches of a page.
	const types = "_type=Binary,Encounter,Flag,Observation,Patient,Task"
	for _, size := range []int{1, 2, 3, 5, 9, 10} {
		require.Equal(t, want, l.all(fmt.Sprintf("/?%s&_sort=_lastUpdated&_count=%d", types, size)), "pages of %d", size)
		require.Equal(t, back, l.all(fmt.Sprintf("/?%s&_sort=-_lastUpdated&_count=%d", types, size)), "pages of %d, newest first", size)
	}
	l.put("Patient/p9", "Patient/p8")
	for i := range 30 { // more than are read at once
		l.put(fmt.Sprintf("Device/d%02d", i))
	}
	for _, sort := range []string{"_lastUpdated", "-_lastUpdated"} {
		whole := strings.Fields(l.found("/?_count=100&_type=Device,Patient&_sort=" + sort))
		require.Len(t, whole, 35)
		for _, size := range []int{1, 3, 7, 20, 34} {
			require.Equal(t, whole, strings.Fields(l.all(fmt.Sprintf("/?_type=Device,Patient&_count=%d&_sort=%s", size, sort))), "%s, pages of %d", sort, size)
		}
	}
}

func TestPagesAcrossTypesStayStableWhileOthersWrite(t *testing.T) {
	for _, sort := range []string{"", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"} {
		l := newLibrary(t)
		for i := range 12 {
			l.put(fmt.Sprintf("Patient/m%02d", i), fmt.Sprintf("Device/m%02d", i), fmt.Sprintf("Flag/m%02d", i))
			if i%3 == 0 {
				l.tick()
			}
		}
		const path = "/?_type=Binary,Device,Flag,Patient"
		before := strings.Fields(l.found(path + "&_count=100" + sort))
		require.Len(t, before, 36)
		n := 0
		got := strings.Fields(l.all(path+"&_count=5"+sort, func() {
			n++
			l.tick()
			// New records in front of and behind every place, and one that goes.
			l.put(fmt.Sprintf("Patient/a%02d", n), fmt.Sprintf("Device/z%02d", n), fmt.Sprintf("Binary/n%02d", n))
			status, _ := l.send("DELETE", fmt.Sprintf("/Binary/n%02d", n), "")
			require.Equal(t, 204, status)
		}))
		for _, id := range before {
			require.Contains(t, got, id, sort)
		}
		slices.Sort(got)
		require.Equal(t, len(got), len(slices.Compact(got)), "each once only%s", sort)
	}
}

func TestASearchWithoutATypeRefusesWhatItCantApply(t *testing.T) {
	l := shelves(t)
	l.refused("/?status=free", 400, "not-supported", "status")
	l.refused("/?_type=Patient,Slot&birthdate=2000", 400, "not-supported", "birthdate: Slot hasn't got it")
	l.refused("/?_type=Basic", 400, "value", "_type")
	l.refused("/?_type=Patient&_type=Slot", 400, "value", "_type")
	l.refused("/?_sort=_id", 400, "not-supported", "_sort")
	l.refused("/?_sort=birthdate&_type=Patient", 400, "not-supported", "_sort")
	l.refused("/?_cursor=x", 400, "value", "_cursor")
	l.refused("/?_cursor=eyJ0IjoiU2xvdCJ9&_sort=_lastUpdated", 400, "value", "_cursor")
	l.refused("/?_cursor=eyJ0IjoiU2xvdCJ9&_type=Patient", 400, "value", "_cursor")
	require.Equal(t, "Patient/p2", l.found("/?_type=Patient&birthday=2000&_tag=x", "Prefer: handling=lenient"))
	require.Equal(t, base+"?_type=Patient&_tag=x", linkOf(l.get("/?_type=Patient&birthday=2000&_tag=x", "Prefer: handling=lenient"), "self"))
}

func TestCompartmentsAreSearched(t *testing.T) {
	l := shelves(t)
	l.put(`Practitioner/d1`, `Observation/o3 "subject":{"reference":"Patient/p2"},"performer":[{"reference":"Practitioner/d1"}],"encounter":{"reference":"Encounter/e1"}`,
		`RelatedPerson/r1 "patient":{"reference":"Patient/p2"}`, `Device/v1 "patient":{"reference":"Patient/p1"}`, `Observation/o4 "device":{"reference":"Device/v1"}`)
	for path, want := range map[string]string{
		"/Patient/p1/Observation":                    "Observation/o1",
		"/Patient/p2/Observation":                    "Observation/o2 Observation/o3",
		"/Patient/p2/Observation?_tag=x":             "Observation/o2",
		"/Patient/p2/Observation?_tag:not=x":         "Observation/o3",
		"/Patient/p2/Observation?_sort=-_id":         "Observation/o3 Observation/o2",
		"/Patient/none/Observation":                  "",
		"/Patient/p1/Patient":                        "Patient/p1",
		"/Patient/p1/*":                              "Encounter/e1 Flag/f1 Observation/o1 Patient/p1",
		"/Patient/p1/*?_type=Flag,Observation":       "Flag/f1 Observation/o1",
		"/Patient/p1/*?_sort=-_lastUpdated&_count=9": "Encounter/e1 Flag/f1 Observation/o1 Patient/p1",
		"/Encounter/e1/*":                            "Encounter/e1 Observation/o3",
		"/Practitioner/d1/Observation":               "Observation/o3",
		"/RelatedPerson/r1/*":                        "RelatedPerson/r1",
		"/Device/v1/*":                               "Device/v1 Observation/o4",
	} {
		require.Equal(t, want, l.found(path), path)
		place, query, _ := strings.Cut(path, "?")
		status, r := l.send("POST", place+"/_search", query, "Content-Type: application/x-www-form-urlencoded")
		require.Equal(t, 200, status, path)
		require.Equal(t, want, entries(r, "match"), "POST _search: "+path)
	}
	require.Equal(t, "Encounter/e1 Flag/f1 Observation/o1 Patient/p1", l.all("/Patient/p1/*?_count=1"))
	require.Equal(t, "Observation/o2 Observation/o3", l.all("/Patient/p2/Observation?_count=1"))
	require.Equal(t, base+"/Patient/p2/Observation?_tag=x", linkOf(l.get("/Patient/p2/Observation?_tag=x"), "self"))
	require.Equal(t, base+"/Patient/p1/*?_type=Flag", linkOf(l.get("/Patient/p1/*?_type=Flag"), "self"))
	require.Equal(t, "Practitioner/d1", entries(l.get("/Patient/p2/Observation?_include=Observation:performer"), "include"))

	l.refused("/Patient/p1/Task", 404, "not-found", "never in a compartment")
	l.refused("/Patient/p1/Slot", 404, "not-found", "never in a compartment")
	l.refused("/Slot/s/Patient", 404, "not-found", "no compartment")
	l.refused("/Patient/p1/*?_type=Task", 400, "value", "_type")
	l.refused("/Patient/p1/Observation?_type=Observation", 400, "not-supported", "_type")
	l.refused("/Patient/p1/Observation?colour=red", 400, "not-supported", "colour")
	l.refused("/Patient/a_b/Observation", 400, "value", "id")
}

func TestASearchExplainsItselfToAnOperatorOnly(t *testing.T) {
	newLibrary(t).refused("/Patient?_explain=true", 400, "not-supported", "_explain")

	l := newLibrary(t, func(o *rest.Options) { o.Explain = true })
	l.put(`Patient/p1 "name":[{"family":"Quince"}]`, `Encounter/e1 "subject":{"reference":"Patient/p1"}`)
	plan := l.get("/Encounter?patient.family=Quince&_lastUpdated=gt2001-02-03&_sort=-date&_explain=true")
	require.Equal(t, "Parameters", plan.Type())
	parts := map[string]string{}
	for p := range plan.Get("parameter").At(0).Get("part").Items() {
		parts[p.Get("name").Text()] += p.Get("valueString").Text() + p.Get("valueCode").Text() + string(p.Get("valueInteger").Raw()) + ";"
	}
	require.Equal(t, "Encounter;", parts["type"])
	require.Contains(t, parts["condition"], "patient:")
	require.Contains(t, parts["condition"], "_lastUpdated gt")
	require.Equal(t, "date descending;", parts["sort"])
	require.Equal(t, "sqlite;", parts["engine"])
	require.NotEmpty(t, parts["step"])
	require.NotEmpty(t, parts["rows"])
	for _, value := range []string{"quince", "p1", "2001"} {
		require.NotContains(t, strings.ToLower(text(plan)), value, "values are masked")
	}
	require.Len(t, slices.Collect(l.get("/?_type=Patient,Slot&_explain=true").Get("parameter").Items()), 2)
	require.Equal(t, "Patient/p1", l.found("/Patient?_explain=false"))
	l.refused("/Patient?_explain=yes", 400, "value", "_explain")
}
