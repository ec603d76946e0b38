package search

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestParseCompilesEachForm(t *testing.T) {
	for _, c := range []struct {
		typ, query string
		want       Node
	}{
		{"Slot", "", nil},
		{"Slot", "status=free", Has("status:free")},
		{"Slot", "status=free,busy", HasAny{"status:busy", "status:free"}},
		{"Slot", "status=free&status=busy", And{Has("status:free"), Has("status:busy")}},
		{"Slot", "status=free&status=free", Has("status:free")},
		{"Slot", "status:not=free", Not{Has("status:free")}},
		{"Slot", "status:not=free,busy", Not{HasAny{"status:busy", "status:free"}}},
		{"Slot", "status=http://hl7.org/fhir/slotstatus|free", Has("status:free")},
		{"Slot", "status=http://hl7.org/fhir/slotstatus|", Has("!status")},
		{"Slot", "status=urn:other|free", HasAny(nil)},
		{"Slot", "status=|free", Has("status:free")},
		{"Slot", "status:missing=true", Not{Has("!status")}},
		{"Slot", "status:missing=false", Has("!status")},

		{"Slot", "identifier=7", Has("identifier:7")},
		{"Slot", "identifier=http://ids.example/slot|7", Has("identifier=https://ids.example/slot|7")},
		{"Slot", "identifier=http%3A%2F%2Fids.example%2Fslot%7C7", Has("identifier=https://ids.example/slot|7")},
		{"Slot", "identifier=urn:s|", Has("identifier=urn:s|")},
		{"Slot", "identifier=|7", Has("identifier=|7")},
		{"Slot", `identifier=a\,b`, Has("identifier:a,b")},
		{"Slot", `identifier=a\|b`, Has("identifier:a|b")},
		{"Slot", `identifier=urn:s|a\|b`, Has("identifier=urn:s|a|b")},
		{"Slot", `identifier=urn:s\|t|b`, Has("identifier=urn:s%7Ct|b")},
		{"Slot", `identifier=a\$b\\c`, Has(`identifier:a$b\c`)},

		{"Slot", "schedule=s1", Has("schedule:Schedule/s1")},
		{"Slot", "schedule=Schedule/s1", Has("schedule:Schedule/s1")},
		{"Slot", "schedule=https://onward.example/FHIR/R4/Schedule/s1", Has("schedule:Schedule/s1")},
		{"Slot", "schedule=https://other.example/Schedule/s1", Has("schedule:https://other.example/Schedule/s1")},
		{"Slot", "schedule=urn:uuid:0b7e0a3a-7f8b-4d0e-9d7c-1a2b3c4d5e6f", Has("schedule:urn:uuid:0b7e0a3a-7f8b-4d0e-9d7c-1a2b3c4d5e6f")},
		{"Slot", "schedule:Schedule=s1", Has("schedule:Schedule/s1")},
		{"Slot", "schedule:Schedule=Schedule/s1", Has("schedule:Schedule/s1")},
		{"Slot", "schedule:identifier=urn:s|1", Has("schedule=urn:s|1")},
		{"Slot", "schedule:identifier=1", Has("schedule~1")},
		{"Slot", "schedule:missing=true", Not{Has("!schedule")}},
		{"ServiceRequest", "encounter=e1", HasAny{"encounter:Encounter/e1", "encounter:EpisodeOfCare/e1"}},
		{"ServiceRequest", "subject:Group=g1", Has("subject:Group/g1")},
		{"Task", "focus:Slot=s1", Has("focus:Slot/s1")},
		{"Task", "focus=MeasureReport/m1", Has("focus:MeasureReport/m1")},
		{"QuestionnaireResponse", "questionnaire=https://q.example/Questionnaire/a|2", Has("questionnaire:https://q.example/Questionnaire/a|2")},

		{"Patient", "family=Smith", Prefix("family:smith")},
		{"Patient", "family=Smith,%C3%89va", Or{Prefix("family:smith"), Prefix("family:eva")}},
		{"Patient", "family:exact=Smith", Has("family=|Smith")},
		{"Patient", "family:contains=MIT", Prefix("family~mit")},
		{"Patient", "name=jane+smith", Prefix("name:jane smith")},
		{"Patient", "address-postalcode=LS1%204AP", Prefix("address-postalcode:ls14ap")},
		{"Questionnaire", "url=https://q.example/a", Has("url:https://q.example/a")},
		{"Questionnaire", "url:below=https://q.example/", Prefix("url:https://q.example/")},

		{"Slot", "_id=a", IDs{"a"}},
		{"Slot", "_id=a,b", IDs{"a", "b"}},
		{"Slot", "_id:not=a", Not{IDs{"a"}}},

		{"Appointment", "patient.identifier=urn:n|9", Chain{"patient", &Query{Type: "Patient", Where: Has("identifier=urn:n|9")}}},
		{"Appointment", "patient:Patient.identifier=urn:n|9", Chain{"patient", &Query{Type: "Patient", Where: Has("identifier=urn:n|9")}}},
		{"Schedule", "actor:HealthcareService.identifier=7", Chain{"actor", &Query{Type: "HealthcareService", Where: Has("identifier:7")}}},
		{"Slot", "schedule.actor:HealthcareService=7", Chain{"schedule", &Query{Type: "Schedule", Where: Has("actor:HealthcareService/7")}}},
		{"Appointment", "patient._id=p", Chain{"patient", &Query{Type: "Patient", Where: IDs{"p"}}}},
		{"Appointment", "patient.birthdate:missing=true", Chain{"patient", &Query{Type: "Patient", Where: Not{Has("!birthdate")}}}},
		{"ServiceRequest", "subject.name=leeds", Or{
			Chain{"subject", &Query{Type: "Patient", Where: Prefix("name:leeds")}},
			Chain{"subject", &Query{Type: "Location", Where: Prefix("name:leeds")}}}},
	} {
		t.Run(c.typ+"?"+c.query, func(t *testing.T) {
			p, err := Parse(c.typ, c.query, testOptions)
			require.NoError(t, err)
			require.Equal(t, c.want, p.Query.Where)
			require.Equal(t, c.typ, p.Query.Type)
		})
	}
}

