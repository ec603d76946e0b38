package bars_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clinicShelf is a library for the modifiers and result parameters.
func clinicShelf(t *testing.T) *library {
	l := newLibrary(t)
	l.put(`Organization/o1 "name":"North Clinic"`, `Organization/o2 "name":"South Clinic","partOf":{"reference":"Organization/o1"}`, `Organization/o3 "name":"Annexe","partOf":{"reference":"Organization/o2"}`,
		`Patient/p1 "identifier":[{"system":"urn:n","value":"9","type":{"text":"National number"}}],"name":[{"family":"Smith","given":["Zoë"]}],"gender":"female","birthDate":"1980-02-03","managingOrganization":{"reference":"Organization/o3"}`,
		`Patient/p2 "identifier":[{"system":"urn:m","value":"9"}],"name":[{"family":"Smithers"}],"gender":"male","birthDate":"1975"`)
	l.tick()
	l.put(`Patient/p3 "name":[{"family":"O'Hara, the elder"}]`,
		`Observation/b1 "code":{"coding":[{"system":"urn:c","code":"1","display":"Wrist injury"}]},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":5,"unit":"mg","system":"urn:u","code":"mg"},"status":"final","effectiveDateTime":"2026-01-01"`,
		`Observation/b2 "code":{"text":"Sore throat"},"subject":{"identifier":{"system":"urn:n","value":"9"}},"status":"final","effectiveDateTime":"2026-02-01","valueQuantity":{"value":10}`,
		`Observation/b3 "code":{"coding":[{"system":"urn:d","code":"1"}]},"subject":{"reference":"Patient/p2"},"status":"amended","performer":[{"reference":"Organization/o1"}]`,
		`Questionnaire/q1 "url":"https://q.example/a/b","status":"active"`)
	return l
}

func TestEveryModifierFilters(t *testing.T) {
	l := clinicShelf(t)
	for query, want := range map[string]string{
		"Patient?family=smith":                                              "p1 p2",
		"Patient?family:exact=Smith":                                        "p1",
		"Patient?family:exact=smith":                                        "",
		"Patient?family:contains=ITHER":                                     "p2",
		"Patient?given=zoe":                                                 "p1",
		`Patient?family=O'Hara\,%20the`:                                     "p3",
		"Patient?family=smithers,o'hara":                                    "p2 p3",
		"Patient?family=smith&gender=male":                                  "p2",
		"Patient?gender:missing=true":                                       "p3",
		"Patient?gender:missing=false":                                      "p1 p2",
		"Patient?gender:not=male":                                           "p1 p3",
		"Patient?gender:not=male,female":                                    "p3",
		"Patient?identifier=9":                                              "p1 p2",
		"Patient?identifier=urn:n|9":                                        "p1",
		"Patient?identifier=urn:m|":                                         "p2",
		"Patient?identifier=|9":                                             "",
		"Patient?identifier:text=national":                                  "p1",
		"Observation?code:text=injury":                                      "b1",
		"Observation?code:text=WRIST%20inj":                                 "b1",
		"Observation?code:text=sore,wrist":                                  "b1 b2",
		"Observation?code:text=jury":                                        "",
		"Observation?code=1":                                                "b1 b3",
		"Observation?code:not=urn:c|1":                                      "b2 b3",
		"Observation?subject=p1":                                            "b1",
		"Observation?subject=Patient/p1":                                    "b1",
		"Observation?subject=" + base + "/Patient/p1":                       "b1",
		"Observation?subject:Patient=p1":                                    "b1",
		"Observation?subject:Device=p1":                                     "",
		"Observation?subject:identifier=urn:n|9":                            "b2",
		"Observation?subject:missing=true":                                  "",
		"Observation?performer:Organization=o1":                             "b3",
		"Observation?value-quantity=5||mg":                                  "b1",
		"Observation?value-quantity=gt5":                                    "b2",
		"Observation?code-value-quantity=urn:c|1$5":                         "b1",
		"Questionnaire?url=https://q.example/a/b":                           "q1",
		"Questionnaire?url:below=https://q.example":                         "q1",
		"Questionnaire?url=https://q.example":                               "",
		"Patient?birthdate=1980-02":                                         "p1",
		"Patient?birthdate=lt1976":                                          "p2",
		"Patient?birthdate=ap1980":                                          "p1 p2",
		"Patient?birthdate=sa1975&birthdate=le1980-02-03":                   "p1",
		"Patient?_lastUpdated=lt" + l.at(1):                                 "p1 p2",
		"Patient?_lastUpdated=ge" + l.at(1):                                 "p3",
		"Patient?_lastUpdated=" + l.at(0):                                   "p1 p2",
		"Patient?_lastUpdated=eb" + l.at(0):                                 "",
		"Patient?_id=p3,p1":                                                 "p1 p3",
		"Patient?_id:not=p3":                                                "p1 p2",
		"Observation?subject.family=smithers":                               "b3",
		"Observation?subject:Patient.organization.partof.partof.name=north": "b1",
		"Organization?_has:Patient:organization:_has:Observation:subject:code=urn:c|1": "o3",
		"Patient?_has:Observation:subject:status=final":                                "p1",
	} {
		typ, _, _ := strings.Cut(query, "?")
		require.Equal(t, want, strings.ReplaceAll(l.found("/"+query), typ+"/", ""), query)
	}
}

