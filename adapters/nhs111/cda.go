package nhs111

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// report is what of a CDA document the mapping goes by. The document's own
// elements are read where they are mapped.
type report struct {
	root      *xmltree.Node
	ID        string // upper-case UUID as sent
	SetID     string
	Version   string
	Title     string
	Effective hl7Time

	patientRole *xmltree.Node
	authors     []*xmltree.Node // author elements
	custodian   *xmltree.Node   // representedCustodianOrganization
	recipients  []*xmltree.Node // informationRecipient elements
	encounter   *xmltree.Node   // encompassingEncounter, may be nil
	body        *xmltree.Node   // the classification section, may be nil
	ambulance   *xmltree.Node   // the AmbulanceRequest that it was, nil of a document

	sections       []section
	discriminators []*xmltree.Node // observation/value of ClinicalDiscriminator entries
	permission     *xmltree.Node   // the PermissionToView observation
	appointment    *xmltree.Node   // the AppointmentReference encounter
	device         *xmltree.Node   // playingDevice of the case's source
	cases          []*xmltree.Node // observationMedia/value holding a PathwaysCase
	unread         []string        // paths of what was found and can't be carried
}

// uri names a document or a set as an identifier.
func uri(id string) string { return "urn:uuid:" + strings.ToLower(id) }

// set names all versions of the document; one that names no set is its own.
func (r *report) set() string {
	if r.SetID == "" {
		return uri(r.ID)
	}
	return uri(r.SetID)
}

// replaces names the documents and sets that this one says it replaces.
func (r *report) replaces() []string {
	var out []string
	for _, related := range r.root.All("relatedDocument") {
		if related.Attr("typeCode") != "RPLC" {
			continue
		}
		for _, name := range []string{"setId", "id"} {
			if root := related.Child("parentDocument", name).Attr("root"); fhir.ValidUUID(root) {
				out = append(out, uri(root))
			}
		}
	}
	return out
}

// section is one narrative section, in document order.
type section struct {
	Code  string // SNOMED or a local code, "" where none is given
	Title string
	Text  string // plain text
	node  *xmltree.Node
	depth int // of sections in the classification section
}

// problems gathers what is wrong with a document, by path and rule.
type problems struct{ outcome *fhir.Outcome }

func (p *problems) add(path, rule string) {
	if p.outcome == nil {
		p.outcome = &fhir.Outcome{Kind: fhir.KindInvariant}
	}
	if len(p.outcome.Issues) < 20 {
		p.outcome.Add(path, rule)
	}
}

// readReports reads the documents of a message and says which is the newest.
func readReports(documents []document) (reports []*report, current int, err error) {
	reports = make([]*report, len(documents))
	for i, d := range documents {
		r, wrong := readReport(d.Root)
		if wrong != nil {
			return nil, 0, wrong
		}
		reports[i] = r
	}
	return reports, newest(reports), nil
}

// readReport finds the parts of a ClinicalDocument and checks those that a
// referral can't do without.
func readReport(root *xmltree.Node) (*report, *fhir.Outcome) {
	r := &report{root: root}
	var wrong problems
	r.ID = root.Child("id").Attr("root")
	if !fhir.ValidUUID(r.ID) {
		wrong.add("ClinicalDocument/id/@root", "must be a UUID")
	}
	if set := root.Child("setId"); set != nil && !null(set) {
		if r.SetID = set.Attr("root"); !fhir.ValidUUID(r.SetID) {
			wrong.add("ClinicalDocument/setId/@root", "must be a UUID")
		}
	}
	r.Version = strings.TrimSpace(root.Child("versionNumber").Attr("value"))
	if _, ok := bars.DocumentVersion(r.Version); !ok {
		wrong.add("ClinicalDocument/versionNumber/@value", "must be a positive integer")
	}
	r.ambulance = root.Child("ambulanceRequest")
	r.Title = root.Child("title").Content()
	r.Effective = wrong.time(root.Child("effectiveTime"), "ClinicalDocument/effectiveTime")
	if r.Effective.zero() && strings.TrimSpace(root.Child("effectiveTime").Attr("value")) == "" { // else it can't be read
		wrong.add("ClinicalDocument/effectiveTime", "must be there")
	}
	targets := root.All("recordTarget")
	if len(targets) != 1 {
		wrong.add("ClinicalDocument/recordTarget", "must be there exactly once")
	} else if r.patientRole = targets[0].Child("patientRole"); r.patientRole == nil {
		wrong.add("ClinicalDocument/recordTarget/patientRole", "must be there")
	}
	if r.authors = root.All("author"); len(r.authors) == 0 {
		wrong.add("ClinicalDocument/author", "must be there")
	}
	r.custodian = root.Child("custodian", "assignedCustodian", "representedCustodianOrganization")
	if r.custodian == nil {
		wrong.add("ClinicalDocument/custodian", "must be there")
	}
	wrong.crowds(root, "ClinicalDocument")
	r.recipients = root.All("informationRecipient")
	r.encounter = root.Child("componentOf", "encompassingEncounter")
	if root.Child("component") == nil {
		wrong.add("ClinicalDocument/component", "must be there")
	}
	r.readBody(root.Child("component"))
	if len(r.discriminators) > maxSiblings || len(r.cases) > maxSiblings {
		wrong.add(classification+"/entry", "there are too many")
	}
	if wrong.outcome != nil {
		return nil, wrong.outcome
	}
	return r, nil
}

