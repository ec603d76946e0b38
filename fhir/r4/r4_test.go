package r4

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/def"
)

// find follows names from a type through the tables.
func find(t *testing.T, typeName string, names ...string) *def.Element {
	typ := Tables.Type(typeName)
	require.NotNil(t, typ, typeName)
	var e *def.Element
	for _, name := range names {
		e = typ.Element(name)
		require.NotNil(t, e, typ.Name+"."+name)
		typ = Tables.TypeOf(e)
	}
	return e
}

func TestAllTypesOfR4AreThere(t *testing.T) {
	count := map[def.Kind]int{}
	for i := range Tables.Types {
		count[Tables.Types[i].Kind]++
	}
	require.Equal(t, 146, count[def.Resource])
	require.Equal(t, 2, count[def.AbstractResource])
	require.Equal(t, 14, count[def.StringPrimitive])
	require.Equal(t, 4, count[def.NumberPrimitive])
	require.Equal(t, 1, count[def.BooleanPrimitive])
	require.Equal(t, 1, count[def.XHTML])
	require.NotNil(t, Tables.Resource("ServiceRequest"))
	require.Nil(t, Tables.Resource("Resource"), "an abstract type is no resource that can be sent")
	require.Nil(t, Tables.Resource("HumanName"))
	require.Nil(t, Tables.Type("SubscriptionStatus"), "that is R4B")
}

func TestEveryIndexOfTheTablesIsInRange(t *testing.T) {
	require.True(t, slices.IsSortedFunc(Tables.Types, func(a, b def.Type) int { return strings.Compare(a.Name, b.Name) }))
	for i := range Tables.Types {
		typ := &Tables.Types[i]
		order, names := uint8(0), map[string]bool{}
		for j := range typ.Elements {
			e := &typ.Elements[j]
			require.False(t, names[e.Name], typ.Name+"."+e.Name)
			names[e.Name] = true
			require.GreaterOrEqual(t, e.Order, order, typ.Name+"."+e.Name)
			order = e.Order
			require.NotEmpty(t, Tables.TypeOf(e).Name)
			Tables.TargetsOf(e)
			if codes := Tables.CodesOf(e); codes != nil {
				require.NotEmpty(t, codes.Systems, codes.URL)
			}
			require.False(t, e.Many && e.Choice != "", "no choice of R4 repeats, and the codec relies on it")
		}
	}
	for _, set := range Tables.CodeSets {
		for _, system := range set.Systems {
			require.True(t, slices.IsSorted(system.Codes), set.URL)
		}
	}
}

func TestElementsAreAsR4DefinesThem(t *testing.T) {
	cases := []struct {
		path      []string
		typ       string
		min       uint8
		many, own bool // own: an XML attribute
	}{
		{[]string{"ServiceRequest", "status"}, "code", 1, false, false},
		{[]string{"ServiceRequest", "subject"}, "Reference", 1, false, false},
		{[]string{"ServiceRequest", "basedOn"}, "Reference", 0, true, false},
		{[]string{"ServiceRequest", "occurrencePeriod"}, "Period", 0, false, false},
		{[]string{"Slot", "start"}, "instant", 1, false, false},
		{[]string{"Appointment", "participant"}, "Appointment.participant", 1, true, false},
		{[]string{"Appointment", "participant", "actor"}, "Reference", 0, false, false},
		{[]string{"Patient", "id"}, "id", 0, false, false},
		{[]string{"Patient", "contained"}, "Resource", 0, true, false},
		{[]string{"Patient", "name", "id"}, "string", 0, false, true},
		{[]string{"Extension", "url"}, "uri", 1, false, true},
		{[]string{"Extension", "valueBase64Binary"}, "base64Binary", 0, false, false},
		{[]string{"Narrative", "div"}, "xhtml", 1, false, false},
		{[]string{"Age", "value"}, "decimal", 0, false, false},
		{[]string{"Bundle", "entry", "link"}, "Bundle.link", 0, true, false},
		{[]string{"Bundle", "entry", "response", "outcome"}, "Resource", 0, false, false},
		{[]string{"Questionnaire", "item", "item", "item"}, "Questionnaire.item", 0, true, false},
		{[]string{"EvidenceVariable", "characteristic"}, "EvidenceVariable.characteristic", 1, true, false},
		{[]string{"string", "extension"}, "Extension", 0, true, false},
	}
	for _, c := range cases {
		t.Run(strings.Join(c.path, "."), func(t *testing.T) {
			e := find(t, c.path[0], c.path[1:]...)
			require.Equal(t, c.typ, Tables.TypeOf(e).Name)
			require.Equal(t, c.min, e.Min)
			require.Equal(t, c.many, e.Many)
			require.Equal(t, c.own, e.Attr)
		})
	}
}

