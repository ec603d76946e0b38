package barsapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// POST /HealthcareService/$search-directory asks the directory of services for a
// patient, in plain FHIR: what a call handler's system needs between a triage and
// a booking or referral (docs/doors/dos.md).

// Extensions of our own on the services that are found.
const (
	extReach    = "https://github.com/onward-health/onward/StructureDefinition/reach"
	extBookable = "https://github.com/onward-health/onward/StructureDefinition/bookable"
	extHosted   = "https://github.com/onward-health/onward/StructureDefinition/hosted-service"
)

const defaultSlots = 3

// find carries out the operation.
func (s *server) find(w http.ResponseWriter, r *http.Request) error {
	parameters, _, err := rest.ReadResource(w, r, s.o.MaxBody)
	if err != nil {
		return err
	}
	req, err := readCase(parameters, s.o.Now())
	if err != nil {
		return err
	}
	found, err := s.desk.Find(r.Context(), *req)
	if err != nil {
		return err
	}
	entries, err := s.found(found)
	if err != nil {
		return err
	}
	// The directory's terms forbid to keep what it says.
	w.Header().Set("Cache-Control", "no-store")
	return s.write(w, r, http.StatusOK, s.searchset(len(found.Services), s.o.BaseURL+"/HealthcareService/$search-directory", entries), "")
}

// found writes the services in the order in which they must be offered, then
// what belongs to them.
func (s *server) found(found *bars.Suitable) ([]*fhir.Object, error) {
	var services, more []*fhir.Object
	seen := map[store.Ref]bool{}
	include := func(records ...*store.Record) error {
		for _, rec := range records {
			if seen[rec.Ref()] {
				continue
			}
			seen[rec.Ref()] = true
			r, err := stampedResource(rec)
			if err != nil {
				return err
			}
			more = append(more, fhir.Obj("fullUrl", s.o.BaseURL+"/"+rec.Ref().String(), "resource", r, "search", fhir.Obj("mode", "include")))
		}
		return nil
	}
	outcome := &fhir.Outcome{}
	for i, f := range found.Services {
		var endpoints []*fhir.Object
		for _, e := range f.Endpoints {
			id := s.o.NewID()
			endpoints = append(endpoints, fhir.Obj("reference", "urn:uuid:"+id))
			more = append(more, fhir.Obj("fullUrl", "urn:uuid:"+id, "resource", identified(e.Resource, id), "search", fhir.Obj("mode", "include")))
		}
		id := s.o.NewID()
		services = append(services, fhir.Obj("fullUrl", "urn:uuid:"+id, "resource", described(&f, id, endpoints), "search", fhir.Obj("mode", "match")))
		if f.Problem != "" {
			outcome.Add("Bundle.entry["+strconv.Itoa(i)+"].resource", f.Problem)
		}
		if f.Hosted != nil {
			if err := include(f.Hosted); err != nil {
				return nil, err
			}
		}
		if err := include(append(f.Slots, f.Schedules...)...); err != nil {
			return nil, err
		}
	}
	switch {
	case found.CatchAll:
		outcome.Add("", "no service suits: these take everybody")
	case len(services) == 0:
		outcome.Add("", "no service suits")
	}
	if len(outcome.Issues) == 0 {
		return append(services, more...), nil
	}
	var issues []*fhir.Object
	for _, issue := range outcome.Issues {
		o := fhir.Obj("severity", "information", "code", "not-found", "diagnostics", issue.Diagnostics)
		if issue.Expression != "" {
			o = fhir.Obj("severity", "warning", "code", "business-rule", "diagnostics", issue.Diagnostics, "expression", []string{issue.Expression})
		}
		issues = append(issues, o)
	}
	said := fhir.Obj("fullUrl", "urn:uuid:"+s.o.NewID(), "resource", fhir.NewObject("OperationOutcome").Set("issue", issues),
		"search", fhir.Obj("mode", "outcome"))
	return append(append(services, more...), said), nil
}

func identified(o *fhir.Object, id string) *fhir.Object {
	r := o.Resource()
	out := fhir.NewObject(r.Type()).Set("id", id)
	for name, member := range r.Root().Members() {
		if name != "resourceType" {
			out.Set(name, member)
		}
	}
	return out
}

// described is a service as the directory lists it, with how it is reached.
func described(f *bars.SuitableService, id string, endpoints []*fhir.Object) *fhir.Object {
	r := f.Resource.Resource()
	extensions := []*fhir.Object{
		fhir.Obj("url", extReach, "valueCode", string(f.Way.Reach)),
		fhir.Obj("url", extBookable, "valueBoolean", f.Bookable),
	}
	if f.Hosted != nil {
		extensions = append(extensions, fhir.Obj("url", extHosted, "valueReference", fhir.Obj("reference", f.Hosted.Ref().String())))
	}
	for item := range r.Get("extension").Items() {
		extensions = append(extensions, fhir.ObjectOf(item))
	}
	out := fhir.NewObject("HealthcareService").Set("id", id).Set("contained", r.Get("contained")).Set("extension", extensions)
	for name, member := range r.Root().Members() {
		switch name {
		case "resourceType", "contained", "extension":
		default:
			out.Set(name, member)
		}
	}
	return out.Set("endpoint", endpoints)
}

