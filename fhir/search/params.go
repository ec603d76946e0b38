package search

import (
	"slices"
	"strings"
)

// Type is the kind of a search parameter (R4 search.html#ptypes). None of the
// types served has a parameter of type number; special ones aren't offered.
type Type string

// The types.
const (
	TokenType     Type = "token"
	StringType    Type = "string"
	ReferenceType Type = "reference"
	DateType      Type = "date"
	URIType       Type = "uri"
	QuantityType  Type = "quantity"
	CompositeType Type = "composite"
)

// Param is one search parameter of one resource type.
type Param struct {
	Name string
	Type Type
	// Paths are the JSON member names from the resource down, with dots. A
	// choice element has one path a type. "telecom[system=phone]" picks the
	// elements with that member. No path: the record's own id or time.
	Paths []string
	// Targets are the types that a reference may point to; nil: any type.
	Targets []string

	steps [][]step
	// system is the implicit code system of an element of type code or boolean.
	system string
	// sortable: Extract makes a SortKey.
	sortable bool
	// narrow: only references to Targets count (R4's "resolve() is Patient").
	narrow bool
	// contact: a ContactPoint, whose system isn't a code system.
	contact bool
	// compact: compared without blanks (postal codes).
	compact bool
	// suffixes: the entries for :contains are made.
	suffixes bool
	// sounds: compared by the sound of its words.
	sounds bool
	// whether: a boolean that says whether an element is there and isn't false.
	whether bool
	// pair: the parts of a composite.
	pair *pair
}

// step is one member name of a path, with its filter if it has one.
type step struct{ name, key, value string }

// ParamsOf returns the search parameters of a resource type, sorted by name.
// A type that isn't in the table has those that every resource has. The slice
// is shared and must not be changed.
func ParamsOf(typ string) []Param {
	if list, ok := table[typ]; ok {
		return list
	}
	return common
}

// Types returns the resource types in the table, sorted.
func Types() []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// paramOf returns one parameter, nil where the type has none of this name.
func paramOf(typ, name string) *Param {
	list := ParamsOf(typ)
	i, found := slices.BinarySearchFunc(list, name, func(p Param, name string) int {
		return strings.Compare(p.Name, name)
	})
	if !found {
		return nil
	}
	return &list[i]
}

// common are the parameters of every resource.
var common = withCommon()

// table is never changed after start-up.
var table = map[string][]Param{
	"AllergyIntolerance":    withCommon(allergyIntolerance...),
	"Appointment":           withCommon(appointment...),
	"Binary":                withCommon(),
	"CarePlan":              withCommon(carePlan...),
	"Communication":         withCommon(communication...),
	"Condition":             withCommon(condition...),
	"Consent":               withCommon(consent...),
	"Device":                withCommon(device...),
	"DocumentReference":     withCommon(documentReference...),
	"Encounter":             withCommon(encounter...),
	"Endpoint":              withCommon(endpoint...),
	"Flag":                  withCommon(flag...),
	"HealthcareService":     withCommon(healthcareService...),
	"Location":              withCommon(location...),
	"MedicationStatement":   withCommon(medicationStatement...),
	"Observation":           withCommon(observation...),
	"Organization":          withCommon(organization...),
	"Patient":               withCommon(patient...),
	"Practitioner":          withCommon(practitioner...),
	"PractitionerRole":      withCommon(practitionerRole...),
	"Procedure":             withCommon(procedure...),
	"Questionnaire":         withCommon(questionnaire...),
	"QuestionnaireResponse": withCommon(questionnaireResponse...),
	"RelatedPerson":         withCommon(relatedPerson...),
	"Schedule":              withCommon(schedule...),
	"ServiceRequest":        withCommon(serviceRequest...),
	"Slot":                  withCommon(slot...),
	"Subscription":          withCommon(subscription...),
	"Task":                  withCommon(task...),
}

