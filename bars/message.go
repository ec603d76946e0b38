package bars

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func itoa(n int) string { return strconv.Itoa(n) }

// maxEntries bounds a bundle.
const maxEntries = 500

// message is a BaRS message bundle that has passed the checks that need no
// store (BaRS Core 1.5, composite messages).
type message struct {
	bundle       *fhir.Resource
	id           string
	entries      []*entry // without the MessageHeader
	header       fhir.Value
	event        string
	reason       string
	definition   *Definition
	destinations []destination
	destination  destination // the one that is us
	sender       *entry
	source       string // where answers go: source.endpoint
	focus        *entry
	request      *entry    // the ServiceRequest or Appointment whose status counts
	responder    *entry    // in a response: the Encounter of who answers
	asked        *exchange // in a response: what it answers
	before       *exchange // what is held about the record that the message changes, where it names no use case
	category     string
	useCase      string
	rule         *rule
	warnings     []fhir.Issue
	problems     *fhir.Outcome
	mode         Mode
	translated   bool                      // a door wrote the FHIR, from another format
	offers       func(useCase string) bool // what the target service takes; nil until it is known
}

// destination is one of MessageHeader.destination.
type destination struct {
	at       string // its path
	service  nhs.ServiceID
	receiver *entry // the Organization that it names
}

// entry is one entry of the bundle, and what becomes of it.
type entry struct {
	index   int
	sentURL string // fullUrl as sent
	fullURL string // the same in the spelling of localName
	// relative is its name as a relative reference: from a fullUrl that is the
	// address of a REST server (R4, resolving references in bundles), else from its
	// own id; "" where it has neither.
	relative string
	res      fhir.Value
	typ      string
	id       string // resource.id as sent; "" where it is no FHIR id
	plan     plan
}

func (e *entry) resource() *fhir.Resource { return e.res.Resource() }
func (e *entry) path() string             { return e.res.Path() }

// broken notes a broken rule of content, unless the definitions of FHIR have
// found fault with that very place.
func (m *message) broken(expression, diagnostics string) {
	if !slices.ContainsFunc(m.problems.Issues, func(i fhir.Issue) bool { return i.Kind != 0 && i.Expression == expression }) {
		m.problems.Add(expression, diagnostics)
	}
}

// strictly notes a rule that is an error in strict mode and a warning else.
func (m *message) strictly(expression, diagnostics string) {
	if m.mode == Strict {
		m.broken(expression, diagnostics)
		return
	}
	m.warnings = append(m.warnings, fhir.Issue{Expression: expression, Diagnostics: diagnostics})
}

// parseMessage holds the bundle to FHIR and checks it and its header. All that
// is wrong with them is reported at once.
func parseMessage(req *MessageRequest, mode Mode) (*message, error) {
	bundle := req.Bundle
	m := &message{bundle: bundle, mode: mode, translated: req.Translated, problems: &fhir.Outcome{Kind: fhir.KindInvariant}}
	if bundle.Type() != "Bundle" {
		return nil, fhir.NewOutcome(fhir.KindInvariant, "Bundle.type", "the body must be a Bundle of type message")
	}
	if bundle.Get("type").Text() != "message" {
		return nil, fhir.NewOutcome(fhir.KindInvariant, "Bundle.type", "Bundle.type must be message")
	}
	list := bundle.Root().Get("entry")
	if n := list.Len(); n > maxEntries {
		return nil, fhir.NewOutcome(fhir.KindTooLarge, "Bundle.entry", "a bundle may hold at most "+itoa(maxEntries)+" entries")
	}
	if err := m.conform(req.Attached, req.Translated); err != nil {
		return nil, err
	}
	m.id = bundle.ID()
	m.checkEnvelope()
	m.readEntries(list)
	if m.header.Exists() {
		m.readHeader()
	}
	if err := m.problems.OrNil(); err != nil {
		return nil, err
	}
	return m, nil
}

// checkEnvelope checks the Bundle's own elements.
func (m *message) checkEnvelope() {
	root := m.bundle.Root()
	if m.id == "" {
		m.strictly("Bundle.id", "Bundle.id is needed: answers name it")
	}
	if !root.Get("timestamp").Exists() {
		m.broken("Bundle.timestamp", "a message needs Bundle.timestamp")
	}
	if !root.Dig("meta", "lastUpdated").Exists() {
		m.strictly("Bundle.meta.lastUpdated", "a message needs meta.lastUpdated")
	}
	if root.Dig("meta", "versionId").Text() == "" {
		m.broken("Bundle.meta.versionId", "meta.versionId must name the version of the Application that the message complies with")
	}
}

// readEntries fills entries and header.
func (m *message) readEntries(list fhir.Value) {
	seen := map[string]bool{}
	index := 0
	for item := range list.Items() {
		e := &entry{index: index, sentURL: item.Get("fullUrl").Text(), res: item.Get("resource")}
		e.fullURL = localName(e.sentURL)
		index++
		if e.res.Kind() != fhir.ObjectKind {
			m.broken(item.Path(), "every entry must hold a resource")
			continue
		}
		e.typ = e.res.Get("resourceType").Text()
		if id := e.res.Get("id").Text(); fhir.ValidID(id) {
			e.id = id
		}
		e.relative = relativeName(e)
		if e.fullURL == "" {
			m.broken(item.Path()+".fullUrl", "every entry needs a fullUrl")
		} else if seen[e.fullURL] {
			m.broken(item.Path()+".fullUrl", "two entries have the same fullUrl")
		} else if id, found := strings.CutPrefix(strings.ToLower(e.sentURL), "urn:uuid:"); !found || !fhir.ValidUUID(id) {
			m.strictly(item.Path()+".fullUrl", "fullUrl must be urn:uuid: and a UUID")
		}
		seen[e.fullURL] = true
		if !e.res.Dig("meta", "lastUpdated").Exists() {
			m.strictly(e.path()+".meta.lastUpdated", "every resource needs meta.lastUpdated")
		}
		if e.index == 0 {
			if e.typ != "MessageHeader" {
				m.broken(e.path(), "the first entry must be the MessageHeader")
				continue
			}
			m.header = e.res
			continue
		}
		m.entries = append(m.entries, e)
	}
	if index == 0 {
		m.broken("Bundle.entry", "a message needs entries, the MessageHeader first")
	}
}