func TestWhatSearchDoesNotOfferIsRefusedByName(t *testing.T) {
	l := clinicShelf(t)
	for query, code := range map[string]string{
		"Observation?code:in=urn:v": "not-supported", "Observation?code:not-in=urn:v": "not-supported", "Observation?code:above=1": "not-supported",
		"Observation?code:below=1": "not-supported", "Questionnaire?url:above=x": "not-supported", "Observation?subject:below=x": "not-supported",
		"Patient?identifier:of-type=a|b|c": "not-supported", "Patient?gender:text=x": "not-supported", "Patient?gender:contains=x": "not-supported",
		"Patient?birthdate:exact=1980": "not-supported", "Observation?subject:Slot=x": "not-supported", "Patient?family:=x": "not-supported",
		"Patient?_list=x": "not-supported", "Patient?_query=x": "not-supported", "Patient?_content=x": "not-supported", "Patient?_text=x": "not-supported",
		"Patient?_filter=x": "not-supported", "Location?near=1|2|3|km": "not-supported", "Patient?_contained=true": "not-supported", "Patient?_type=Patient": "not-supported",
		"Patient?colour=red": "not-supported", "Patient?family.name=x": "not-supported", "Patient?organization.colour=x": "not-supported",
		"Patient?_has:Slot:schedule:status=free": "not-supported", "Observation?_sort=code-value-quantity": "not-supported", "Patient?_sort=colour": "not-supported",
		"Patient?_summary=some": "value", "Patient?_total=some": "value", "Patient?_count=many": "value", "Patient?_count=-1": "value", "Patient?birthdate=yesterday": "value",
		"Patient?_elements=colour": "value", "Patient?_id=a_b": "value", "Patient?gender:missing=perhaps": "value", "Patient?family=": "value", "Patient?_cursor=x": "value",
	} {
		place, param, _ := strings.Cut(query, "?")
		name, _, _ := strings.Cut(param, "=")
		status := 400
		l.refused("/"+query, status, code, strings.TrimSuffix(strings.SplitN(name, ".", 2)[0], ":"))
		if code != "not-supported" {
			continue
		}
		lenient := l.get("/"+query, "Prefer: handling=lenient")
		require.Equal(t, base+"/"+place, linkOf(lenient, "self"), "%s: what was dropped isn't in the self link", query)
		l.refused("/"+query, status, code, "", "Prefer: handling=strict")
	}
	deep := strings.Repeat("partof.", 9) + "name=x"
	l.refused("/Organization?"+deep, 422, "too-costly", "partof")
	l.refused("/Organization?"+strings.Repeat("_has:Organization:partof:", 9)+"name=x", 422, "too-costly", "_has")
	require.Equal(t, "Organization/o3", l.found("/Organization?"+strings.Repeat("partof.", 2)+"name=north"))
}