func TestABareIDMeansEveryTargetType(t *testing.T) {
	p, err := Parse("Appointment", "actor=x", testOptions)
	require.NoError(t, err)
	require.Len(t, p.Query.Where, len(strings.Fields(participants)))
	p, err = Parse("Task", "focus=x", testOptions)
	require.NoError(t, err)
	require.Len(t, p.Query.Where, len(Types()))
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		typ, query string
		kind       fhir.Kind
		says       string
	}{
		{"Slot", "colour=red", fhir.KindNotSupported, "colour"},
		{"Slot", "colour=red", fhir.KindNotSupported, "appointment-type, identifier, schedule"},
		{"Slot", "Status=free", fhir.KindNotSupported, "Status"},
		{"Slot", "_has:Appointment:slot:status=booked", fhir.KindNotSupported, "isn't offered here"},
		{"Slot", "_include=Slot:schedule", fhir.KindNotSupported, "_include"},
		{"Slot", "_text=x", fhir.KindNotSupported, "_text"},
		{"Slot", "status:text=free", fhir.KindNotSupported, "status:text"},
		{"Slot", "status:exact=free", fhir.KindNotSupported, "not, missing"},
		{"Slot", "status:=free", fhir.KindNotSupported, "status:"},
		{"Slot", "start:exact=2026", fhir.KindNotSupported, "start:exact"},
		{"Slot", "schedule:Patient=p1", fhir.KindNotSupported, "schedule:Patient"},
		{"Patient", "address:contains=high", fhir.KindNotSupported, "address:contains"},
		{"Patient", "family:not=x", fhir.KindNotSupported, "family:not"},
		{"Questionnaire", "url:above=x", fhir.KindNotSupported, "url:above"},
		{"Slot", "_id:missing=true", fhir.KindNotSupported, "_id:missing"},
		{"Slot", "_lastUpdated:missing=true", fhir.KindNotSupported, "_lastUpdated:missing"},
		{"Slot", "schedule.actor.colour=x", fhir.KindNotSupported, "behind the dot"},
		{"Slot", "status.name=x", fhir.KindNotSupported, "no reference"},
		{"Slot", "schedule.colour=x", fhir.KindNotSupported, "behind the dot"},
		{"Slot", "schedule:Patient.name=x", fhir.KindNotSupported, "schedule:Patient.name"},
		{"ServiceRequest", "subject:Group.identifier=x", fhir.KindNotSupported, "behind the dot"},
		{"Slot", "_sort=colour", fhir.KindNotSupported, "specialty, start, status"},
		{"Patient", "_sort=phonetic", fhir.KindNotSupported, "_sort"},
		{"Slot", "_summary=text", fhir.KindNotSupported, "_summary"},

		{"Slot", "status=", fhir.KindValue, "status"},
		{"Slot", "status", fhir.KindValue, "status"},
		{"Slot", "status=free,", fhir.KindValue, "empty member"},
		{"Slot", "status=free,,busy", fhir.KindValue, "empty member"},
		{"Slot", "status=|", fhir.KindValue, "status"},
		{"Slot", "identifier=a|b|c", fhir.KindValue, `written "\|"`},
		{"Slot", `identifier=a\b`, fhir.KindValue, "backslash"},
		{"Slot", `identifier=a\`, fhir.KindValue, "backslash"},
		{"Slot", "status:missing=yes", fhir.KindValue, "true or false"},
		{"Slot", "status=%ff", fhir.KindValue, "UTF-8"},
		{"Slot", "status=%zz", fhir.KindValue, "percent-encoded"},
		{"Slot", "%zz=free", fhir.KindInvalid, "parameter 1"},
		{"Slot", "=free", fhir.KindInvalid, "parameter 1"},
		{"Slot", "_id=a/b", fhir.KindValue, "logical id"},
		{"Slot", "schedule=Patient/p1", fhir.KindValue, "type"},
		{"Slot", "schedule:Schedule=Patient/p1", fhir.KindValue, "type"},
		{"Slot", "schedule=Schedule/s1/_history/3", fhir.KindValue, "version"},
		{"Slot", "schedule=%23s1", fhir.KindValue, "schedule"},
		{"Slot", "schedule=a+b", fhir.KindValue, "schedule"},
		{"Patient", "family=+", fhir.KindValue, "blanks"},
		{"Slot", "start=soon", fhir.KindValue, "start"},
		{"Slot", "start=ge", fhir.KindValue, "start"},
		{"Slot", "start=xx2026-01-01", fhir.KindValue, "start"},
		{"Slot", "start=2026-13-01", fhir.KindValue, "start"},
		{"Slot", "start=ge2026-03-01T12:00:00+00:00", fhir.KindValue, "%2B"},
		{"Slot", "_lastUpdated=soon", fhir.KindValue, "_lastUpdated"},
		{"Slot", "_count=-1", fhir.KindValue, "_count"},
		{"Slot", "_count=%2B1", fhir.KindValue, "_count"},
		{"Slot", "_count=ten", fhir.KindValue, "_count"},
		{"Slot", "_count=", fhir.KindValue, "_count"},
		{"Slot", "_count=99999999999999999999", fhir.KindValue, "_count"},
		{"Slot", "_count=1&_count=1", fhir.KindValue, "once"},
		{"Slot", "_total=all", fhir.KindValue, "_total"},
		{"Slot", "_summary=x", fhir.KindValue, "_summary"},
		{"Slot", "_cursor=", fhir.KindValue, "_cursor"},
		{"Slot", "_sort=", fhir.KindValue, "_sort"},
		{"Slot", "_sort=start,,status", fhir.KindValue, "_sort"},

		{"Patient", "family:contains=mi", fhir.KindTooCostly, "three letters"},
		{"Slot", "_sort=" + strings.Repeat("start,", maxSort) + "start", fhir.KindTooCostly, "_sort"},
		{"Slot", "status=" + strings.Repeat("a,", MaxAlternatives) + "a", fhir.KindTooCostly, "status"},
		{"Slot", strings.Repeat("status=a&", MaxParams) + "status=a", fhir.KindTooCostly, "parameters"},
		{"Slot", "status=" + strings.Repeat("a", MaxQueryBytes), fhir.KindTooCostly, "bytes"},
		{"Task", "focus=" + manyIDs(MaxTerms/len(Types())+1), fhir.KindTooCostly, "values"},
	} {
		t.Run(c.typ+"?"+c.query[:min(len(c.query), 50)], func(t *testing.T) {
			_, err := Parse(c.typ, c.query, testOptions)
			var o *fhir.Outcome
			require.True(t, errors.As(err, &o), "an Outcome")
			require.Equal(t, c.kind, o.Kind, o.Error())
			require.Contains(t, o.Error(), c.says)
		})
	}
}

func manyIDs(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = "id" + strconv.Itoa(i)
	}
	return strings.Join(list, ",")
}

func TestTheListOfAlternativesMayBeAsLongAsTheBound(t *testing.T) {
	_, err := Parse("Slot", "identifier="+strings.Repeat("a,", MaxAlternatives-1)+"a", testOptions)
	require.NoError(t, err)
}

// A value in the place of a name, or a name with a value in it, is not repeated.
func TestMessagesNeverQuoteAValue(t *testing.T) {
	for _, query := range []string{
		"9000000009", "9000000009=x", "patient|9000000009=x", "patient.9000000009=x", "patient:9000000009=x",
		"birthdate=9000000009", "gender:9000000009=x", "identifier=9000000009|9000000009|9000000009",
		"_id=9000000009/", "_count=90000000090", "_sort=9000000009", "_total=9000000009", "name:missing=9000000009",
		"general-practitioner=9000000009/x/y", "name=%zz9000000009", "_summary=9000000009",
	} {
		_, err := Parse("Patient", query, testOptions)
		require.Error(t, err, query)
		require.NotContains(t, err.Error(), "9000000009", query)
	}
}

func TestLenientDropsWhatIsNotSupportedAndNothingElse(t *testing.T) {
	o := testOptions
	o.Lenient = true
	p, err := Parse("Slot", "colour=red&status=free&status:text=x&schedule.colour=x&_include=Slot:schedule&_sort=-start,colour&_summary=text", o)
	require.NoError(t, err)
	require.Equal(t, Has("status:free"), p.Query.Where)
	require.Equal(t, []string{"status=free", "_sort=-start"}, p.Applied)
	require.Equal(t, []Sort{{"start", true}}, p.Query.Sort)

	_, err = Parse("Slot", "colour=red&start=soon", o)
	require.Error(t, err, "a bad value is still refused")
}

func TestAppliedIsTheSelfLinkInRequestOrder(t *testing.T) {
	const query = "_count=1000&status=free,busy&identifier=http%3a%2F%2Fids.example%2Fs%7c7%2c8&start=ge2026-03-01T12:00:00%2B00:00" +
		"&_sort=-start,status&_cursor=abc&_total=none&_format=json&_pretty=true&_summary=false&name=x"
	_, err := Parse("Slot", query, testOptions)
	require.Error(t, err)
	p, err := Parse("Slot", strings.TrimSuffix(query, "&name=x"), testOptions)
	require.NoError(t, err)
	require.Equal(t, []string{
		"_count=500", "status=free,busy", "identifier=http://ids.example/s%7C7,8", "start=ge2026-03-01T12:00:00%2B00:00",
		"_sort=-start,status", "_total=none", "_format=json", "_pretty=true", "_summary=false",
	}, p.Applied)
	require.Equal(t, "none", p.Total)
	require.Equal(t, "abc", p.Query.Cursor)
	require.Equal(t, MaxCount, p.Query.Count)
	require.Equal(t, []Sort{{"start", true}, {"status", false}}, p.Query.Sort)
	require.False(t, p.CountOnly)

	again, err := Parse("Slot", strings.Join(p.Applied, "&"), testOptions)
	require.NoError(t, err)
	require.Equal(t, p.Query.Where, again.Query.Where)
	require.Equal(t, p.Applied, again.Applied)
}

func TestCountOnly(t *testing.T) {
	for query, want := range map[string]bool{"_count=0": true, "_summary=count": true, "_count=1": false, "": false} {
		p, err := Parse("Slot", query, testOptions)
		require.NoError(t, err)
		require.Equal(t, want, p.CountOnly, query)
	}
}

func TestOwnParametersAreHandedThrough(t *testing.T) {
	o := testOptions
	o.Own = []string{"_include", "Schedule"}
	p, err := Parse("Slot", "_include:iterate=Slot%3Aschedule&status=free&Schedule.actor:HealthcareService=7&_include=Slot:*", o)
	require.NoError(t, err)
	require.Equal(t, []Pair{{"_include:iterate", "Slot:schedule"}, {"Schedule.actor:HealthcareService", "7"}, {"_include", "Slot:*"}}, p.Own)
	require.Equal(t, Has("status:free"), p.Query.Where)
	require.Len(t, p.Applied, 4)
}

func TestEscapeQuerySurvivesDecoding(t *testing.T) {
	const s = "a b&c=d+e%f#g;h|i\"jé/k,l$m\x00"
	back, err := url.QueryUnescape(escapeQuery(s))
	require.NoError(t, err)
	require.Equal(t, s, back)
	require.NotContains(t, escapeQuery(s), "&")
}