// readHeader checks the MessageHeader (BaRS Core 1.5, message headers).
func (m *message) readHeader() {
	h, at := m.header, m.header.Path()
	m.event = m.codeIn(h.Get("eventCoding"), SystemEvents, oldSystemEvents)
	if m.event == "" {
		m.broken(at+".eventCoding", "eventCoding must hold a code of "+SystemEvents)
	}
	m.reason = m.codeIn(h.Get("reason"), SystemReasons, oldSystemReasons)
	if m.reason == "" {
		m.broken(at+".reason", "reason must hold a code of "+SystemReasons)
	}
	m.readDestinations(h.Get("destination"), at)
	m.sender = m.organisation(h.Dig("sender", "reference"), at+".sender")
	m.readSource(h.Dig("source", "endpoint"), at+".source.endpoint")
	if h.Dig("source", "name").Text() == "" {
		m.strictly(at+".source.name", "source.name must name the supplier")
	}
	// A canonical URL may name a version, which the bundle's versionId says too.
	if url, _, _ := strings.Cut(h.Get("definition").Text(), "|"); url == "" {
		m.broken(at+".definition", "definition must name the MessageDefinition that the message complies with")
	} else if m.definition = definitionByURL(url); m.definition == nil {
		m.broken(at+".definition", "definition names no MessageDefinition of the standard")
	}
	m.readFocus(at + ".focus")
}

// maxSource bounds source.endpoint in bytes, written system|value: answers wait in
// the outbox under it, which takes no longer name.
const maxSource = 256

// readSource reads where answers go. One that can't go there must be refused while
// its sender listens, not when staff answer.
func (m *message) readSource(endpoint fhir.Value, at string) {
	m.source = endpoint.Text()
	switch {
	case m.source == "":
		m.broken(at, "source.endpoint must say where answers go, as system|value")
	case len(nhs.ParseServiceID(m.source).String()) > maxSource:
		m.broken(at, "source.endpoint may have at most "+itoa(maxSource)+" bytes, its system counted")
	}
}

// readDestinations reads whom the message is for. It may be for several; which
// of them we are is found out later.
func (m *message) readDestinations(list fhir.Value, at string) {
	if list.Len() == 0 {
		m.broken(at+".destination", "a destination is needed")
	}
	if list.Len() > maxNamed {
		m.broken(at+".destination", "at most "+itoa(maxNamed)+" may be named")
		return
	}
	for item := range list.Items() {
		d := destination{at: item.Path(), service: nhs.ParseServiceID(item.Get("endpoint").Text())}
		if d.service.Value == "" {
			m.broken(d.at+".endpoint", "destination.endpoint must name the target service as system|value")
		}
		d.receiver = m.organisation(item.Dig("receiver", "reference"), d.at+".receiver")
		m.destinations = append(m.destinations, d)
	}
}

func (m *message) codeIn(v fhir.Value, system, old string) string {
	if code := fhir.CodeOf(v, system); code != "" || m.mode == Strict {
		return code
	}
	return fhir.CodeOf(v, old)
}

// organisation resolves a reference of the header to an Organization entry.
func (m *message) organisation(ref fhir.Value, at string) *entry {
	if ref.Text() == "" {
		m.broken(at, "a reference to an Organization entry is needed")
		return nil
	}
	e := m.resolve(ref.Text())
	if e == nil || e.typ != "Organization" {
		m.broken(at, "the reference must name an Organization in this bundle")
		return nil
	}
	return e
}

// readFocus finds the focus entry: by fullUrl, or in an update by the relative
// reference under which we know it.
func (m *message) readFocus(at string) {
	focus := m.header.Get("focus")
	if focus.Len() == 0 {
		m.broken(at, "a focus is needed")
		return
	}
	ref := focus.At(0).Get("reference").Text()
	m.focus = m.resolve(ref)
	if parsed, ok := fhir.ParseReference(ref); m.focus == nil && ok && parsed.Base != "" {
		m.focus = m.resolve(parsed.Type + "/" + parsed.ID)
	}
	if m.focus == nil && m.mode == Lenient {
		m.focus = m.unnamed(ref)
	}
	if m.focus == nil {
		m.broken(at+"[0]", "the focus must name an entry of this bundle")
		return
	}
	m.request = m.focus
	// The pages of the standard name the Encounter as the focus of a response,
	// its element tables the ServiceRequest: both are taken.
	answers := m.event == EventReferralAnswer && m.focus.typ == "ServiceRequest"
	if m.definition != nil && m.focus.typ != m.definition.Focus && !answers {
		m.broken(at+"[0]", "the focus of this message must be a "+m.definition.Focus)
	}
}

// first returns the first entry of a type.
func (m *message) first(typ string) *entry {
	for _, e := range m.entries {
		if e.typ == typ {
			return e
		}
	}
	return nil
}

// all returns the entries of a type.
func (m *message) all(typ string) []*entry {
	var list []*entry
	for _, e := range m.entries {
		if e.typ == typ {
			list = append(list, e)
		}
	}
	return list
}
