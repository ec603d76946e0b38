package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
	"github.com/onward-health/onward/fhir/r4"
)

// operation writes an operation: each part is a name and the members that hold
// its value.
func operation(kind string, parts ...string) string {
	text := `{"name":"operation","part":[{"name":"type","valueCode":"` + kind + `"}`
	for i := 0; i < len(parts); i += 2 {
		value := parts[i+1]
		switch parts[i] {
		case "path", "name":
			value = `"valueString":` + string(fhir.Quote(value))
		case "index", "source", "destination":
			value = `"valueInteger":` + value
		}
		text += `,{"name":"` + parts[i] + `",` + value + `}`
	}
	return text + `]}`
}

func parameters(operations ...string) string {
	if len(operations) == 0 {
		return `{"resourceType":"Parameters"}`
	}
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(operations, ",") + `]}`
}

// applyPath returns the result, or the kind of the error.
func applyPath(t testing.TB, doc, text string) string {
	t.Helper()
	p, err := patch.ParseFHIRPath(parse(t, text), r4.Tables)
	if err == nil {
		var r *fhir.Resource
		if r, err = p.Apply(parse(t, doc)); err == nil {
			return string(r.JSON())
		}
	}
	o := fhir.AsOutcome(err)
	require.NotContains(t, o.Issues[0].Diagnostics, "secret")
	return o.Kind.Row().Name
}

const aPatient = `{"resourceType":"Patient","id":"p","birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"u:a","valueString":"x"}]},` +
	`"name":[{"use":"official","given":["A","B"],"_given":[null,{"id":"g"}]},{"use":"usual","family":"\u0041"}],` +
	`"multipleBirthInteger":2,"contact":[{"name":{"text":"t"},"gender":"male"}],"extension":[{"url":"u:n","valueDecimal":1.00}]}`