// readCase reads the Parameters of $search-directory. What is missing or wrong is
// reported at once.
func readCase(p *fhir.Resource, now time.Time) (*bars.FindRequest, error) {
	if p.Type() != "Parameters" {
		return nil, fhir.NewOutcome(fhir.KindStructure, "", "the body must be Parameters")
	}
	c := &caseReader{req: &bars.FindRequest{Slots: defaultSlots}, now: now, wrong: &fhir.Outcome{Kind: fhir.KindValue}, seen: map[string]bool{}}
	for item := range p.Get("parameter").Items() {
		c.take(item)
	}
	for _, name := range []string{"postcode", "gender", "symptomGroup", "symptomDiscriminator"} {
		if !c.seen[name] {
			c.wrong.Add("", "the parameter "+name+" is missing")
		}
	}
	if c.seen["age"] == c.seen["birthDate"] {
		c.wrong.Add("", "one of the parameters age and birthDate is needed")
	}
	if len(c.wrong.Issues) > 0 {
		return nil, c.wrong
	}
	return c.req, nil
}

type caseReader struct {
	req   *bars.FindRequest
	now   time.Time
	wrong *fhir.Outcome
	seen  map[string]bool
}

// maxDiscriminators bounds a case; normally it has one.
const maxDiscriminators = 20

func (c *caseReader) take(item fhir.Value) {
	name := item.Get("name").Text()
	if c.seen[name] && name != "symptomDiscriminator" {
		c.wrong.Add(item.Path(), "the parameter "+name+" is given twice")
		return
	}
	c.seen[name] = true
	ask := &c.req.Case
	ok := false
	switch name {
	case "postcode":
		ask.Postcode, ok = word(item)
	case "caseReference":
		ask.Reference, ok = word(item)
	case "surgery":
		var text string
		if text, ok = word(item); ok {
			ask.Surgery, ok = nhs.ParseODSCode(text)
		}
	case "gender":
		ask.Gender, ok = word(item)
		ok = ok && (ask.Gender == "male" || ask.Gender == "female" || ask.Gender == "other" || ask.Gender == "unknown")
	case "disposition":
		ask.Disposition, ok = word(item)
	case "symptomGroup":
		ask.SymptomGroup, ok = pathwaysCode(item, "SG")
	case "symptomDiscriminator":
		var code int
		code, ok = pathwaysCode(item, "SD")
		ask.Discriminators = append(ask.Discriminators, code)
		ok = ok && len(ask.Discriminators) <= maxDiscriminators
	case "age":
		ask.Age, ok = age(item)
	case "birthDate":
		born, err := time.Parse("2006-01-02", item.Get("valueDate").Text())
		today := c.now.In(nhs.London)
		ok = err == nil && !born.After(today)
		ask.Age = bars.AgeOn(born, time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, time.UTC))
	case "distance":
		ask.Kilometres, ok = whole(item, 1, 99)
	case "forceDistance":
		ask.Force, ok = flag(item)
	case "at":
		at, _, err := fhir.ParseDateTime(item.Get("valueDateTime").Text())
		ask.At, ok = at, err == nil
	case "slots":
		c.req.Slots, ok = whole(item, 0, bars.MaxSlotsEach)
	case "professional":
		ask.Professional, ok = flag(item)
	default:
		c.wrong.Add(item.Path(), "the parameters are those of docs/doors/dos.md")
		return
	}
	if !ok {
		c.wrong.Add(item.Path(), "the parameter "+name+" has a wrong value or type")
	}
}

// word reads a string or code.
func word(item fhir.Value) (string, bool) {
	for _, name := range []string{"valueCode", "valueString"} {
		if v := item.Get(name); v.Exists() {
			text := strings.TrimSpace(v.Text())
			return text, text != "" && len(text) <= 100
		}
	}
	return "", false
}

// pathwaysCode reads a number of NHS Pathways, with or without its letters.
func pathwaysCode(item fhir.Value, letters string) (int, bool) {
	text, ok := word(item)
	if len(text) > 2 && strings.EqualFold(text[:2], letters) {
		text = text[2:]
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), ok && err == nil
}

// age reads an Age in UCUM's days, months or years.
func age(item fhir.Value) (bars.Age, bool) {
	v := item.Get("valueAge")
	if !v.Exists() {
		v = item.Get("valueQuantity")
	}
	n, err := strconv.Atoi(string(v.Get("value").Raw()))
	unit := bars.AgeUnit(v.Get("code").Text())
	return bars.Age{Value: n, Unit: unit}, err == nil && n >= 0 && n < 1000 && (unit == bars.AgeDays || unit == bars.AgeMonths || unit == bars.AgeYears)
}

func whole(item fhir.Value, from, to int) (int, bool) {
	for _, name := range []string{"valuePositiveInt", "valueUnsignedInt", "valueInteger"} {
		if v := item.Get(name); v.Exists() {
			n, err := strconv.Atoi(string(v.Raw()))
			return n, err == nil && n >= from && n <= to
		}
	}
	return 0, false
}

func flag(item fhir.Value) (value, ok bool) {
	v := item.Get("valueBoolean")
	return v.Bool(), v.Exists()
}
