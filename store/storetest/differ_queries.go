package storetest

import (
	"net/url"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// query is a random search of a random type.
func (g *resourceGenerator) query() (typ, text string) {
	typ = g.of(differTypes...)
	var params []string
	for range 1 + g.IntN(3) {
		name, value := g.param(typ, 0)
		params = append(params, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	if g.IntN(2) == 0 {
		params = append(params, "_sort="+g.of("", "-")+g.of(differSorts(typ)...)+","+g.of("", "-")+g.of("_lastUpdated", "_id", "identifier", "_tag"))
	}
	return typ, strings.Join(params, "&")
}

func differSorts(typ string) []string {
	switch typ {
	case "Patient":
		return []string{"birthdate", "family", "gender", "deceased"}
	case "Organization", "HealthcareService":
		return []string{"name", "_profile"}
	case "Schedule", "Appointment":
		return []string{"date", "actor"}
	case "Slot":
		return []string{"start", "status", "service-type", "schedule"}
	case "Observation":
		return []string{"value-quantity", "component-value-quantity", "code", "date", "value-string"}
	case "Task":
		return []string{"period", "status", "focus"}
	case "Questionnaire":
		return []string{"url", "title", "context-quantity"}
	}
	return []string{"_profile"}
}

// param is one condition; deeper ones stand behind a link.
func (g *resourceGenerator) param(typ string, depth int) (name, value string) {
	if g.IntN(5) == 0 {
		return g.common()
	}
	if depth < 3 && g.IntN(3) == 0 {
		if name, value, ok := g.chained(typ, depth+1); ok {
			return name, value
		}
	}
	escaped := func(code string) string { return strings.NewReplacer("$", `\$`, ",", `\,`).Replace(code) }
	token := func() string {
		return g.of("", "", "urn:s|", "urn:t|", "|") + escaped(g.of("a", "b", "c", "a$b", "d,e"))
	}
	refer := func(types ...string) (string, string) {
		return "", g.of(g.id(), g.of(types...)+"/"+g.id(), "https://other.example/"+types[0]+"/"+g.id(), g.id()+","+g.id())
	}
	as := func(name string, value string) (string, string) { return name, value }
	named := func(name string, types ...string) (string, string) {
		if g.IntN(5) == 0 {
			return name + ":identifier", g.of("urn:n|9", "9", "urn:m|9")
		}
		_, value := refer(types...)
		return name, value
	}
	text := func(name string) (string, string) {
		modifier := g.of("", "", ":exact", ":contains")
		return name + modifier, g.of(g.word(), strings.ToUpper(g.word()), g.word()+","+g.word(), "smit")
	}
	type made func() (string, string)
	pick := func(list ...made) (string, string) { return list[g.IntN(len(list))]() }
	when := func(name string) made { return func() (string, string) { return as(name, g.when()) } }
	codes := func(name string, from ...string) made {
		return func() (string, string) { return as(name+g.of("", "", ":not"), g.of(from...)) }
	}
	words := func(name string) made { return func() (string, string) { return text(name) } }
	to := func(name string, types ...string) made {
		return func() (string, string) { return named(name, types...) }
	}
	amount := func(name string) made { return func() (string, string) { return as(name, g.amount()) } }
	tokens := func(name string) made {
		return func() (string, string) {
			if g.IntN(6) == 0 {
				return as(name+":text", g.of(g.word(), strings.ToLower(g.word()), "smi,dyke"))
			}
			return as(name+g.of("", "", ":not"), g.of(token(), token()+","+token(), "urn:s|"))
		}
	}
	joined := func(name string, right func() string) made {
		return func() (string, string) { return as(name, token()+"$"+right()) }
	}
	switch typ {
	case "Patient":
		return pick(words("name"), words("family"), codes("gender", "male", "female", "male,female"), when("birthdate"), codes("deceased", "true", "false"), to("link", "Patient"),
			func() (string, string) { return as("phonetic", g.of("smith", "zoe", "smyth,jones", "ohara")) })
	case "Organization":
		return pick(words("name"), to("partof", "Organization"), func() (string, string) { return as("phonetic", "smith") })
	case "HealthcareService":
		return pick(words("name"), codes("active", "true", "false"), to("organization", "Organization"))
	case "Schedule":
		return pick(when("date"), to("actor", "HealthcareService", "Patient"))
	case "Slot":
		return pick(codes("status", "free", "busy"), when("start"), tokens("service-type"), to("schedule", "Schedule"))
	case "Appointment":
		return pick(codes("status", "booked", "cancelled"), when("date"), to("actor", "Patient", "HealthcareService"), to("patient", "Patient"), to("slot", "Slot"))
	case "Observation":
		return pick(tokens("code"), tokens("combo-code"), when("date"), when("value-date"), words("value-string"), tokens("value-concept"),
			amount("value-quantity"), amount("component-value-quantity"), amount("combo-value-quantity"), to("patient", "Patient"),
			joined("code-value-quantity", g.amount), joined("component-code-value-quantity", g.amount), joined("combo-code-value-quantity", g.amount),
			joined("code-value-concept", token), joined("combo-code-value-concept", token), joined("code-value-date", g.when), joined("code-value-string", g.word))
	case "Task":
		return pick(codes("status", "draft", "completed"), when("period"), to("focus", "Appointment", "Slot", "Task"), to("part-of", "Task"))
	case "Questionnaire":
		return pick(words("title"), func() (string, string) { return as("url"+g.of("", ":below"), "https://q.example/"+g.of("a", "b", "")) },
			amount("context-quantity"), joined("context-type-quantity", g.amount), joined("context-type-value", token))
	}
	return pick(to("patient", "Patient"), func() (string, string) { return as("questionnaire", "https://q.example/"+g.of("a", "a|1", "b")) })
}

// common is a condition that every type takes.
func (g *resourceGenerator) common() (name, value string) {
	switch g.IntN(5) {
	case 0:
		return "_id" + g.of("", ":not"), g.id() + "," + g.id()
	case 1:
		at := NewClock().Now().Add(time.Duration(g.IntN(300)) * time.Millisecond)
		return "_lastUpdated", g.of("ge", "lt", "sa", "eb", "ap") + fhir.FormatInstant(at)
	case 2:
		return "_tag" + g.of("", ":not"), g.of("x", "y")
	case 3:
		return "identifier" + g.of("", "", ":missing"), g.of("true")
	}
	return "_profile" + g.of("", ":below"), "https://p.example/" + g.of("a", "ab", "b")
}

func (g *resourceGenerator) when() string {
	return g.of("", "", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap") + g.date()
}

func (g *resourceGenerator) amount() string {
	return g.of("", "", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap") + g.of("5", "5.4", "5.40", "-3", "0", "120", "1e2") + g.of("", "", "||mg", "|urn:u|mg", "|urn:u|kg", "||kilo")
}

// chained is a condition behind a link, forward or backward.
func (g *resourceGenerator) chained(typ string, depth int) (name, value string, ok bool) {
	links := map[string][][2]string{
		"Patient":               {{"link:Patient.", "Patient"}, {"_has:Appointment:patient:", "Appointment"}, {"_has:Observation:subject:", "Observation"}, {"_has:Schedule:actor:", "Schedule"}, {"_has:Patient:link:", "Patient"}},
		"Organization":          {{"partof.", "Organization"}, {"_has:HealthcareService:organization:", "HealthcareService"}},
		"HealthcareService":     {{"organization.", "Organization"}, {"_has:Schedule:actor:", "Schedule"}},
		"Schedule":              {{"actor:HealthcareService.", "HealthcareService"}, {"_has:Slot:schedule:", "Slot"}},
		"Slot":                  {{"schedule.", "Schedule"}, {"_has:Appointment:slot:", "Appointment"}, {"_has:Task:focus:", "Task"}},
		"Appointment":           {{"patient.", "Patient"}, {"slot.", "Slot"}, {"actor:HealthcareService.", "HealthcareService"}},
		"Observation":           {{"subject:Patient.", "Patient"}},
		"Task":                  {{"focus:Slot.", "Slot"}, {"part-of.", "Task"}, {"_has:Task:part-of:", "Task"}},
		"Questionnaire":         {{"_has:QuestionnaireResponse:questionnaire:", "QuestionnaireResponse"}},
		"QuestionnaireResponse": {{"questionnaire.", "Questionnaire"}, {"patient.", "Patient"}},
	}[typ]
	if len(links) == 0 {
		return "", "", false
	}
	link := links[g.IntN(len(links))]
	name, value = g.param(link[1], depth)
	return link[0] + name, value, true
}
