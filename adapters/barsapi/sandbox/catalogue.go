package sandbox

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// The endpoint catalogue (BaRS Core 1.5, EndpointCatalogue standard pattern, in
// preview): organisations, their services and the endpoints of these, and
// templates for endpoints. The proxy routes by it.

const catalogueType = "application/fhir+json"

// entry says what one type of the catalogue is held to.
type entry struct {
	kind, typ string
	path      string   // of its collection
	needs     []string // members that must be there
	needsID   []string // systems of which there must be an identifier
	reference string   // the member that names an organisation by ODS code
	immutable []string
}

// entryOf finds the type of a path below the base and the id in it.
func entryOf(typ, rest string) (e entry, id string, ok bool) {
	id = rest
	e = entry{kind: kindOf(typ), typ: typ, path: "/" + typ, immutable: []string{"identifier"}}
	switch typ {
	case "Organization":
		e.needs, e.needsID = []string{"name"}, []string{nhs.SystemODS}
		e.immutable = append(e.immutable, "partOf")
	case "HealthcareService":
		e.needs, e.needsID = []string{"active", "name"}, []string{nhs.SystemProduct}
		e.reference = "providedBy"
	case "Endpoint":
		e.needs = []string{"status", "connectionType", "address", "name", "header"}
		e.needsID = []string{nhs.SystemProduct}
		e.reference = "managingOrganization"
		if template := strings.TrimSuffix("/"+rest, "/$template"); template != "/"+rest {
			e.kind, e.path, id = kindTemplate, "/Endpoint/$template", strings.TrimPrefix(template, "/")
		}
	default:
		return entry{}, "", false
	}
	if e.reference != "" {
		e.immutable = append(e.immutable, e.reference)
	}
	return e, id, !strings.Contains(id, "/")
}

// catalogue serves the three types and the templates.
func (c *call) catalogue(typ, rest string) error {
	e, id, ok := entryOf(typ, rest)
	if !ok {
		return fhir.NewOutcome(fhir.KindNotFound, "", "no such path")
	}
	if id == "" {
		if err := c.allowed(http.MethodGet, http.MethodPost); err != nil {
			return err
		}
		if c.r.Method == http.MethodPost {
			return c.put(e, c.s.o.NewID(), nil)
		}
		return c.search(e)
	}
	verbs := []string{http.MethodGet, http.MethodPut, http.MethodDelete}
	if e.kind == kindTemplate { // a template is read by search alone (BaRS API 1.4.0, paths)
		verbs = verbs[1:]
	}
	if err := c.allowed(verbs...); err != nil {
		return err
	}
	if !fhir.ValidID(id) {
		return fhir.NewOutcome(fhir.KindValue, "", "the id in the path isn't one")
	}
	rec, err := c.s.load(c.r.Context(), e.kind, id)
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodPut {
		return c.put(e, id, rec)
	}
	if rec == nil {
		return fhir.NewOutcome(fhir.KindNotFound, "", "no such record in the catalogue")
	}
	if c.r.Method == http.MethodDelete {
		return c.drop(e, rec)
	}
	caller, err := c.organisation()
	if err != nil {
		return err
	}
	res, err := shown(rec, caller)
	if err != nil {
		return err
	}
	write(c.w, http.StatusOK, catalogueType, res.JSON())
	return nil
}

// put creates a record, or updates the one that is there.
func (c *call) put(e entry, id string, before *record) error {
	owner, err := c.writer()
	if err != nil {
		return err
	}
	if before != nil && before.owner != owner {
		return ownerOnly()
	}
	res, err := c.body(e.typ)
	if err != nil {
		return err
	}
	if e.kind == kindTemplate && !res.Get("meta", "lastUpdated").Exists() { // published templates come without
		if res, err = updatedNow(res, c.s.o.Now()); err != nil {
			return err
		}
	}
	if err := c.s.check(c.r.Context(), e, res); err != nil {
		return err
	}
	status := http.StatusCreated
	if before != nil {
		status = http.StatusOK
		if err := mayFollow(e, before, res); err != nil {
			return err
		}
	}
	rec := &record{kind: e.kind, id: id, owner: owner}
	if rec.res, err = withID(res, id); err != nil {
		return err
	}
	if err := c.s.save(c.r.Context(), rec, before, e.terms(res), e.unique(res)); err != nil {
		return err
	}
	c.w.Header().Set("Location", c.base+e.address(id))
	write(c.w, status, catalogueType, rec.res.JSON())
	return nil
}