// null says whether an id is said to be none.
func null(id *xmltree.Node) bool { return id.Attr("root") == "" && id.Attr("nullFlavor") != "" }

// maxSiblings bounds the elements in one element of the document's header, and
// with it the resources that a document can become.
const maxSiblings = 100

// crowds refuses header elements with more children than any report has. The
// body is narrative and bounded by the reader.
func (p *problems) crowds(n *xmltree.Node, path string) {
	children := n.Elements()
	if len(children) > maxSiblings {
		p.add(path, "holds more than "+strconv.Itoa(maxSiblings)+" elements")
		return
	}
	for _, c := range children {
		if path != "ClinicalDocument" || c.Local != "component" && c.Local != "ambulanceRequest" {
			p.crowds(c, path+"/"+c.Local)
		}
	}
}

// time reads a TS element; zero where it is absent or null.
func (p *problems) time(n *xmltree.Node, path string) hl7Time {
	value := n.Attr("value")
	if strings.TrimSpace(value) == "" {
		return hl7Time{}
	}
	t, err := parseHL7Time(value)
	if err != nil {
		p.add(path+"/@value", err.Error())
	}
	return t
}

// The section codes that the mapping looks for (SNOMED CT).
const (
	sectionComplaint = "886891000000102"
	sectionAdvice    = "1052951000000105"
	sectionOutcome   = "913341000000104" // disposition details
	sectionBooking   = "749001000000101" // appointment
	noteReason       = "PRC"             // primary reason for call (…17.422)
)

func (s section) isComplaint() bool {
	title := strings.ToLower(s.Title)
	return s.Code == sectionComplaint || s.Code == noteReason || strings.HasPrefix(title, "patient") && strings.Contains(title, "reported condition")
}

func (s section) isAdvice() bool {
	return s.Code == sectionAdvice || strings.Contains(strings.ToLower(s.Title), "advice given")
}

func (s section) isDisposition() bool {
	return s.Code == sectionOutcome || strings.Contains(strings.ToLower(s.Title), "disposition")
}

func (s section) isBooking() bool {
	title := strings.ToLower(s.Title)
	return s.Code == sectionBooking || strings.Contains(title, "booked") && strings.Contains(title, "appointment")
}

// appointmentLinks are the addresses of Appointments that the booking sections
// link to. They are passed on, never fetched.
func (r *report) appointmentLinks() []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range r.sections {
		if !s.isBooking() {
			continue
		}
		for _, link := range links(s.node, nil) {
			base, id, found := cutLast(link, "/Appointment/")
			address, err := url.Parse(base)
			if found && fhir.ValidID(id) && err == nil && address.Host != "" && !seen[link] {
				seen[link] = true
				out = append(out, link)
			}
		}
	}
	return out
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// complaint is the presenting complaint in the patient's words, "" if none.
func (r *report) complaint() string { return r.firstText(section.isComplaint) }

// advice is what the patient was told.
func (r *report) advice() string { return r.firstText(section.isAdvice) }

func (r *report) firstText(wanted func(section) bool) string {
	for _, s := range r.sections {
		if s.Text != "" && wanted(s) {
			return s.Text
		}
	}
	return ""
}

// primary says whether an informationRecipient is to act rather than to know;
// the schema says so where the document doesn't.
func primary(recipient *xmltree.Node) bool {
	return orElse(recipient.Attr("typeCode"), "PRCP") == "PRCP"
}

// newest returns the index of the document with the latest effectiveTime; of
// equal ones the first.
func newest(reports []*report) int {
	best := 0
	for i, r := range reports {
		if r.Effective.At.After(reports[best].Effective.At) {
			best = i
		}
	}
	return best
}

// numbers returns the NHS numbers of a document, verified or not.
func (r *report) numbers() []string {
	var found []string
	for _, id := range r.patientRole.All("id") {
		if root := id.Attr("root"); root == oidVerified || root == oidUnverified {
			found = append(found, strings.ReplaceAll(id.Attr("extension"), " ", ""))
		}
	}
	return found
}
