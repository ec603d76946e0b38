package search

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

func (p *parser) summary(_, value string) *fhir.Outcome {
	switch value {
	case "count":
		p.out.CountOnly = true
	case "false":
	case "true", "text", "data":
		if !p.o.Subsets {
			return refuse("_summary", "only count and false are offered here")
		}
		p.out.Shape.Summary = value
	default:
		return badValue("_summary", "it must be true, text, data, count or false")
	}
	p.apply("_summary", value)
	return nil
}

// maxElements bounds "_elements".
const maxElements = 100

func (p *parser) elements(typ, value string) *fhir.Outcome {
	if !p.o.Subsets {
		return refuse("_elements", "it isn't offered here")
	}
	names := strings.Split(value, ",")
	if len(names) > maxElements {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "parameter _elements has more than "+strconv.Itoa(maxElements)+" names")
	}
	types := []string{typ}
	if typ == "" {
		types = p.out.Types
	}
	for _, name := range names {
		if !slices.ContainsFunc(types, func(t string) bool { return isElement(t, name) }) {
			return badValue("_elements", "one of its names is no top-level element of "+typeName(typ))
		}
	}
	p.out.Shape.Elements = names
	p.apply("_elements", value)
	return nil
}

// types takes "_type", which ParseTypes has read.
func (p *parser) types(typ, value string) *fhir.Outcome {
	if typ != "" {
		return refuse("_type", "only a search of several types takes it")
	}
	p.apply("_type", value)
	return nil
}

// agree refuses what can't be asked for together.
func (p *parser) agree() *fhir.Outcome {
	switch shape := p.out.Shape; {
	case shape.Summary != "" && len(shape.Elements) > 0:
		return badValue("_elements", "it can't be combined with _summary")
	case shape.Summary == "text" && len(p.out.Includes) > 0:
		return badValue("_summary", "text can't be combined with _include and _revinclude")
	}
	return nil
}