// Ensure that each operation does what R4 fhirpatch.html says and touches
// nothing else.
func TestAFHIRPathPatchDoesWhatTheStandardSays(t *testing.T) {
	change := func(from, to string) string {
		require.Contains(t, aPatient, from)
		return strings.Replace(aPatient, from, to, 1)
	}
	const end = `"valueDecimal":1.00}]}`
	for _, row := range []struct{ name, ops, want string }{
		{"nothing", "", aPatient},
		{"add an element", operation("add", "path", "Patient", "name", "active", "value", `"valueBoolean":true`), change(end, `"valueDecimal":1.00}],"active":true}`)},
		{"add an element that repeats", operation("add", "path", "Patient", "name", "telecom", "value", `"valueContactPoint":{"value":"1"}`), change(end, `"valueDecimal":1.00}],"telecom":[{"value":"1"}]}`)},
		{"add to a list", operation("add", "path", "Patient", "name", "name", "value", `"valueHumanName":{"text":"\u0042"}`), change(`"family":"\u0041"}`, `"family":"\u0041"},{"text":"\u0042"}`)},
		{"add to a list of primitives", operation("add", "path", "Patient.name[0]", "name", "given", "value", `"valueString":"C","_valueString":{"id":"c"}`), change(`["A","B"],"_given":[null,{"id":"g"}]`, `["A","B","C"],"_given":[null,{"id":"g"},{"id":"c"}]`)},
		{"add a backbone element by parts", operation("add", "path", "Patient", "name", "contact", "value", `"part":[{"name":"name","valueHumanName":{"text":"n"}},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}}]`),
			change(`"gender":"male"}`, `"gender":"male"},{"name":{"text":"n"},"telecom":[{"value":"1"},{"value":"2"}]}`)},
		{"parts within parts", operation("add", "path", "Patient", "name", "communication", "value", `"part":[{"name":"language","part":[{"name":"coding","part":[{"name":"code","valueCode":"en"},{"name":"userSelected","valueBoolean":true}]}]},{"name":"extension","part":[{"name":"url","valueUri":"u:x"},{"name":"value","valueInteger":1}]}]`),
			change(end, `"valueDecimal":1.00}],"communication":[{"language":{"coding":[{"code":"en","userSelected":true}]},"extension":[{"url":"u:x","valueInteger":1}]}]}`)},
		{"an extension is no value of a parameter", operation("add", "path", "Patient.contact.gender", "name", "extension", "value", `"valueExtension":{"url":"u:b","valueCode":"x"}`), "processing"},
		{"add an extension to a primitive, by parts", operation("add", "path", "Patient.contact.gender", "name", "extension", "value", `"part":[{"name":"url","valueUri":"u:b"},{"name":"value","valueCode":"x"}]`), change(`"gender":"male"`, `"gender":"male","_gender":{"extension":[{"url":"u:b","valueCode":"x"}]}`)},
		{"add a choice", operation("add", "path", "Patient", "name", "deceased", "value", `"valueDateTime":"2020-01-01"`), change(end, `"valueDecimal":1.00}],"deceasedDateTime":"2020-01-01"}`)},
		{"add a contained resource", operation("add", "path", "Patient", "name", "contained", "value", `"resource":{"resourceType":"Organization","id":"o"}`) + "," + operation("add", "path", "Patient.contained[0]", "name", "name", "value", `"valueString":"N"`),
			change(end, `"valueDecimal":1.00}],"contained":[{"resourceType":"Organization","id":"o","name":"N"}]}`)},
		{"add what is there", operation("add", "path", "Patient", "name", "birthDate", "value", `"valueDate":"1971-01-01"`), "processing"},
		{"add a choice of which there is another", operation("add", "path", "Patient", "name", "multipleBirth", "value", `"valueBoolean":true`), "processing"},
		{"add a choice by its name on the wire", operation("add", "path", "Patient", "name", "deceasedBoolean", "value", `"valueBoolean":true`), "processing"},
		{"add to nothing", operation("add", "path", "Patient.maritalStatus", "name", "text", "value", `"valueString":"x"`), "processing"},
		{"add to several", operation("add", "path", "Patient.name", "name", "text", "value", `"valueString":"x"`), "processing"},
		{"add what R4 does not know", operation("add", "path", "Patient", "name", "secret", "value", `"valueString":"x"`), "processing"},
		{"a value of the wrong type", operation("add", "path", "Patient", "name", "gender", "value", `"valueString":"secret"`), "processing"},
		{"a value of the wrong JSON type", operation("add", "path", "Patient", "name", "active", "value", `"valueBoolean":"secret"`), "processing"},
		{"a choice of a type that it does not allow", operation("add", "path", "Patient", "name", "deceased", "value", `"valueInteger":1`), "processing"},
		{"two values", operation("add", "path", "Patient", "name", "active", "value", `"valueBoolean":true,"valueCode":"x"`), "processing"},
		{"no value", operation("add", "path", "Patient", "name", "active", "value", `"extension":[]`), "processing"},
		{"a part that does not repeat, twice", operation("add", "path", "Patient", "name", "contact", "value", `"part":[{"name":"gender","valueCode":"male"},{"name":"gender","valueCode":"male"}]`), "processing"},
		{"parts for a choice", operation("add", "path", "Patient", "name", "deceased", "value", `"part":[{"name":"x"}]`), "processing"},
		{"insert first", operation("insert", "path", "Patient.name", "index", "0", "value", `"valueHumanName":{"text":"n"}`), change(`"name":[{"use":"official"`, `"name":[{"text":"n"},{"use":"official"`)},
		{"insert last", operation("insert", "path", "Patient.name", "index", "2", "value", `"valueHumanName":{"text":"n"}`), change(`"\u0041"}`, `"\u0041"},{"text":"n"}`)},
		{"insert among primitives", operation("insert", "path", "Patient.name[0].given", "index", "1", "value", `"valueString":"C"`), change(`["A","B"],"_given":[null,{"id":"g"}]`, `["A","C","B"],"_given":[null,null,{"id":"g"}]`)},
		{"insert into an empty list", operation("insert", "path", "Patient.address", "index", "0", "value", `"valueAddress":{"city":"c"}`), change(end, `"valueDecimal":1.00}],"address":[{"city":"c"}]}`)},
		{"insert past the end", operation("insert", "path", "Patient.name", "index", "3", "value", `"valueHumanName":{"text":"n"}`), "processing"},
		{"insert into what does not repeat", operation("insert", "path", "Patient.gender", "index", "0", "value", `"valueCode":"male"`), "processing"},
		{"insert at an element", operation("insert", "path", "Patient.name[0]", "index", "0", "value", `"valueHumanName":{"text":"n"}`), "processing"},
		{"delete an element with its extensions", operation("delete", "path", "Patient.birthDate"), change(`"birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"u:a","valueString":"x"}]},`, "")},
		{"delete from a list of primitives", operation("delete", "path", "Patient.name.given.first()"), change(`["A","B"],"_given":[null,{"id":"g"}]`, `["B"],"_given":[{"id":"g"}]`)},
		{"delete the last with what stands beside it", operation("delete", "path", "Patient.name.given.last()"), change(`["A","B"],"_given":[null,{"id":"g"}]`, `["A"]`)},
		{"delete the last of a list", operation("delete", "path", "Patient.contact[0]"), change(`,"contact":[{"name":{"text":"t"},"gender":"male"}]`, "")},
		{"delete the last content", operation("delete", "path", "Patient.contact.name.text"), change(`"name":{"text":"t"},"gender"`, `"gender"`)},
		{"delete and add below", operation("delete", "path", "Patient.contact.name.text") + "," + operation("add", "path", "Patient.contact.name", "name", "family", "value", `"valueString":"F"`), change(`{"text":"t"}`, `{"family":"F"}`)},
		{"delete an extension of a primitive", operation("delete", "path", "Patient.birthDate.extension.where(url = 'u:a')"), change(`,"_birthDate":{"extension":[{"url":"u:a","valueString":"x"}]}`, "")},
		{"delete an id beside a value in a list", operation("delete", "path", "Patient.name[0].given[1].id"), change(`,"_given":[null,{"id":"g"}]`, "")},
		{"delete nothing", operation("delete", "path", "Patient.maritalStatus.coding[3]"), aPatient},
		{"delete several", operation("delete", "path", "Patient.name"), "processing"},
		{"delete the resource", operation("delete", "path", "Patient"), "processing"},
		{"replace a primitive, its extensions too", operation("replace", "path", "Patient.birthDate", "value", `"valueDate":"1971-01-01"`), change(`"birthDate":"1970-01-01","_birthDate":{"extension":[{"url":"u:a","valueString":"x"}]}`, `"birthDate":"1971-01-01"`)},
		{"replace in a list", operation("replace", "path", "name[1]", "value", `"valueHumanName":{"text":"n"}`), change(`{"use":"usual","family":"\u0041"}`, `{"text":"n"}`)},
		{"replace a choice by another type", operation("replace", "path", "Patient.multipleBirth", "value", `"valueBoolean":true`), change(`"multipleBirthInteger":2`, `"multipleBirthBoolean":true`)},
		{"replace the number of a choice", operation("replace", "path", "Patient.multipleBirth.ofType(integer)", "value", `"valueInteger":3`), change(`Integer":2`, `Integer":3`)},
		{"replace a choice of another type", operation("replace", "path", "Patient.multipleBirth.ofType(boolean)", "value", `"valueBoolean":true`), "processing"},
		{"replace where", operation("replace", "path", "Patient . name.where( use='official' and given = 'A' or )", "value", `"valueCode":"x"`), "not-supported"},
		{"replace where both hold", operation("replace", "path", "Patient.name.where(use = 'usual' and family='\\u0041').family", "value", `"valueString":"Z"`), change(`"family":"\u0041"`, `"family":"Z"`)},
		{"replace where a number equals", operation("replace", "path", "Patient.extension.where(value = 1.0 and url = 'u:n').url", "value", `"valueUri":"u:z"`), change(`"url":"u:n"`, `"url":"u:z"`)},
		{"where one of several", operation("replace", "path", "Patient.name.where(given = 'A').use", "value", `"valueCode":"old"`), "processing"},
		{"replace nothing", operation("replace", "path", "Patient.gender", "value", `"valueCode":"male"`), "processing"},
		{"replace the resource", operation("replace", "path", "Patient", "value", `"resource":{"resourceType":"Patient"}`), "processing"},
		{"move", operation("move", "path", "Patient.name[0].given", "source", "1", "destination", "0"), change(`["A","B"],"_given":[null,{"id":"g"}]`, `["B","A"],"_given":[{"id":"g"},null]`)},
		{"move outside", operation("move", "path", "Patient.name", "source", "0", "destination", "2"), "processing"},
		{"another type", operation("delete", "path", "Observation.code"), "processing"},
		{"below a primitive", operation("delete", "path", "Patient.birthDate.secret"), "processing"},
		{"one bad operation changes nothing", operation("delete", "path", "Patient.birthDate") + "," + operation("replace", "path", "Patient.gender", "value", `"valueCode":"male"`), "processing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := parameters(row.ops)
			if row.ops == "" {
				text = parameters()
			}
			require.Equal(t, row.want, applyPath(t, aPatient, text))
		})
	}
}

