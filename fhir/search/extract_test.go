package search

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func resource(tb testing.TB, text string) *fhir.Resource {
	tb.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(tb, err)
	return r
}

// of gives the entries of one parameter.
func of(x Index, param string) []string {
	var list []string
	for _, e := range x.X {
		rest, found := strings.CutPrefix(strings.TrimPrefix(e, "!"), param)
		if found && (rest == "" || strings.ContainsRune(":=~", rune(rest[0]))) {
			list = append(list, e)
		}
	}
	return list
}

func spansOf(x Index, param string) []Span {
	var list []Span
	for _, s := range x.D {
		if s.Param == param {
			list = append(list, s)
		}
	}
	return list
}

func foldSystem(system string) string {
	return strings.Replace(system, "http://ids.example/", "https://ids.example/", 1)
}

var testOptions = Options{
	Base:      "https://onward.example/FHIR/R4",
	Canonical: foldSystem,
	Now:       func() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) },
}

func TestExtractEntersEachTypeOfParameter(t *testing.T) {
	for _, c := range []struct {
		name, json, param string
		want              []string
	}{
		{"a code without its system", `{"resourceType":"Slot","status":"free"}`, "status",
			[]string{"!status", "status:free"}},
		{"a boolean", `{"resourceType":"Patient","active":false}`, "active",
			[]string{"!active", "active:false"}},
		{"an identifier, its system folded", `{"resourceType":"Slot","identifier":[{"system":"http://ids.example/slot","value":"7"}]}`, "identifier",
			[]string{"!identifier", "identifier:7", "identifier=https://ids.example/slot|", "identifier=https://ids.example/slot|7"}},
		{"an identifier without system", `{"resourceType":"Slot","identifier":[{"value":"7"}]}`, "identifier",
			[]string{"!identifier", "identifier:7", "identifier=|7"}},
		{"an identifier without value", `{"resourceType":"Slot","identifier":[{"system":"urn:s"}]}`, "identifier",
			[]string{"!identifier", "identifier=urn:s|"}},
		{"both identifier elements of a DocumentReference", `{"resourceType":"DocumentReference","masterIdentifier":{"value":"m"},"identifier":[{"value":"i"}]}`, "identifier",
			[]string{"!identifier", "identifier:i", "identifier:m", "identifier=|i", "identifier=|m"}},
		{"a bar inside a system can't be taken for the divider", `{"resourceType":"Slot","identifier":[{"system":"urn:a|b","value":"c"}]}`, "identifier",
			[]string{"!identifier", "identifier:c", "identifier=urn:a%7Cb|", "identifier=urn:a%7Cb|c"}},
		{"a CodeableConcept with two codings", `{"resourceType":"ServiceRequest","code":{"coding":[{"system":"urn:s","code":"1"},{"code":"2"}]}}`, "code",
			[]string{"!code", "code:1", "code:2", "code=urn:s|", "code=urn:s|1", "code=|2"}},
		{"a CodeableConcept with text only is present", `{"resourceType":"ServiceRequest","code":{"text":"x"}}`, "code",
			[]string{"!code", "code~x"}},
		{"the texts beside a code, whole and by words", `{"resourceType":"ServiceRequest","code":{"coding":[{"code":"1","display":"Wrist Injury"}],"text":"Hurt wrist"}}`, "code",
			[]string{"!code", "code:1", "code=|1", "code~hurt", "code~hurt wrist", "code~injury", "code~wrist", "code~wrist injury"}},
		{"an identifier's type", `{"resourceType":"Slot","identifier":[{"type":{"text":"Ré f"},"value":"7"}]}`, "identifier",
			[]string{"!identifier", "identifier:7", "identifier=|7", "identifier~f", "identifier~re", "identifier~re f"}},
		{"a Coding's display", `{"resourceType":"Encounter","class":{"code":"AMB","display":"Ambulatory"}}`, "class",
			[]string{"!class", "class:AMB", "class=|AMB", "class~ambulatory"}},
		{"a Coding", `{"resourceType":"Encounter","class":{"system":"urn:c","code":"AMB"}}`, "class",
			[]string{"!class", "class:AMB", "class=urn:c|", "class=urn:c|AMB"}},
		{"a ContactPoint, whose system is no code system", `{"resourceType":"Patient","telecom":[{"system":"phone","value":"0113 1"},{"system":"email","value":"a@b"}]}`, "phone",
			[]string{"!phone", "phone:0113 1", "phone=|0113 1"}},
		{"an escaped string", `{"resourceType":"Slot","status":"fr\u0065e"}`, "status",
			[]string{"!status", "status:free"}},
		{"values that repeat once", `{"resourceType":"Slot","identifier":[{"value":"7"},{"value":"7"}]}`, "identifier",
			[]string{"!identifier", "identifier:7", "identifier=|7"}},

		{"a relative reference", `{"resourceType":"Slot","schedule":{"reference":"Schedule/s1"}}`, "schedule",
			[]string{"!schedule", "schedule:Schedule/s1"}},
		{"an absolute reference to ourselves", `{"resourceType":"Slot","schedule":{"reference":"https://onward.example/FHIR/R4/Schedule/s1"}}`, "schedule",
			[]string{"!schedule", "schedule:Schedule/s1"}},
		{"an absolute reference to another server whose base begins like ours", `{"resourceType":"Slot","schedule":{"reference":"https://onward.example/FHIR/R4B/Schedule/s1"}}`, "schedule",
			[]string{"!schedule", "schedule:https://onward.example/FHIR/R4B/Schedule/s1"}},
		{"a version-specific reference", `{"resourceType":"Slot","schedule":{"reference":"Schedule/s1/_history/4"}}`, "schedule",
			[]string{"!schedule", "schedule:Schedule/s1"}},
		{"a URN", `{"resourceType":"Slot","schedule":{"reference":"urn:uuid:0b7e0a3a-7f8b-4d0e-9d7c-1a2b3c4d5e6f"}}`, "schedule",
			[]string{"!schedule", "schedule:urn:uuid:0b7e0a3a-7f8b-4d0e-9d7c-1a2b3c4d5e6f"}},
		{"a contained target", `{"resourceType":"Slot","schedule":{"reference":"#s"}}`, "schedule",
			[]string{"!schedule"}},
		{"a reference by identifier", `{"resourceType":"ServiceRequest","subject":{"identifier":{"system":"http://ids.example/n","value":"9"}}}`, "subject",
			[]string{"!subject", "subject=https://ids.example/n|", "subject=https://ids.example/n|9", "subject~9"}},
		{"a reference with a display only", `{"resourceType":"ServiceRequest","subject":{"display":"someone"}}`, "subject",
			[]string{"!subject"}},
		{"a subject that is a patient", `{"resourceType":"ServiceRequest","subject":{"reference":"Patient/p1"}}`, "patient",
			[]string{"!patient", "patient:Patient/p1"}},
		{"a subject that is a group", `{"resourceType":"ServiceRequest","subject":{"reference":"Group/g1"}}`, "patient", nil},
		{"a subject of unknown type can be found but isn't present as a patient", `{"resourceType":"ServiceRequest","subject":{"identifier":{"value":"9"}}}`, "patient",
			[]string{"patient=|9", "patient~9"}},
		{"a subject whose type is said", `{"resourceType":"ServiceRequest","subject":{"type":"Patient","identifier":{"value":"9"}}}`, "patient",
			[]string{"!patient", "patient=|9", "patient~9"}},
		{"a subject said to be a group", `{"resourceType":"ServiceRequest","subject":{"type":"Group","identifier":{"value":"9"}}}`, "patient", nil},
		{"a contained patient", `{"resourceType":"ServiceRequest","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`, "patient",
			[]string{"!patient"}},
		{"a contained group", `{"resourceType":"ServiceRequest","contained":[{"resourceType":"Group","id":"p"}],"subject":{"reference":"#p"}}`, "patient", nil},
		{"the patient among the participants", `{"resourceType":"Appointment","participant":[{"actor":{"reference":"Location/l"}},{"actor":{"reference":"Patient/p"}}]}`, "patient",
			[]string{"!patient", "patient:Patient/p"}},
		{"all participants", `{"resourceType":"Appointment","participant":[{"actor":{"reference":"Location/l"}},{"actor":{"reference":"Patient/p"}}]}`, "actor",
			[]string{"!actor", "actor:Location/l", "actor:Patient/p"}},
		{"a canonical URL with version", `{"resourceType":"QuestionnaireResponse","questionnaire":"https://q.example/Questionnaire/a|2"}`, "questionnaire",
			[]string{"!questionnaire", "questionnaire:https://q.example/Questionnaire/a", "questionnaire:https://q.example/Questionnaire/a|2"}},

		{"a uri", `{"resourceType":"Questionnaire","url":"https://q.example/a"}`, "url",
			[]string{"!url", "url:https://q.example/a"}},
		{"a profile", `{"resourceType":"Binary","meta":{"profile":["https://p.example/a"]}}`, "_profile",
			[]string{"!_profile", "_profile:https://p.example/a"}},

		{"a string with its words and suffixes", `{"resourceType":"Endpoint","name":"Ågot O’Hara"}`, "name",
			[]string{"!name", "name:agot", "name:agot o'hara", "name:o'hara", "name=|Ågot O’Hara",
				"name~'hara", "name~agot o'hara", "name~ara", "name~got o'hara", "name~hara", "name~o'hara", "name~ot o'hara", "name~t o'hara"}},
		{"a short string has no suffixes", `{"resourceType":"Patient","name":[{"family":"Li"}]}`, "family",
			[]string{"!family", "family:li", "family=|Li"}},
		{"a HumanName in one piece", `{"resourceType":"Patient","name":[{"family":"Li","given":["Jo","An"]}]}`, "name",
			[]string{"!name", "name:an", "name:jo", "name:jo an li", "name:li", "name=|An", "name=|Jo", "name=|Li",
				"name~an li", "name~jo an li", "name~n li", "name~o an li"}},
		{"a postal code without its blank", `{"resourceType":"Patient","address":[{"postalCode":"LS1  4ap"}]}`, "address-postalcode",
			[]string{"!address-postalcode", "address-postalcode:ls14ap", "address-postalcode=|LS1  4ap",
				"address-postalcode~14ap", "address-postalcode~4ap", "address-postalcode~ls14ap", "address-postalcode~s14ap"}},
		{"an address has no suffixes", `{"resourceType":"Patient","address":[{"line":["1 High St"],"city":"Leeds","use":"home"}]}`, "address",
			[]string{"!address", "address:1", "address:1 high st", "address:high", "address:leeds", "address:st", "address=|1 High St", "address=|Leeds"}},

		{"a code of the wrong type", `{"resourceType":"Slot","status":7}`, "status", nil},
		{"a reference of the wrong type", `{"resourceType":"Slot","schedule":7}`, "schedule", nil},
		{"a string of the wrong type", `{"resourceType":"Endpoint","name":true}`, "name", nil},
		{"a code that is an object", `{"resourceType":"Slot","status":{"code":"free"}}`, "status", nil},
		{"a boolean that is a string", `{"resourceType":"Patient","active":"true"}`, "active", nil},
		{"a CodeableConcept that is a boolean", `{"resourceType":"ServiceRequest","code":true}`, "code", nil},
		{"a null", `{"resourceType":"Slot","status":null}`, "status", nil},
		{"an array in an array", `{"resourceType":"Slot","identifier":[[{"value":"7"}]]}`, "identifier", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := Extract(resource(t, c.json), testOptions)
			require.Equal(t, c.want, of(x, c.param))
			require.False(t, x.Over)
		})
	}
}