// updatedNow says of a record that it was updated at a time.
func updatedNow(res *fhir.Resource, at time.Time) (*fhir.Resource, error) {
	if res.Get("meta").Exists() {
		return res.Edit().SetText(res.Get("meta"), "lastUpdated", fhir.FormatInstant(at)).Done()
	}
	return res.Edit().Set(res.Root(), "meta", fhir.Obj("lastUpdated", fhir.FormatInstant(at)).JSON()).Done()
}

// address is a record's path.
func (e entry) address(id string) string {
	if e.kind == kindTemplate {
		return "/Endpoint/" + id + "/$template"
	}
	return e.path + "/" + id
}

func (c *call) drop(e entry, rec *record) error {
	if err := c.own(rec); err != nil {
		return err
	}
	if err := c.s.remove(c.r.Context(), rec, e.terms(rec.res), e.unique(rec.res)); err != nil {
		return err
	}
	c.done(http.StatusOK, catalogueType, systemErrors, "OK", "the record was deleted")
	return nil
}

// terms are what a record is found by.
func (e entry) terms(res *fhir.Resource) []term {
	list := identifierTerms("identifier", res.Get("identifier"))
	if e.typ == "HealthcareService" {
		list = append(list, identifierTerms("providedBy", res.Get("providedBy", "identifier"))...)
	}
	return list
}

// unique is what two records can't share: all identifiers and, of an endpoint, its
// type.
func (e entry) unique(res *fhir.Resource) string {
	var parts []string
	for _, t := range identifierTerms("", res.Get("identifier")) {
		parts = append(parts, t.system+"|"+t.value)
	}
	slices.Sort(parts)
	return strings.Join(append(slices.Compact(parts), connection(res)), "\n")
}

// connection is an endpoint's type, "" for what has none.
func connection(res *fhir.Resource) string {
	for coding := range fhir.Codings(res.Get("connectionType")) {
		return coding.System + "|" + coding.Code
	}
	return ""
}

// mayFollow says whether an update may take the place of a record: what names it
// and what it refers to stay, and it must not be older. A service's endpoints may
// be given once.
func mayFollow(e entry, before *record, next *fhir.Resource) error {
	names := e.immutable
	if before.res.Get("endpoint").Exists() {
		names = append(slices.Clone(names), "endpoint")
	}
	if err := unchanged(before, next, names...); err != nil {
		return err
	}
	if connection(before.res) != connection(next) {
		return fhir.NewOutcome(fhir.KindInvariant, e.typ+".connectionType", "connectionType can't be changed")
	}
	was, _ := fhir.ParseInstant(before.res.Get("meta", "lastUpdated").Text())
	is, _ := fhir.ParseInstant(next.Get("meta", "lastUpdated").Text())
	if is.Before(was) {
		return fhir.NewOutcome(fhir.KindConflict, e.typ+".meta.lastUpdated", "the catalogue has a later version of this record")
	}
	return nil
}