// Ensure that a path goes through every kind of element.
func TestAPathReachesEveryKindOfElement(t *testing.T) {
	const observation = `{"resourceType":"Observation","id":"o","text":{"status":"generated","div":"<div>x</div>"},"code":{"coding":[{"system":"s","code":"c"},{"system":"s","code":"d"}]},` +
		`"valueQuantity":{"value":1.50,"unit":"u"},"component":[{"code":{"text":"a"},"valueString":"x"},{"code":{"text":"b"},"valueInteger":2}]}`
	for _, row := range []struct{ path, value, from, to string }{
		{"Observation.value.value", `"valueDecimal":2.50`, "1.50", "2.50"},
		{"Observation.value.ofType(Quantity).unit", `"valueString":"v"`, `"u"`, `"v"`},
		{"Observation.code.coding.where(code='d').display", "", "", ""},
		{"Observation.code.coding.where(code='d').code", `"valueCode":"e"`, `"d"`, `"e"`},
		{"Observation.component.where(code.text = 'b').value", `"valueBoolean":true`, `"valueInteger":2`, `"valueBoolean":true`},
		{"Observation.component[0].value", `"valueRange":{"low":{"value":1}}`, `"valueString":"x"`, `"valueRange":{"low":{"value":1}}`},
		{"Observation.text.`div`", `"valueString":"<div>y</div>"`, "<div>x</div>", "<div>y</div>"},
	} {
		want := strings.Replace(observation, row.from, row.to, 1)
		if row.value == "" {
			require.Equal(t, "processing", applyPath(t, observation, parameters(operation("replace", "path", row.path, "value", `"valueString":"x"`))))
			continue
		}
		require.Equal(t, want, applyPath(t, observation, parameters(operation("replace", "path", row.path, "value", row.value))), row.path)
	}
	const form = `{"resourceType":"Questionnaire","item":[{"linkId":"1","item":[{"linkId":"2"}]}]}`
	require.Equal(t, strings.Replace(form, `"2"`, `"3"`, 1),
		applyPath(t, form, parameters(operation("replace", "path", "Questionnaire.item.item.linkId", "value", `"valueString":"3"`))), "an element defined elsewhere")
}

