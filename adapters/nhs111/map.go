package nhs111

import (
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Use cases of BaRS application 1 (usecases-categories-bars).
const (
	useCaseED  = "a1t1"
	useCaseUTC = "a1t2"
)

var useCaseNames = map[string]string{
	useCaseED: "111 to ED", useCaseUTC: "111 to UTC",
	"a1t7": "111 to SDEC", "a1t10": "111 to UEC",
}

// source is everything that the mapping goes by. Mapping it does no I/O; the
// clock's time and the ids come with it.
type source struct {
	Envelope  *envelope
	Documents []document
	Message   []byte // as received
	MediaType string // of Message
	Target    nhs.ServiceID
	UseCase   string // for other interactions than an emergency department's
	Now       time.Time
	NewID     func() string
}

// Mapped is a 111 report in FHIR R4.
type Mapped struct {
	// Bundle is the BaRS referral message; nil for a copy for information.
	Bundle *fhir.Resource
	// Attached are the documents and, of a copy, all that they refer to.
	Attached []bars.Entry
	// Warnings say what couldn't be read and stays in the document only.
	Warnings []string
}

// mapReport maps the newest document of a message and attaches all. The error
// is a KindInvariant Outcome that names the paths that can't be mapped.
func mapReport(in source) (*Mapped, error) {
	kind, _ := kindOf(in.Envelope.Service, in.Envelope.Interaction)
	reports := make([]*report, len(in.Documents))
	for i, d := range in.Documents {
		r, wrong := readReport(d.Root)
		if wrong != nil {
			return nil, wrong
		}
		reports[i] = r
	}
	current := newest(reports)
	if err := samePatient(reports, current); err != nil {
		return nil, err
	}
	m := &mapper{source: in, report: reports[current], reports: reports, current: current,
		stamp: fhir.FormatInstant(in.Now), organisations: map[string]*organisation{}}
	m.allocate(kind)
	m.readCases()
	if kind == forInformation {
		return m.copyOnly()
	}
	return m.referral(kind)
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
	condition, complaint, incident                    string // "" where there is none
	authors                                           []person
	responsible                                       *person
	informants                                        []person
	flags                                             []string
	documentURLs                                      []string
	related                                           []relatedPerson
	triages                                           []triage
	questionnaires                                    []string
	warnings                                          []string

	organisations map[string]*organisation
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
	if kind != forInformation {
		m.carePlan, m.request, m.service = m.url(), m.url(), m.url()
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
	return &Mapped{Bundle: m.bundle(entries), Attached: documents, Warnings: m.warnings}, nil
}

// copyOnly builds what a copy for information leaves: nobody is asked to act.
func (m *mapper) copyOnly() (*Mapped, error) {
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
	return &Mapped{Attached: append(attached, documents...), Warnings: m.warnings}, nil
}

// bundle wraps the entries (BaRS Core 1.5, request bundle rules).
func (m *mapper) bundle(entries []entry) *fhir.Resource {
	list := make([]*fhir.Object, len(entries))
	for i, e := range entries {
		list[i] = fhir.Obj("fullUrl", e.url, "resource", e.object)
	}
	return fhir.NewObject("Bundle").
		Set("id", m.bundleID()).
		Set("meta", fhir.Obj("versionId", "1.0.0", "lastUpdated", m.stamp,
			"profile", []string{"https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage"})).
		Set("type", "message").Set("timestamp", m.stamp).Set("entry", list).Resource()
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
