package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// resourceGenerator makes resources that refer to one another, and query texts
// about them, over a small vocabulary.
type resourceGenerator struct {
	*rand.Rand
	ids int // ids in use, of each type
}

// Types that the generator knows.
var differTypes = []string{"Patient", "Organization", "HealthcareService", "Schedule", "Slot", "Appointment", "Observation", "Task", "Questionnaire", "QuestionnaireResponse"}

func (g *resourceGenerator) of(from ...string) string { return from[g.IntN(len(from))] }

// some is one of from, or nothing.
func (g *resourceGenerator) some(from ...string) string {
	if g.IntN(4) == 0 {
		return ""
	}
	return g.of(from...)
}

func (g *resourceGenerator) id() string { return fmt.Sprint("r", g.IntN(g.ids)) }

func (g *resourceGenerator) code() string {
	code := g.of("a", "b", "c", "a$b", "d,e")
	return fmt.Sprintf(`{"coding":[{%s"code":%q%s}]%s}`, g.of(`"system":"urn:s",`, `"system":"urn:t",`, ``), code,
		g.of("", `,"display":"`+g.word()+`"`), g.of("", "", `,"text":"`+g.word()+` `+g.word()+`"`))
}

func (g *resourceGenerator) word() string {
	return g.of("Smith", "Smyth", "Smithers", "Zoë", "van Dyke", "O'Hara", "Łuk", "Jones")
}

func (g *resourceGenerator) date() string {
	return g.of("2026", "2026-03", "2026-03-10", "2026-03-10T10:00:00Z", "2026-03-11T23:59:59.5+01:00", "2026-04-01", "1970-02-03", "2025-12-31")
}

func (g *resourceGenerator) period() string {
	a, b := g.date(), g.date()
	return g.of(`{"start":"`+a+`"}`, `{"end":"`+b+`"}`, `{"start":"`+min(a, b)+`","end":"`+max(a, b)+`"}`)
}

func (g *resourceGenerator) quantity() string {
	return fmt.Sprintf(`{"value":%s%s%s}`, g.of("5", "5.4", "5.40", "-3", "0", "120", "1e2", "1e300"),
		g.some(`,"comparator":"<"`, ``, ``, `,"comparator":">="`), g.of(`,"system":"urn:u","code":"mg"`, `,"unit":"mg"`, `,"system":"urn:u","code":"kg","unit":"kilo"`, ``))
}

func (g *resourceGenerator) value() string {
	return g.of(`,"valueQuantity":`+g.quantity(), `,"valueQuantity":`+g.quantity(), `,"valueCodeableConcept":`+g.code(),
		`,"valueString":"`+g.word()+`"`, `,"valueDateTime":"`+g.date()+`"`, `,"valuePeriod":`+g.period(), ``)
}

func (g *resourceGenerator) reference(types ...string) string {
	at := g.of("", "", "", "https://onward.example/FHIR/R4/", "https://other.example/")
	return fmt.Sprintf(`{"reference":"%s%s/%s%s"%s}`, at, g.of(types...), g.id(), g.of("", "", "/_history/2"), g.of("", `,"identifier":{"system":"urn:n","value":"9"}`))
}