func TestExtractMakesOneSpanADate(t *testing.T) {
	ms := func(s string) int64 {
		at, err := time.Parse("2006-01-02T15:04:05.000Z", s)
		require.NoError(t, err)
		return at.UnixMilli()
	}
	day := func(s string) (int64, int64) { return ms(s + "T00:00:00.000Z"), ms(s + "T23:59:59.999Z") }
	jan1, jan1End := day("2026-01-01")
	mar1, mar1End := day("2026-03-01")
	for _, c := range []struct {
		name, json, param string
		want              []Span
	}{
		{"an instant", `{"resourceType":"Slot","start":"2026-01-01T00:00:00Z"}`, "start", []Span{{"start", jan1, jan1 + 999}}},
		{"a dateTime", `{"resourceType":"ServiceRequest","occurrenceDateTime":"2026-01-01"}`, "occurrence", []Span{{"occurrence", jan1, jan1End}}},
		{"a Period", `{"resourceType":"ServiceRequest","occurrencePeriod":{"start":"2026-01-01","end":"2026-03-01"}}`, "occurrence", []Span{{"occurrence", jan1, mar1End}}},
		{"a Period with an open end", `{"resourceType":"Schedule","planningHorizon":{"start":"2026-03-01"}}`, "date", []Span{{"date", mar1, MaxTime}}},
		{"a Period with an open start", `{"resourceType":"Schedule","planningHorizon":{"end":"2026-03-01"}}`, "date", []Span{{"date", MinTime, mar1End}}},
		{"a Period with a bad end", `{"resourceType":"Schedule","planningHorizon":{"start":"2026-03-01","end":"soon"}}`, "date", nil},
		{"an empty Period", `{"resourceType":"Schedule","planningHorizon":{}}`, "date", nil},
		{"a Timing's events, from first to last", `{"resourceType":"ServiceRequest","occurrenceTiming":{"event":["2026-03-01","2026-01-01"]}}`, "occurrence", []Span{{"occurrence", jan1, mar1End}}},
		{"a Timing's bounds", `{"resourceType":"ServiceRequest","occurrenceTiming":{"repeat":{"boundsPeriod":{"start":"2026-01-01","end":"2026-01-01"}}}}`, "occurrence", []Span{{"occurrence", jan1, jan1End}}},
		{"a Timing without limits", `{"resourceType":"ServiceRequest","occurrenceTiming":{"repeat":{"frequency":1}}}`, "occurrence", nil},
		{"two values", `{"resourceType":"Encounter","location":[{"period":{"start":"2026-01-01","end":"2026-01-01"}},{"period":{"start":"2026-03-01","end":"2026-03-01"}}]}`, "location-period",
			[]Span{{"location-period", jan1, jan1End}, {"location-period", mar1, mar1End}}},
		{"two equal values once", `{"resourceType":"Encounter","location":[{"period":{"start":"2026-01-01","end":"2026-01-01"}},{"period":{"start":"2026-01-01","end":"2026-01-01"}}]}`, "location-period",
			[]Span{{"location-period", jan1, jan1End}}},
		{"no date", `{"resourceType":"Slot","start":"tomorrow"}`, "start", nil},
		{"a number", `{"resourceType":"Slot","start":2026}`, "start", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := Extract(resource(t, c.json), testOptions)
			require.Equal(t, c.want, spansOf(x, c.param))
			if c.want != nil {
				require.Contains(t, x.X, "!"+c.param)
			}
		})
	}
}

