package bars

import (
	"iter"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// The element rules are what the element tables of the BaRS applications demand
// beyond FHIR R4 and beyond the message definition: which elements must be
// there, with which code, referring to what. They are data (element_rules*.go);
// docs/doors/bars-rules.md lists them with their tests.

// maxElementFaults bounds how many broken element rules one answer lists.
const maxElementFaults = 100

// elementRule is one row.
type elementRule struct {
	id    string
	on    string // the resource type that is looked at; anyResource for all, "Bundle" for the message as a whole
	path  string // the element, from the resource
	apps  []int  // the applications that demand it; none: all
	kinds kinds  // the messages that must keep it; none: all
	check elementCheck
	text  string // the rule in a sentence, which is also the diagnostics
}

// elementCheck looks at one resource and notes where it breaks the rule.
type elementCheck func(x *elements, r *elementRule, v fhir.Value)

// anyResource stands for every resource of the message, the MessageHeader
// included.
const anyResource = "*"

// kinds is a set of kinds of message.
type kinds uint16

const (
	kindBooking kinds = 1 << iota
	kindBookingCancel
	kindReferral // new or update
	kindReferralCancel
	kindValidation // new or update
	kindInterim
	kindFull
	kindStatus
	kindNoShow
)

// kindByDefinition says by the last part of its definition which kind a message
// is.
var kindByDefinition = map[string]kinds{
	defBooking:        kindBooking,
	defBookingCancel:  kindBookingCancel,
	defReferral:       kindReferral,
	defReferralCancel: kindReferralCancel,
	"bars-message-servicerequest-request-validation":          kindValidation,
	"bars-message-servicerequest-response-validation-interim": kindInterim,
	"bars-message-servicerequest-response-validation-full":    kindFull,
	"bars-message-servicerequest-response-referral-short":     kindStatus,
	"bars-message-servicerequest-request-response-short":      kindStatus, // as published examples spell it
	"bars-message-servicerequest-response-referral":           kindNoShow,
}

// elements is one message under the element rules.
type elements struct {
	m      *message
	kind   kinds
	app    int
	useOf  string // the use case, "" where the message names none
	byURL  map[string]*entry
	faults []elementFault
	more   bool // there are more faults than are listed
}

// elementFault is one place where a message breaks a rule.
type elementFault struct {
	rule *elementRule
	at   string
}

// checkElements holds the message to the element rules of its application and
// kind. All that is wrong is reported at once: as errors in strict mode, else,
// and for what a door translated, as warnings (design D7). A service that
// doesn't offer the use case can't judge by the rules of its application.
func (m *message) checkElements() {
	if m.offers != nil && m.useCase != "" && !m.offers(m.useCase) {
		return
	}
	x := newElements(m)
	x.run()
	for _, f := range x.faults {
		m.element(f.at, f.rule.text)
	}
	if x.more {
		m.element("Bundle", "more element rules are broken than are listed")
	}
}

func (m *message) element(expression, diagnostics string) {
	if m.mode == Strict && !m.translated {
		m.broken(expression, diagnostics)
		return
	}
	m.warnings = append(m.warnings, fhir.Issue{Expression: expression, Diagnostics: diagnostics})
}

func newElements(m *message) *elements {
	x := &elements{m: m, byURL: make(map[string]*entry, len(m.entries))}
	for _, e := range m.entries {
		for _, name := range []string{e.relative, e.fullURL} {
			if name != "" {
				x.byURL[name] = e
			}
		}
	}
	url, _, _ := strings.Cut(m.header.Get("definition").Text(), "|")
	x.kind = kindByDefinition[strings.TrimPrefix(url, definitionBase)]
	x.useOf = m.namedUseCase()
	x.app = application(x.useOf)
	return x
}

// namedUseCase reads the use case from the ServiceRequest, else from the
// Appointment. Whether it is the only one is checked elsewhere.
func (m *message) namedUseCase() string {
	for _, place := range []struct{ typ, member string }{{"ServiceRequest", "category"}, {"Appointment", "serviceCategory"}} {
		e := m.first(place.typ)
		if e == nil {
			continue
		}
		category := e.res.Get(place.member)
		if code, known := foldUseCase(fhir.CodeOf(category, SystemUseCases)); known {
			return code
		}
		if fhir.CodeOf(category, systemServiceCat) == generalPractice {
			return useCaseGPBooking
		}
	}
	return ""
}

// run applies every rule to the resources that it is about, in the message's
// order. A resource for which the definition has no place is refused as a whole,
// so its elements don't count.
func (x *elements) run() {
	x.apply("Bundle", x.m.bundle.Root())
	x.apply("MessageHeader", x.m.header)
	seen := map[string]int{"MessageHeader": 1}
	for _, e := range x.m.entries {
		seen[e.typ]++
		if c := x.content(e.typ); c == nil || c.Max == 0 || seen[e.typ] <= c.Max {
			x.apply(e.typ, e.res)
		}
	}
}

// content is the definition's line about a type: nil where no definition is
// known, at most -1 where it has none.
func (x *elements) content(typ string) *Content {
	if x.m.definition == nil {
		return nil
	}
	for i := range x.m.definition.Content {
		if c := &x.m.definition.Content[i]; c.Type == typ {
			return c
		}
	}
	return &Content{Type: typ, Max: -1}
}

func (x *elements) apply(typ string, v fhir.Value) {
	if !v.Exists() {
		return
	}
	for _, r := range elementRulesOn[typ] {
		if x.covers(r) {
			r.check(x, r, v)
		}
	}
	if typ == "Bundle" {
		return
	}
	for _, r := range elementRulesOn[anyResource] {
		if x.covers(r) {
			r.check(x, r, v)
		}
	}
}

func (x *elements) covers(r *elementRule) bool {
	if r.kinds != 0 && r.kinds&x.kind == 0 {
		return false
	}
	return len(r.apps) == 0 || slices.Contains(r.apps, x.app)
}

// fail notes that the rule is broken at a member of v, or at v itself. The path
// is written only for what will be listed, because it costs a walk.
func (x *elements) fail(r *elementRule, v fhir.Value, member string) {
	if len(x.faults) == maxElementFaults {
		x.more = true
		return
	}
	at := v.Path()
	if member != "" {
		at += "." + member
	}
	x.faults = append(x.faults, elementFault{r, at})
}

// target returns the entry that a Reference names.
func (x *elements) target(reference fhir.Value) *entry {
	return x.byURL[localName(reference.Get("reference").Text())]
}

// isNew says whether the sender asks for something new, all of whose records
// the receiver will name.
func (x *elements) isNew() bool {
	return x.kind&(kindBooking|kindReferral|kindValidation) != 0 && x.m.reason == ReasonNew
}

// senderEncounter is the Encounter that the ServiceRequest names, else the
// first: in an update the receiver's own may be there too.
func (x *elements) senderEncounter() *entry {
	if request := x.m.first("ServiceRequest"); request != nil {
		if e := x.target(request.res.Get("encounter")); e != nil {
			return e
		}
	}
	return x.m.first("Encounter")
}

// values ranges over what is at a path, through all elements of the arrays on
// the way.
func values(v fhir.Value, path string) iter.Seq[fhir.Value] {
	return func(yield func(fhir.Value) bool) { yieldValues(v, path, yield) }
}

func yieldValues(v fhir.Value, path string, yield func(fhir.Value) bool) bool {
	if v.Kind() == fhir.ArrayKind {
		for item := range v.Items() {
			if !yieldValues(item, path, yield) {
				return false
			}
		}
		return true
	}
	if path == "" {
		return !v.Exists() || yield(v)
	}
	name, rest, _ := strings.Cut(path, ".")
	return yieldValues(v.Get(name), rest, yield)
}
