package nhs111

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// Bounds of an answer.
const (
	repeatWindow  = 4 * 24 * time.Hour // a call counts for four days (disposition Dx93)
	maxPatients   = 100
	maxReportsOut = 20
	maxBytesOut   = 4 << 20
)

// caller is what is known of a repeat caller.
type caller struct {
	code      string
	documents []string // ClinicalDocument elements, newest first
}

// repeatCaller looks for the reports of the last four days on a person. One
// person with reports is a repeat caller and gets them; several people that the
// description fits are a potential one, without documents, as are reports that
// the asker may not see.
func (d *door) repeatCaller(ctx context.Context, q *callerQuery) (caller, error) {
	if !q.enough() {
		return caller{code: "IIQ"}, nil
	}
	people, err := d.peopleLike(ctx, q)
	if err != nil {
		return caller{}, err
	}
	reports, err := d.reportsOf(ctx, people)
	if err != nil {
		return caller{}, err
	}
	persons := map[string]bool{}
	for _, r := range reports {
		persons[r.person] = true
	}
	switch {
	case len(reports) == 0:
		return caller{code: "NRC"}, nil
	case len(persons) > 1, !q.MayView:
		return caller{code: "PRC"}, nil
	}
	documents, err := d.contentOf(ctx, reports)
	if err != nil || len(documents) == 0 {
		return caller{code: "PRC"}, err
	}
	return caller{code: "RC", documents: documents}, nil
}

// peopleLike finds the Patient records that a query means, with a name for each
// person: every journey has its own record of its patient (design D12).
func (d *door) peopleLike(ctx context.Context, q *callerQuery) (map[string]string, error) {
	values := url.Values{"family": {q.Family}, "birthdate": {q.Birth}}
	if q.Number != "" {
		values = url.Values{"identifier": {nhs.SystemNHSNumber + "|" + q.Number}}
	}
	found, err := d.find(ctx, "Patient", values, maxPatients)
	if err != nil {
		return nil, err
	}
	people := map[string]string{}
	for _, r := range found {
		number := verifiedNumber(r)
		if q.Number != "" {
			if number == q.Number {
				people["Patient/"+r.ID()] = number
			}
			continue
		}
		if q.fits(r) {
			people["Patient/"+r.ID()] = orElse(number, "without a number")
		}
	}
	return people, nil
}

// verifiedNumber is the NHS number of a Patient that was traced.
func verifiedNumber(r *fhir.Resource) string {
	for id := range r.Get("identifier").Items() {
		if nhs.Canonical(id.Get("system").Text()) != nhs.SystemNHSNumber {
			continue
		}
		if nhs.VerificationOf(id) == nhs.NumberVerified {
			return id.Get("value").Text()
		}
	}
	return ""
}

// fits compares family name, date of birth and postcode, and the given name
// where the query has one.
func (q *callerQuery) fits(r *fhir.Resource) bool {
	named, placed := false, false
	for name := range r.Get("name").Items() {
		given := q.Given == ""
		for g := range name.Get("given").Items() {
			given = given || strings.EqualFold(g.Text(), q.Given)
		}
		named = named || given && strings.EqualFold(name.Get("family").Text(), q.Family)
	}
	for address := range r.Get("address").Items() {
		placed = placed || postcode(address.Get("postalCode").Text()) == q.Postcode
	}
	return named && placed && r.Get("birthDate").Text() == q.Birth
}

// callReport is a report in the window.
type callReport struct {
	person string
	date   string
	binary string // id of its ClinicalDocument; "" where it may not be shown
}

// reportsOf finds the current reports of these patients, newest first.
func (d *door) reportsOf(ctx context.Context, people map[string]string) ([]callReport, error) {
	if len(people) == 0 {
		return nil, nil
	}
	var patients []string
	for p := range people {
		patients = append(patients, p)
	}
	slices.Sort(patients)
	since := d.Clock().Add(-repeatWindow).UTC().Format(time.RFC3339)
	found, err := d.find(ctx, "DocumentReference", url.Values{
		"subject": {strings.Join(patients, ",")}, "status": {"current"}, "date": {"ge" + since}, "_sort": {"-date"}}, maxPatients)
	if err != nil {
		return nil, err
	}
	var out []callReport
	for _, r := range found {
		for item := range r.Get("content").Items() {
			a := item.Get("attachment")
			if a.Get("contentType").Text() != cdaMediaType {
				continue
			}
			report := callReport{person: people[r.Get("subject", "reference").Text()], date: r.Get("date").Text()}
			if !veryRestricted(r) {
				report.binary = strings.TrimPrefix(a.Get("url").Text(), "Binary/")
			}
			out = append(out, report)
		}
	}
	return out, nil
}

// veryRestricted documents are shown only after the access control service was
// asked (Confidentiality V), which this door can't do.
func veryRestricted(r *fhir.Resource) bool {
	for label := range r.Get("securityLabel").Items() {
		if fhir.CodeOf(label, "http://terminology.hl7.org/CodeSystem/v3-Confidentiality") == "V" {
			return true
		}
	}
	return false
}

// contentOf reads the documents as elements that can stand in a SOAP message.
func (d *door) contentOf(ctx context.Context, reports []callReport) ([]string, error) {
	var out []string
	left := maxBytesOut
	for _, r := range reports {
		if r.binary == "" || len(out) == maxReportsOut {
			continue
		}
		data, _, err := d.binary(ctx, r.binary)
		if err != nil {
			return nil, err
		}
		root, err := xmltree.Read(data, xmltree.Rules{})
		if err != nil || !root.Is(nsHL7, "ClinicalDocument") {
			d.Log.Warn("nhs111: a kept document can't stand in a SOAP message and is left out of an answer", "binary", r.binary)
			continue
		}
		element := root.Bytes(data)
		if left -= len(element); left < 0 {
			d.Log.Warn("nhs111: older documents are left out of an answer that is large enough")
			break
		}
		out = append(out, string(element))
	}
	return out, nil
}

// find searches the room.
func (d *door) find(ctx context.Context, typ string, values url.Values, count int) ([]*fhir.Resource, error) {
	parsed, err := search.Parse(typ, values.Encode(), search.Options{Canonical: nhs.Canonical, Now: d.Clock})
	if err != nil {
		return nil, err
	}
	parsed.Query.Count = count
	page, err := d.Reports.Search(ctx, parsed.Query, false)
	if err != nil {
		return nil, err
	}
	var out []*fhir.Resource
	for _, v := range page.Versions {
		r, err := fhir.Parse(v.Body)
		if err != nil {
			return nil, err
		}
		if r.ID() == "" {
			if r, err = fhir.UnstampAs(r, v.ID); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}