// check holds a record to the pattern. Published examples aren't R4 (a list where
// R4 has one organisation), so it isn't held to that.
func (s *Sandbox) check(ctx context.Context, e entry, res *fhir.Resource) error {
	o := &fhir.Outcome{Kind: fhir.KindInvariant}
	demand := func(holds bool, path, rule string) {
		if !holds {
			o.Add(e.typ+"."+path, rule)
		}
	}
	for _, name := range e.needs {
		demand(res.Get(name).Exists(), name, name+" must be there")
	}
	for _, system := range e.needsID {
		demand(identifierOf(res.Get("identifier"), system) != "", "identifier", "there must be an identifier of the system "+system)
	}
	list := res.Get("identifier")
	demand(list.Len() <= maxIDs, "identifier", "too many identifiers")
	for item := range list.Items() {
		demand(item.Get("system").Text() != "" && item.Get("value").Text() != "", "identifier", "each identifier must have system and value")
	}
	if e.reference != "" {
		demand(identifierOf(res.Get(e.reference, "identifier"), nhs.SystemODS) != "", e.reference, "the organisation must be named by its ODS code")
	}
	_, err := fhir.ParseInstant(res.Get("meta", "lastUpdated").Text())
	demand(err == nil, "meta.lastUpdated", "the sender must say when the record was last updated")
	if e.typ == "HealthcareService" {
		demand(res.Get("active").Kind() == fhir.BoolKind, "active", "active must be true or false")
		demand(serviceIdentifier(res), "identifier", "there must be an identifier of the service besides that of the product")
	}
	if e.typ == "Endpoint" {
		demand(connection(res) != "", "connectionType", "connectionType must have a coding")
		demand(slices.Contains([]string{"active", "suspended", "error", "off", "entered-in-error", "test"}, res.Get("status").Text()), "status", "status must be one of the codes of R4")
		demand(slices.Contains([]string{"public", "private"}, headerOf(res)), "header", "header must be public or private")
		if err := s.refusedAddress(res.Get("address").Text()); err != nil {
			o.Add("Endpoint.address", err.Error())
		}
	}
	if err := o.OrNil(); err != nil {
		return err
	}
	return s.checkEndpoints(ctx, res)
}

// serviceIdentifier says whether there is an identifier that a target can name.
func serviceIdentifier(res *fhir.Resource) bool {
	for id := range fhir.Identifiers(res.Get("identifier")) {
		if id.Value != "" && nhs.Canonical(id.System) != nhs.SystemProduct {
			return true
		}
	}
	return false
}

// headerOf is an endpoint's header; R4 has a list of texts, published examples one
// text.
func headerOf(res *fhir.Resource) string {
	header := res.Get("header")
	if header.Kind() == fhir.ArrayKind {
		return header.At(0).Text()
	}
	return header.Text()
}

// checkEndpoints looks at the endpoints that a service names: they must be there,
// and one of each type.
func (s *Sandbox) checkEndpoints(ctx context.Context, res *fhir.Resource) error {
	if res.Type() != "HealthcareService" {
		return nil
	}
	ids := endpointIDs(res)
	if len(ids) != res.Get("endpoint").Len() {
		return fhir.NewOutcome(fhir.KindInvariant, "HealthcareService.endpoint", "each endpoint must be a different one of this catalogue, as Endpoint/id")
	}
	if len(ids) > maxIDs {
		return fhir.NewOutcome(fhir.KindInvariant, "HealthcareService.endpoint", "too many endpoints")
	}
	list, err := s.loadAll(ctx, kindOf("Endpoint"), ids)
	if err != nil {
		return err
	}
	if len(list) != len(ids) {
		return fhir.NewOutcome(fhir.KindInvariant, "HealthcareService.endpoint", "an endpoint isn't in the catalogue")
	}
	seen := map[string]bool{}
	for _, endpoint := range list {
		if seen[connection(endpoint.res)] {
			return fhir.NewOutcome(fhir.KindDuplicate, "HealthcareService.endpoint", "a service has one endpoint of a type only")
		}
		seen[connection(endpoint.res)] = true
	}
	return nil
}

// endpointIDs are the endpoints that a service names.
func endpointIDs(service *fhir.Resource) []string {
	var ids []string
	for item := range service.Get("endpoint").Items() {
		ref, ok := fhir.ParseReference(item.Get("reference").Text())
		if ok && ref.Type == "Endpoint" && !slices.Contains(ids, ref.ID) {
			ids = append(ids, ref.ID)
		}
	}
	return ids
}

// shown is a record as a caller may see it: the address of a private endpoint is
// for its owner alone.
func shown(rec *record, caller string) (*fhir.Resource, error) {
	if caller == rec.owner || headerOf(rec.res) != "private" {
		return rec.res, nil
	}
	return rec.res.Edit().Remove(rec.res.Root(), "address").Done()
}
