package bars

import (
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Definition is a MessageDefinition as data: which resource types a message may
// hold and how many of each (BaRS Core 1.5). Types that it doesn't list may
// not be in the message.
type Definition struct {
	Name    string // last part of the canonical URL
	Event   string
	Title   string
	Focus   string
	Apps    []int // the applications that use it
	Content []Content
}

// Content is how many resources of one type a message holds. Max 0 means any
// number.
type Content struct {
	Type     string
	Min, Max int
}

// URL is the definition's canonical URL.
func (d *Definition) URL() string { return definitionBase + d.Name }

// Definitions returns the definitions of the messages that this receiver takes.
func Definitions() []*Definition { return slices.Clone(definitions) }

// definitionByURL finds a definition. A published example names the short
// response by another address, which means the same.
func definitionByURL(url string) *Definition {
	if url == definitionBase+aliasAnswerShort {
		url = definitionBase + defAnswerShort
	}
	for _, d := range definitions {
		if d.URL() == url {
			return d
		}
	}
	return nil
}

// ServesUseCase says whether a use case sends this message: application 7 only
// books, application 4 only asks for validation, and so on.
func (d *Definition) ServesUseCase(code string) bool {
	return slices.Contains(d.Apps, application(code))
}

// Resource writes the MessageDefinition as a service offers it for some use
// cases. Without a service it is the bare definition.
func (d *Definition) Resource(service nhs.ServiceID, useCases []string) *fhir.Resource {
	context := func(system, code string) *fhir.Object {
		return fhir.Obj(
			"code", fhir.Obj("system", systemUsageContext, "code", "workflow"),
			"valueCodeableConcept", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", system, "code", code)}),
		)
	}
	var contexts []*fhir.Object
	if service.Value != "" {
		contexts = append(contexts, context(service.System, service.Value))
	}
	for _, code := range useCases {
		contexts = append(contexts, context(SystemUseCases, code))
	}
	version := oldestVersion(d.Apps)
	if len(useCases) > 0 {
		version = oldestVersion(applications(useCases))
	}
	var focus []*fhir.Object
	for _, c := range d.Content {
		limit := "*"
		if c.Max > 0 {
			limit = itoa(c.Max)
		}
		focus = append(focus, fhir.Obj("code", c.Type, "min", c.Min, "max", limit))
	}
	return fhir.NewObject("MessageDefinition").
		Set("id", d.Name).
		Set("url", d.URL()).
		Set("version", version).
		Set("name", d.Name).
		Set("title", d.Title).
		Set("status", "active").
		Set("date", "2026-11-20").
		Set("useContext", contexts).
		Set("eventCoding", fhir.Obj("system", SystemEvents, "code", d.Event)).
		Set("category", "consequence").
		Set("focus", focus).
		Resource()
}
