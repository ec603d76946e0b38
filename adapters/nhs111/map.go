package nhs111

import (
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// source is everything that the mapping goes by. Mapping it does no I/O; the
// clock's time and the ids come with it.
type source struct {
	Envelope  *envelope
	Documents []document
	Message   []byte // as received
	MediaType string // of Message
	Target    nhs.ServiceID
	UseCase   string      // of usecases-categories-bars
	Provider  nhs.ODSCode // of the target, "" where the room knows none
	Now       time.Time
	NewID     func() string
}

// Mapped is a 111 report in FHIR R4.
type Mapped struct {
	// Bundle is the BaRS referral message; nil for a copy for information.
	Bundle *fhir.Resource
	// Attached are the documents and, of a copy, all that they refer to.
	Attached []bars.Entry
	// Document is the version of the document that the message carries.
	Document *bars.Document
	// Omitted are the parts of the document that only the original holds, by path.
	Omitted []Omission
	// Warnings say what couldn't be read and stays in the document only.
	Warnings []string
}

// mapReport maps the newest document of a message and attaches all. The error
// is a KindInvariant Outcome that names the paths that can't be mapped.
func mapReport(in source) (*Mapped, error) {
	kind := in.Envelope.kind()
	reports, current, err := readReports(in.Documents)
	if err != nil {
		return nil, err
	}
	if err := samePatient(reports, current); err != nil {
		return nil, err
	}
	m := &mapper{source: in, report: reports[current], reports: reports, current: current,
		stamp: fhir.FormatInstant(in.Now), users: map[string]string{},
		organisations: map[string]*organisation{}, uncoded: map[*xmltree.Node]*organisation{}}
	m.allocate(kind)
	m.readCases()
	build := m.referral
	if kind == forInformation {
		build = m.copyOnly
	}
	mapped, err := build(kind)
	if err != nil {
		return nil, err
	}
	mapped.Document = m.version()
	mapped.Omitted = shortened(slices.Concat(omissions(m.report, kind), m.omitted, in.Envelope.Beside))
	mapped.Warnings = m.warnings
	mapped.Attached = append(mapped.Attached, m.provenance(mapped.Omitted))
	return mapped, nil
}

// version is the document for the room to tell versions apart by.
func (m *mapper) version() *bars.Document {
	content := m.Documents[0].Own
	for _, d := range m.Documents[1:] {
		content = append(append(slices.Clip(content), 0), d.Own...)
	}
	number, _ := bars.DocumentVersion(m.report.Version)
	return &bars.Document{ID: uri(m.report.ID), Set: m.report.set(), Version: number, Replaces: m.report.replaces(), Content: content}
}

// samePatient refuses a set whose documents name different people: attaching
// one to the other's record would harm both.
func samePatient(reports []*report, current int) error {
	mine := reports[current].numbers()
	for i, r := range reports {
		theirs := r.numbers()
		if i == current || len(mine) == 0 || len(theirs) == 0 {
			continue
		}
		shared := false
		for _, a := range mine {
			for _, b := range theirs {
				shared = shared || a == b
			}
		}
		if !shared {
			return fhir.NewOutcome(fhir.KindInvariant, "ClinicalDocument/recordTarget/patientRole/id",
				"the documents of one message must be of one patient, but their NHS numbers differ")
		}
	}
	return nil
}

// mapper holds what the parts of one mapping share: the names of the entries,
// so that each can refer to any other, and the entries made so far.
type mapper struct {
	source
	problems
	report  *report
	reports []*report
	current int
	stamp   string

	patient, encounterURL, carePlan, request, service string
	communication                                     string // of a copy
	senderURL                                         string // its Organization
	condition, complaint, incident                    string // "" where there is none
	authors                                           []person
	responsible                                       *person
	others                                            []person // informants that are staff, and who else took part
	flags                                             []string
	documentURLs                                      []string
	related                                           []relatedPerson
	triages                                           []triage
	questionnaires                                    []string
	users                                             map[string]string // practitioners of the triages
	warnings                                          []string
	omitted                                           []Omission

	organisations map[string]*organisation
	uncoded       map[*xmltree.Node]*organisation
	orgOrder      []*organisation

	entries []entry
}

// entry is a resource being built, with its bundle-local name.
type entry struct {
	url    string
	object *fhir.Object
}

// allocate names the entries before any is built.
func (m *mapper) allocate(kind interactionKind) {
	m.patient, m.encounterURL = m.url(), m.url()
	for range m.reports {
		m.documentURLs = append(m.documentURLs, m.url())
	}
	if kind == forInformation {
		m.communication = m.url()
	} else {
		m.carePlan, m.request, m.service = m.url(), m.url(), m.url()
	}
}

// omit notes a part of the document that this mapping can't carry for its value.
func (m *mapper) omit(path, why string) {
	o := Omission{Path: path, Why: why}
	if !slices.Contains(m.omitted, o) {
		m.omitted = append(m.omitted, o)
	}
}

func (m *mapper) url() string { return "urn:uuid:" + strings.ToLower(m.NewID()) }

// referral builds the BaRS message.
func (m *mapper) referral(kind interactionKind) (*Mapped, error) {
	m.addPeople()
	receiver, sender := m.receiver(), m.sender()
	header := m.messageHeader(receiver, sender)
	m.addIncident()
	m.addConditions()
	m.addComplaint()
	m.addFlags(kind)
	m.addCases()
	m.addServiceRequest(receiver)
	m.addPatient()
	m.addEncounter(sender)
	m.addCarePlan()
	m.addHealthcareService(receiver)
	m.addConsent(sender)
	m.addRelatedPersons()
	documents := m.documents(sender)
	m.addOrganisations()
	if m.outcome != nil {
		return nil, m.outcome
	}
	entries := append([]entry{header}, m.entries...)
	return &Mapped{Bundle: m.bundle(entries), Attached: documents}, nil
}

// copyOnly builds what a copy for information leaves: nobody is asked to act.
func (m *mapper) copyOnly(interactionKind) (*Mapped, error) {
	m.addPeople()
	receiver, sender := m.receiver(), m.sender()
	m.addIncident()
	m.addPatient()
	m.addEncounter(sender)
	m.addRelatedPersons()
	m.addCommunication(receiver, sender)
	documents := m.documents(sender)
	m.addOrganisations()
	if m.outcome != nil {
		return nil, m.outcome
	}
	var attached []bars.Entry
	for _, e := range m.entries {
		attached = append(attached, bars.Entry{FullURL: e.url, Resource: e.object.Resource()})
	}
	return &Mapped{Attached: append(attached, documents...)}, nil
}

// bundle wraps the entries (BaRS Core 1.5, request bundle rules). It is written
// in one piece, because the entries are most of it.
func (m *mapper) bundle(entries []entry) *fhir.Resource {
	head := fhir.NewObject("Bundle").
		Set("id", m.bundleID()).
		Set("meta", fhir.Obj("versionId", "1.0.0", "lastUpdated", m.stamp,
			"profile", []string{"https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"})).
		Set("type", "message").Set("timestamp", m.stamp).JSON()
	size := len(head) + 32
	texts := make([][]byte, len(entries))
	for i, e := range entries {
		texts[i] = e.object.JSON()
		size += len(texts[i]) + len(e.url) + 32
	}
	text := append(make([]byte, 0, size), head[:len(head)-1]...)
	for i, e := range entries {
		before := `,{"fullUrl":"`
		if i == 0 {
			before = `,"entry":[{"fullUrl":"`
		}
		text = append(append(append(text, before...), e.url...), `","resource":`...)
		text = append(append(text, texts[i]...), '}')
	}
	r, err := fhir.Adopt(append(text, "]}"...))
	if err != nil {
		panic("nhs111: " + err.Error()) // our own text
	}
	return r
}

// bundleID is the MessageID's UUID, by which the message can be asked for; a
// new one where the sender's has another form.
func (m *mapper) bundleID() string {
	id := m.Envelope.MessageID
	if len(id) > 36 {
		id = id[len(id)-36:]
	}
	if fhir.ValidUUID(id) {
		return strings.ToLower(id)
	}
	return strings.ToLower(m.NewID())
}

// resource starts a resource with the meta that BaRS wants: profile and
// lastUpdated, no id.
func (m *mapper) resource(typ, profile string) *fhir.Object {
	meta := fhir.Obj("lastUpdated", m.stamp)
	if profile != "" {
		meta.Set("profile", []string{profile})
	}
	return fhir.NewObject(typ).Set("meta", meta)
}

func (m *mapper) ukCore(typ string) *fhir.Object { return m.resource(typ, nhs.ProfileBase+typ) }

func (m *mapper) add(url string, o *fhir.Object) {
	m.entries = append(m.entries, entry{url, o})
}

// ref is a Reference to an entry; nil for "".
func ref(url string) *fhir.Object {
	if url == "" {
		return nil
	}
	return fhir.Obj("reference", url)
}

func refs(urls ...string) []*fhir.Object {
	var out []*fhir.Object
	for _, url := range urls {
		if url != "" {
			out = append(out, ref(url))
		}
	}
	return out
}

func conceptOf(system, code, display string) *fhir.Object {
	return fhir.Obj("coding", list(fhir.Obj("system", system, "code", code, "display", display)))
}