// Ensure that a place in a list that loses all that stands in it goes.
func TestAPlaceWithoutAnythingGoes(t *testing.T) {
	for _, row := range []struct{ doc, path, want string }{
		{`"given":["A",null],"_given":[null,{"id":"g"}]`, "name.given[1].id", `"given":["A"]`},
		{`"given":["A",null,"B"],"_given":[null,{"id":"g"},{"id":"b"}]`, "name.given[1].id", `"given":["A","B"],"_given":[null,{"id":"b"}]`},
		{`"_given":[{"id":"f"},{"id":"g"}]`, "name.given[0].id", `"_given":[{"id":"g"}]`},
		{`"text":"t","_given":[{"id":"f"}]`, "name.given[0].id", `"text":"t"`},
	} {
		const head = `{"resourceType":"Patient","name":[{`
		require.Equal(t, head+row.want+`}]}`, applyPath(t, head+row.doc+`}]}`, parameters(operation("delete", "path", row.path))), row.doc)
	}
}

func TestAPathThatIsNotASimpleOneIsRefused(t *testing.T) {
	for _, path := range []string{
		"", "Patient.", ".name", "Patient.name[", "Patient.name[-1]", "Patient.name[x]", "Patient..name", "Patient.name | Patient.contact", "Patient.name.exists()",
		"Patient.name.where(use != 'x')", "Patient.name.where(use = 'x' or use = 'y')", "Patient.name.where(use)", "Patient.name.where(use = 'x", "Patient.name.where(use = @2020)",
		"Patient.descendants()", "first()", "%resource.name", "Patient.name.first(1)", "Patient.`name", "Patient.name.where(use = 'x' and)", "Patient.name.where(use = '\\x')",
		"Patient.name where", "$this", "Patient.extension('u')", "(Patient.name)", "Patient.value as string", "Patient.ofType()", "Patient.name.where()",
		strings.Repeat("a.", 70) + "a", strings.Repeat("a", 1001), "Patient.name[99999999]",
	} {
		require.Equal(t, "not-supported", applyPath(t, aPatient, parameters(operation("delete", "path", path))), path)
	}
}