func TestWhatR4DoesNotHaveIsNotThere(t *testing.T) {
	for _, c := range [][2]string{
		{"Meta", "project"}, {"Meta", "accounts"}, {"Binary", "url"}, {"HealthcareService", "offeredIn"},
		{"ResearchStudy", "label"}, {"Observation", "value[x]"}, {"Observation", "valueMoney"},
	} {
		require.Nil(t, Tables.Type(c[0]).Element(c[1]), c)
	}
}

func TestAChoiceStandsOnceForEachOfItsTypes(t *testing.T) {
	names, order := []string{}, map[uint8]bool{}
	for _, e := range Tables.Type("ServiceRequest").Elements {
		if e.Choice == "quantity[x]" {
			names = append(names, e.Name)
			order[e.Order] = true
		}
	}
	require.Equal(t, []string{"quantityQuantity", "quantityRatio", "quantityRange"}, names)
	require.Len(t, order, 1)
}

func TestReferenceTargets(t *testing.T) {
	require.Equal(t, []string{"Schedule"}, Tables.TargetsOf(find(t, "Slot", "schedule")))
	require.Equal(t, []string{"Device", "Group", "Location", "Patient"}, Tables.TargetsOf(find(t, "ServiceRequest", "subject")))
	require.Empty(t, Tables.TargetsOf(find(t, "Task", "focus")), "any resource")
	require.NotContains(t, Tables.TargetsOf(find(t, "AuditEvent", "agent", "who")), "Bot")
}

func TestRequiredCodes(t *testing.T) {
	status := Tables.CodesOf(find(t, "Slot", "status"))
	require.Equal(t, "http://hl7.org/fhir/ValueSet/slotstatus", status.URL)
	require.Equal(t, []def.System{{URL: "http://hl7.org/fhir/slotstatus",
		Codes: []string{"busy", "busy-tentative", "busy-unavailable", "entered-in-error", "free"}}}, status.Systems)
	require.True(t, status.Has("", "free"))
	require.True(t, status.Has("http://hl7.org/fhir/slotstatus", "free"))
	require.False(t, status.Has("http://example.org", "free"))
	require.False(t, status.Has("", "Free"))

	clinical := Tables.CodesOf(find(t, "AllergyIntolerance", "clinicalStatus"))
	require.True(t, clinical.Has("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"))

	require.Nil(t, Tables.CodesOf(find(t, "Slot", "serviceType")), "the binding isn't required")
	require.Nil(t, Tables.CodesOf(find(t, "Attachment", "contentType")), "MIME types aren't listed in FHIR")
	require.False(t, Tables.CodesOf(find(t, "Questionnaire", "item", "type")).Has("", "question"), "a code that only groups others")
}

func TestConstraintsStandWhereTheyAreDeclared(t *testing.T) {
	require.Len(t, Tables.Constraints, 209)
	for _, c := range []def.Constraint{
		{Path: "Period", Key: "per-1"}, {Path: "Organization.telecom", Key: "org-3"}, {Path: "Element", Key: "ele-1"},
		{Path: "Extension", Key: "ext-1"}, {Path: "DomainResource", Key: "dom-3"}, {Path: "Age", Key: "qty-3"},
	} {
		require.Contains(t, Tables.Constraints, c)
	}
	for _, c := range []def.Constraint{
		{Path: "Patient", Key: "dom-3"}, {Path: "Patient.name", Key: "ele-1"}, // declared by their base types
		{Path: "DomainResource", Key: "dom-6"},                  // a recommendation
		{Path: "EvidenceVariable.characteristic", Key: "evv-1"}, // of R5
	} {
		require.NotContains(t, Tables.Constraints, c)
	}
}

func BenchmarkElement(b *testing.B) {
	typ := Tables.Type("Extension")
	for b.Loop() {
		if typ.Element("valueMeta") == nil {
			b.Fatal("not found")
		}
	}
}

func BenchmarkType(b *testing.B) {
	for b.Loop() {
		if Tables.Type("Patient.contact") == nil {
			b.Fatal("not found")
		}
	}
}