func TestExtractGivesOneSortKeyForEachStringTokenAndURI(t *testing.T) {
	x := Extract(resource(t, `{"resourceType":"Patient","gender":"female","active":true,
		"name":[{"family":"Łuczak","given":["Éva","B"]}],"identifier":[{"value":"1"}]}`), testOptions)
	require.Equal(t, []SortKey{{"active", "true"}, {"deceased", "false"}, {"family", "luczak"}, {"gender", "female"}, {"given", "eva"}, {"identifier", "1"}, {"name", "luczak"}}, x.S)
}

func TestExtractCutsLongValues(t *testing.T) {
	long := strings.Repeat("ab", 250) + "é" + strings.Repeat("c", 40)
	require.Greater(t, len(long), maxValue)
	x := Extract(resource(t, `{"resourceType":"Slot","identifier":[{"value":"`+long+`"}]}`), testOptions)
	for _, e := range x.X {
		require.LessOrEqual(t, len(e), len("identifier=")+keptPart+1+16)
	}
	got := of(x, "identifier")
	require.Len(t, got, 3)
	require.Regexp(t, `^identifier:(ab){240}#[0-9a-f]{16}$`, got[1])

	other := Extract(resource(t, `{"resourceType":"Slot","identifier":[{"value":"`+long+`d"}]}`), testOptions)
	require.NotEqual(t, got[1], of(other, "identifier")[1], "values that differ at the end stay apart")

	exactly := strings.Repeat("a", maxValue)
	require.Equal(t, "p:"+exactly, entry("p", ":", exactly))
	require.NotEqual(t, "p:"+exactly+"a", entry("p", ":", exactly+"a"))
}