func TestAFHIRPathPatchThatIsNoneIsRefusedWithItsPlace(t *testing.T) {
	good := operation("delete", "path", "Patient.gender")
	for _, row := range []struct{ text, at string }{
		{`{"resourceType":"Patient"}`, "resourceType"},
		{`{"resourceType":"Parameters","text":{"status":"empty"}}`, "Parameters"},
		{`{"resourceType":"Parameters","parameter":{}}`, "Parameters.parameter"},
		{parameters(good, `1`), "Parameters.parameter[1]"},
		{parameters(good, `{"name":"operation"}`), "Parameters.parameter[1]"},
		{parameters(good, `{"name":"other","part":[]}`), "Parameters.parameter[1]"},
		{parameters(good, operation("secret", "path", "Patient.gender")), "Parameters.parameter[1]"},
		{parameters(good, operation("delete")), "Parameters.parameter[1]"},
		{parameters(good, operation("delete", "path", "Patient.gender", "index", "1")), "Parameters.parameter[1]"},
		{parameters(good, operation("delete", "path", "Patient.gender", "path", "Patient.gender")), "Parameters.parameter[1]"},
		{parameters(good, operation("insert", "path", "Patient.name", "index", "-1", "value", `"valueCode":"x"`)), "Parameters.parameter[1]"},
		{parameters(good, operation("insert", "path", "Patient.name", "index", "1.0", "value", `"valueCode":"x"`)), "Parameters.parameter[1]"},
		{parameters(good, operation("move", "path", "Patient.name", "source", "1", "destination", `"1"`)), "Parameters.parameter[1]"},
		{parameters(strings.Replace(good, `"valueString"`, `"valueCode"`, 1)), "Parameters.parameter[0]"},
		{parameters(strings.Replace(good, `"part":`, `"modifierExtension":[],"part":`, 1)), "Parameters.parameter[0]"},
	} {
		_, err := patch.ParseFHIRPath(parse(t, row.text), r4.Tables)
		require.Error(t, err, row.text)
		issue := fhir.AsOutcome(err).Issues[0]
		require.Equal(t, row.at, issue.Expression, row.text)
		require.NotContains(t, issue.Diagnostics, "secret")
		if strings.HasSuffix(row.at, "[1]") {
			require.True(t, strings.HasPrefix(issue.Diagnostics, "operation 2: "), issue.Diagnostics)
		}
	}
}

func TestAFHIRPathPatchIsBounded(t *testing.T) {
	many := strings.Repeat(operation("delete", "path", "Patient.gender")+",", patch.MaxOperations+1)
	require.Equal(t, "too-complex", applyPath(t, aPatient, parameters(strings.TrimSuffix(many, ","))))
	names := `{"resourceType":"Patient","name":[` + strings.Repeat(`{"given":["A"]},`, 5_000) + `{"given":["Z"]}]}`
	require.Equal(t, strings.Replace(names, `"Z"`, `"Y"`, 1),
		applyPath(t, names, parameters(operation("replace", "path", "Patient.name.given.last()", "value", `"valueString":"Y"`))), "the cost is that of the list, not its square")
	given := `{"resourceType":"Patient","name":[{"given":["A"` + strings.Repeat(`,"A"`, 15_000) + `]}]}`
	inserts := strings.Repeat(operation("insert", "path", "Patient.name.given", "index", "0", "value", `"valueString":"B"`)+",", 100)
	require.Equal(t, "too-complex", applyPath(t, given, parameters(strings.TrimSuffix(inserts, ","))))
	large := `{"resourceType":"Patient","name":[` + strings.TrimSuffix(strings.Repeat(`{"use":"usual"},`, 5_000), ",") + `]}`
	var search []string
	for i := range 500 {
		search = append(search, operation("delete", "path", fmt.Sprintf("Patient.name.where(use = '%d')", i)))
	}
	require.Equal(t, "too-complex", applyPath(t, large, parameters(search...)))
}

func FuzzFHIRPathPatch(f *testing.F) {
	f.Add(aPatient, parameters(operation("add", "path", "Patient.name[0]", "name", "given", "value", `"valueString":"C"`), operation("move", "path", "Patient.name", "source", "0", "destination", "1")))
	f.Add(aPatient, parameters(operation("delete", "path", "Patient.birthDate.extension.where(url='u:a')"), operation("replace", "path", "Patient.multipleBirth", "value", `"valueBoolean":true`)))
	f.Add(aPatient, parameters(operation("insert", "path", "Patient.contact", "index", "0", "value", `"part":[{"name":"gender","valueCode":"x"}]`), operation("delete", "path", "name.given.first()")))
	f.Fuzz(func(t *testing.T, doc, text string) {
		r, err := fhir.Parse([]byte(doc))
		if err != nil {
			return
		}
		parameters, err := fhir.Parse([]byte(text))
		if err != nil {
			return
		}
		p, err := patch.ParseFHIRPath(parameters, r4.Tables)
		if err != nil {
			return
		}
		mayBeAppliedAgain(t, p, r)
	})
}

// Ensure that any text is a path or is refused, without a panic.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"Patient.name.where(use = 'x' and given='\\u0041')[1].first()", "value.ofType(Quantity).`value`", "Patient.name.where(a.b = -1.5)"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if len(path) > 2000 {
			return
		}
		_ = applyPath(t, `{"resourceType":"Patient","name":[{"use":"usual"}]}`, parameters(operation("delete", "path", strings.ToValidUTF8(path, ""))))
	})
}