func withCommon(own ...Param) []Param {
	list := append([]Param{
		{Name: "_id", Type: TokenType},
		{Name: "_lastUpdated", Type: DateType},
		uri("_profile", "meta.profile"),
		token("_security", "meta.security"),
		uri("_source", "meta.source"),
		token("_tag", "meta.tag"),
	}, own...)
	slices.SortFunc(list, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// token is a parameter on a CodeableConcept, Coding, Identifier or string.
func token(name string, paths ...string) Param {
	return newParam(Param{Name: name, Type: TokenType, Paths: paths})
}

// code is a token on an element of type code, whose system R4 fixes.
func code(name, system string, paths ...string) Param {
	if !strings.Contains(system, ":") {
		system = "http://hl7.org/fhir/" + system
	}
	return newParam(Param{Name: name, Type: TokenType, Paths: paths, system: system})
}

// boolean is a token on an element of type boolean.
func boolean(name, path string) Param { return code(name, booleans, path) }

// booleans is the implicit system of a boolean.
const booleans = "http://hl7.org/fhir/special-values"

// contact is a token on a ContactPoint.
func contact(name, path string) Param {
	return newParam(Param{Name: name, Type: TokenType, Paths: []string{path}, contact: true})
}

// text is a string parameter.
func text(name string, paths ...string) Param {
	return newParam(Param{Name: name, Type: StringType, Paths: paths, suffixes: true})
}

// longText is a string parameter without :contains, whose entries would
// outnumber all others.
func longText(name string, paths ...string) Param {
	p := text(name, paths...)
	p.suffixes = false
	return p
}

// date is a parameter on a date, dateTime, instant, Period or Timing.
func date(name string, paths ...string) Param {
	return newParam(Param{Name: name, Type: DateType, Paths: paths})
}

// quantity is a parameter on a Quantity, Age, Duration, Range or SampledData.
func quantity(name string, paths ...string) Param {
	return newParam(Param{Name: name, Type: QuantityType, Paths: paths})
}

// phonetic is a string parameter that is compared by sound.
func phonetic(name, path string) Param {
	p := longText(name, path)
	p.sounds = true
	return p
}

// whether is the token true where one of the elements is there and isn't
// false, and else the token false.
func whether(name string, paths ...string) Param {
	p := code(name, booleans, paths...)
	p.whether = true
	return p
}

// uri is a parameter on a uri, url or canonical.
func uri(name string, paths ...string) Param {
	return newParam(Param{Name: name, Type: URIType, Paths: paths})
}

// reference is a parameter on a Reference or canonical; targets are divided by
// blanks, "" is any type.
func reference(name, targets string, paths ...string) Param {
	return newParam(Param{Name: name, Type: ReferenceType, Paths: paths, Targets: strings.Fields(targets)})
}

// only is a reference parameter that takes from an element with more targets
// the references to one type.
func only(name, target, path string) Param {
	p := reference(name, target, path)
	p.narrow = true
	return p
}

// canMiss says whether :missing means anything. A "whether" is never missing.
func (p *Param) canMiss() bool { return len(p.steps) > 0 && !p.whether }

// labelled says whether a text may stand beside the code, for :text.
func (p *Param) labelled() bool {
	return p.Type == TokenType && p.system == "" && !p.contact && len(p.steps) > 0
}

func newParam(p Param) Param {
	if len(p.Targets) == 0 {
		p.Targets = nil
	}
	p.sortable = p.Type == TokenType || p.Type == StringType || p.Type == URIType || p.Type == ReferenceType
	for _, path := range p.Paths {
		p.steps = append(p.steps, stepsOf(path))
	}
	return p
}

func stepsOf(path string) []step {
	var steps []step
	for _, part := range strings.Split(path, ".") {
		name, filter, _ := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		key, value, _ := strings.Cut(filter, "=")
		steps = append(steps, step{name, key, value})
	}
	return steps
}