func TestALongValueIsCutAtAWholeCharacter(t *testing.T) {
	x := Extract(resource(t, `{"resourceType":"Endpoint","name":"a`+strings.Repeat("щ", 300)+`"}`), testOptions)
	for _, e := range of(x, "name") {
		require.True(t, strings.ToValidUTF8(e, "") == e)
	}
}

func TestExtractSaysWhenThereAreTooManyEntries(t *testing.T) {
	build := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"resourceType":"Slot","identifier":[`)
		for i := range n {
			fmt.Fprintf(&b, `{"value":"%d"},`, i)
		}
		return b.String() + `{"value":"x"}]}`
	}
	few := Extract(resource(t, build(1000)), testOptions)
	require.False(t, few.Over)
	require.Len(t, few.X, 2*1001+1)
	many := Extract(resource(t, build(MaxEntries)), testOptions)
	require.True(t, many.Over)
	require.LessOrEqual(t, len(many.X), MaxEntries)
}

func TestContainsFindsOnlyWithinTheFirst32Suffixes(t *testing.T) {
	x := Extract(resource(t, `{"resourceType":"Endpoint","name":"`+strings.Repeat("a", 40)+`zzz"}`), testOptions)
	count := 0
	for _, e := range of(x, "name") {
		if strings.HasPrefix(e, "name~") {
			count++
		}
	}
	require.Equal(t, maxSuffixes, count)
}

func TestNormalise(t *testing.T) {
	for in, want := range map[string]string{
		"  Jane \t\n Smith ": "jane smith",
		"ÉCOLE":              "ecole",
		"e\u0301cole":        "ecole",
		"Straße":             "strasse",
		"Æsir Øre Łódź":      "aesir ore lodz",
		"O’Brien":            "o'brien",
		"Smith‑Jones":        "smith-jones",
		"İstanbul":           "istanbul",
		"\u00a0a\u00a0b":     "a b",
		"":                   "",
		" ":                  "",
	} {
		require.Equal(t, want, string(normalise(nil, []byte(in))), "%q", in)
		require.Equal(t, want, string(normalise(nil, []byte(want))), "normalising twice changes nothing")
	}
}