// resource is the text of a resource, with optional parts left out at random.
func (g *resourceGenerator) resource(typ, id string) string {
	parts := []string{fmt.Sprintf(`"resourceType":%q,"id":%q`, typ, id)}
	add := func(text string, args ...any) {
		if g.IntN(5) > 0 {
			parts = append(parts, fmt.Sprintf(text, args...))
		}
	}
	add(`"identifier":[{"system":%q,"value":%q}]`, g.of("urn:n", "urn:m"), g.of("1", "2", "3"))
	add(`"meta":{"tag":[{"code":%q}],"profile":["https://p.example/%s"]}`, g.of("x", "y"), g.of("a", "ab", "b"))
	switch typ {
	case "Patient":
		add(`"name":[{"family":%q,"given":[%q]},{"text":%q}]`, g.word(), g.word(), g.word())
		add(`"gender":%q`, g.of("male", "female"))
		add(`"birthDate":%q`, g.of("1970", "1970-02", "1970-02-03"))
		add(`"deceasedBoolean":%s`, g.of("true", "false"))
		add(`"link":[{"other":%s}]`, g.reference("Patient"))
	case "Organization":
		add(`"name":%q`, g.word())
		add(`"partOf":%s`, g.reference("Organization"))
	case "HealthcareService":
		add(`"name":%q,"active":%s`, g.word(), g.of("true", "false"))
		add(`"providedBy":%s`, g.reference("Organization"))
	case "Schedule":
		add(`"actor":[%s,%s]`, g.reference("HealthcareService"), g.reference("Patient", "HealthcareService"))
		add(`"planningHorizon":%s`, g.period())
	case "Slot":
		add(`"status":%q`, g.of("free", "busy"))
		add(`"schedule":%s`, g.reference("Schedule"))
		add(`"start":%q`, g.date())
		add(`"serviceType":[%s,%s]`, g.code(), g.code())
	case "Appointment":
		add(`"status":%q`, g.of("booked", "cancelled"))
		add(`"slot":[%s]`, g.reference("Slot"))
		add(`"participant":[{"actor":%s,"status":"accepted"},{"actor":%s}]`, g.reference("Patient"), g.reference("HealthcareService", "Patient"))
		add(`"start":%q`, g.date())
	case "Observation":
		add(`"status":"final","code":%s%s`, g.code(), g.value())
		add(`"component":[{"code":%s%s},{"code":%s%s}]`, g.code(), g.value(), g.code(), g.value())
		add(`"subject":%s`, g.reference("Patient"))
		add(`"effectivePeriod":%s`, g.period())
	case "Task":
		add(`"status":%q`, g.of("draft", "completed"))
		add(`"focus":%s`, g.reference("Appointment", "Slot", "Task"))
		add(`"partOf":[%s]`, g.reference("Task"))
		add(`"executionPeriod":%s`, g.period())
	case "Questionnaire":
		add(`"url":"https://q.example/%s"`, g.of("a", "b"))
		add(`"title":%q`, g.word())
		add(`"useContext":[{"code":{"code":"a"},"valueQuantity":%s},{"code":{"code":"b"},"valueCodeableConcept":%s}]`, g.quantity(), g.code())
	case "QuestionnaireResponse":
		add(`"questionnaire":"https://q.example/%s"`, g.of("a|1", "b", "c"))
		add(`"subject":%s`, g.reference("Patient"))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// fill writes resources, changes some and deletes some, and returns what stands.
func (g *resourceGenerator) fill(e *Env, n int) (documents, error) {
	standing := map[store.Ref]search.Doc{}
	o := differOptions()
	for len(standing) < n {
		e.Clock.Move(time.Duration(g.IntN(3)) * time.Millisecond)
		ref := store.Ref{Type: g.of(differTypes...), ID: g.id()}
		r, err := fhir.Parse([]byte(g.resource(ref.Type, ref.ID)))
		if err != nil {
			return nil, err
		}
		record := &store.Record{Type: ref.Type, ID: ref.ID, Method: "PUT", Body: r.JSON(), Index: search.Extract(r, o)}
		done, err := e.commit(put(record))
		if err != nil {
			return nil, err
		}
		standing[ref] = search.Doc{ID: ref.ID, Updated: done.Versions[0].LastUpdated.UnixMilli(), Index: record.Index}
		if g.IntN(12) == 0 {
			if _, err := e.commit(store.Delete{Ref: ref}); err != nil {
				return nil, err
			}
			delete(standing, ref)
		}
	}
	docs := documents{}
	for ref, doc := range standing {
		docs[ref.Type] = append(docs[ref.Type], doc)
	}
	return docs, nil
}