func TestSortByAnyIndexedParameterPutsMissingValuesLast(t *testing.T) {
	l := clinicShelf(t)
	for query, want := range map[string]string{
		"Patient?_sort=family":                      "p3 p1 p2",
		"Patient?_sort=-family":                     "p2 p1 p3",
		"Patient?_sort=birthdate":                   "p2 p1 p3",
		"Patient?_sort=-birthdate":                  "p1 p2 p3",
		"Patient?_sort=-_lastUpdated,-_id":          "p3 p2 p1",
		"Patient?_sort=identifier,-birthdate":       "p1 p2 p3",
		"Observation?_sort=-date":                   "b2 b1 b3",
		"Observation?_sort=value-quantity":          "b1 b2 b3",
		"Observation?_sort=-value-quantity":         "b2 b1 b3",
		"Observation?_sort=-status,-value-quantity": "b2 b1 b3",
		"Observation?_sort=subject,-_id":            "b1 b3 b2",
		"Observation?_sort=-subject":                "b3 b1 b2",
		"Patient?_sort=_id":                         "p1 p2 p3",
	} {
		typ, _, _ := strings.Cut(query, "?")
		require.Equal(t, want, strings.ReplaceAll(l.found("/"+query), typ+"/", ""), query)
		require.Equal(t, want, strings.ReplaceAll(l.all("/"+query+"&_count=1"), typ+"/", ""), "one by one: "+query)
	}
	require.Equal(t, "Patient/p1 Patient/p2", l.all("/Patient?birthdate=ap1978&_count=1", func() { l.moved.Add(100) }), "ap asks the same for each page")
}

func TestTheResultParametersShapeTheAnswer(t *testing.T) {
	l := clinicShelf(t)
	total := func(query string) string { return string(l.get("/Patient?" + query).Get("total").Raw()) }
	require.Equal(t, "3", total("_total=accurate&_count=1"))
	require.Equal(t, "3", total("_total=estimate&_count=1"))
	require.Equal(t, "", total("_total=none"))
	require.Equal(t, "3", total("_count=0"))
	require.Equal(t, "2", total("_summary=count&family=smith"))
	require.Equal(t, "", total("_count=1"))
	for _, query := range []string{"_count=0", "_summary=count", "_count=0&_total=accurate"} {
		page := l.get("/Patient?" + query)
		require.False(t, page.Get("entry").Exists(), query)
		require.Empty(t, linkOf(page, "next"), query)
	}
	first := func(query string) string {
		return string(l.get("/Patient?_id=p1&" + query).Get("entry").At(0).Get("resource").Raw())
	}
	for query, has := range map[string]string{"_summary=true": "birthDate", "_summary=data": "managingOrganization", "_summary=false": "managingOrganization", "_elements=gender": "gender"} {
		require.Contains(t, first(query), has, query)
	}
	require.NotContains(t, first("_summary=text"), "gender")
	require.NotContains(t, first("_elements=gender"), "birthDate")
	require.Contains(t, first("_elements=gender"), "SUBSETTED")

	for query, want := range map[string]string{
		"/Patient?_id=p1&_include=Patient:organization":                                                 "Organization/o3",
		"/Patient?_id=p1&_include=*":                                                                    "Organization/o3",
		"/Patient?_id=p1&_include=Patient:organization&_include:iterate=Organization:partof":            "Organization/o1 Organization/o2 Organization/o3",
		"/Patient?_id=p1&_revinclude=Observation:subject":                                               "Observation/b1",
		"/Patient?_id=p1&_revinclude=*":                                                                 "Observation/b1",
		"/Organization?_id=o3&_revinclude=Patient:organization&_revinclude:iterate=Observation:subject": "Observation/b1 Patient/p1",
	} {
		got := strings.Fields(entries(l.get(query), "include"))
		require.ElementsMatch(t, strings.Fields(want), got, query)
	}

	status, r := l.send("POST", "/Patient/_search?gender=female", "family=smith&colour=red", "Content-Type: application/x-www-form-urlencoded", "Prefer: handling=lenient")
	require.Equal(t, 200, status)
	require.Equal(t, "Patient/p1", entries(r, "match"))
	require.Equal(t, base+"/Patient?gender=female&family=smith", linkOf(r, "self"), "both parts, and only what was applied")
}
