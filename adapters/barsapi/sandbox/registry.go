package sandbox

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/nhs"
)

// The registry of pointers (BaRS Core 1.5, DocumentReference standard pattern): a
// receiver leaves a pointer for each booking that it takes, a sender finds it by
// the patient's NHS number.

const (
	pointerType = "application/fhir+json;version=1.4.0"
	systemNRL   = "https://fhir.nhs.uk/ValueSet/NRL-ResponseCode"
	// of an update's answer alone, as published
	systemNRLUpdated = "https://fhir.nhs.uk/CodeSystem/NRLF-SuccessCode"
	systemBaRSID     = "https://fhir.nhs.uk/Id/BaRS-Identifier"
	typeBooking      = "749001000000101"
	typeReferral     = "3457005"   // in the API's specification
	typeReferral2    = "736253002" // in the guide
	systemFormat     = "https://fhir.nhs.uk/England/CodeSystem/England-NRLFormatCode"
	formatStructured = "urn:nhs-ic:structured"
	extStability     = "https://fhir.nhs.uk/England/StructureDefinition/Extension-England-ContentStability"
	systemStability  = "https://fhir.nhs.uk/England/CodeSystem/England-NRLContentStability"
	pageSize         = 20
	pageTokenParam   = "next-page-token"
)

// registry serves /DocumentReference.
func (c *call) registry(id string) error {
	switch {
	case id == "":
		if err := c.allowed(http.MethodGet, http.MethodPost); err != nil {
			return err
		}
		if c.r.Method == http.MethodPost {
			return c.createPointer()
		}
		return c.searchPointers()
	case strings.Contains(id, "/"):
		return fhir.NewOutcome(fhir.KindNotFound, "", "no such path")
	}
	if err := c.allowed(http.MethodGet, http.MethodPut, http.MethodDelete); err != nil {
		return err
	}
	rec, err := c.s.load(c.r.Context(), kindOf("DocumentReference"), id)
	if err != nil {
		return err
	}
	if rec == nil {
		return fhir.NewOutcome(fhir.KindNotFound, "", "no such pointer")
	}
	switch c.r.Method {
	case http.MethodPut:
		return c.updatePointer(rec)
	case http.MethodDelete:
		return c.deletePointer(rec)
	}
	write(c.w, http.StatusOK, pointerType, rec.res.JSON())
	return nil
}

func (c *call) createPointer() error {
	owner, err := c.writer()
	if err != nil {
		return err
	}
	res, err := c.body("DocumentReference")
	if err != nil {
		return err
	}
	if err := checkPointer(res, owner); err != nil {
		return err
	}
	subject := pointerTerms(res)[0]
	if ids, err := c.s.ids(c.r.Context(), kindOf("DocumentReference"), subject); err != nil {
		return err
	} else if len(ids) >= maxOfOne {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "the patient has too many pointers already")
	}
	rec := &record{kind: kindOf("DocumentReference"), id: c.s.o.NewID(), owner: owner}
	if rec.res, err = withID(res, rec.id); err != nil {
		return err
	}
	if err := c.s.save(c.r.Context(), rec, nil, pointerTerms(res), pointerUnique(res)); err != nil {
		return err
	}
	c.w.Header().Set("Location", c.base+"/DocumentReference/"+rec.id)
	c.done(http.StatusCreated, pointerType, systemNRL, "RESOURCE_CREATED", "the pointer was created")
	return nil
}

func (c *call) updatePointer(before *record) error {
	if err := c.own(before); err != nil {
		return err
	}
	res, err := c.body("DocumentReference")
	if err != nil {
		return err
	}
	if err := checkPointer(res, before.owner); err != nil {
		return err
	}
	if err := unchanged(before, res, "subject", "custodian", "type"); err != nil {
		return err
	}
	if pointerUnique(res) != pointerUnique(before.res) {
		return fhir.NewOutcome(fhir.KindInvariant, "DocumentReference.identifier", "the record that a pointer points to can't be changed")
	}
	next := &record{kind: before.kind, id: before.id, owner: before.owner}
	if next.res, err = withID(res, before.id); err != nil {
		return err
	}
	if err := c.s.save(c.r.Context(), next, before, nil, ""); err != nil {
		return err
	}
	c.done(http.StatusOK, pointerType, systemNRLUpdated, "RESOURCE_UPDATED", "the pointer was updated")
	return nil
}

func (c *call) deletePointer(rec *record) error {
	if err := c.own(rec); err != nil {
		return err
	}
	if err := c.s.remove(c.r.Context(), rec, pointerTerms(rec.res), pointerUnique(rec.res)); err != nil {
		return err
	}
	c.done(http.StatusOK, pointerType, systemNRL, "RESOURCE_DELETED", "the pointer was deleted")
	return nil
}

// own demands that the caller created the record.
func (c *call) own(rec *record) error {
	caller, err := c.writer()
	if err != nil {
		return err
	}
	if caller != rec.owner {
		return ownerOnly()
	}
	return nil
}

// unchanged demands that an update leaves members as they are, the id in the body
// too.
func unchanged(before *record, next *fhir.Resource, names ...string) error {
	o := &fhir.Outcome{Kind: fhir.KindInvariant}
	if id := next.ID(); id != "" && id != before.id {
		o.Add(next.Type()+".id", "the id must be that of the path")
	}
	for _, name := range names {
		was, is := before.res.Get(name), next.Get(name)
		if was.Exists() != is.Exists() || (was.Exists() && !fhir.Equal(was, is)) {
			o.Add(next.Type()+"."+name, name+" can't be changed")
		}
	}
	return o.OrNil()
}

// pointerTerms are what a pointer is found by: the subject's NHS number.
func pointerTerms(res *fhir.Resource) []term {
	return []term{{"subject", nhs.SystemNHSNumber, identifierOf(res.Get("subject", "identifier"), nhs.SystemNHSNumber)}}
}

// pointerUnique is what two pointers can't share: the record that they point to.
func pointerUnique(res *fhir.Resource) string {
	return strings.Join([]string{identifierOf(res.Get("custodian", "identifier"), nhs.SystemODS),
		identifierOf(res.Get("identifier"), systemBaRSID), pointerCode(res)}, "|")
}

// identifierOf is the first value of a system.
func identifierOf(v fhir.Value, system string) string {
	for id := range fhir.Identifiers(v) {
		if strings.EqualFold(nhs.Canonical(id.System), system) {
			return id.Value
		}
	}
	return ""
}

// pointerCode is a pointer's type; the two codes of a referral are one.
func pointerCode(res *fhir.Resource) string {
	for coding := range fhir.Codings(res.Get("type")) {
		if code := sameReferral(coding.Code); code == typeBooking || code == typeReferral {
			return code
		}
	}
	return ""
}

func sameReferral(code string) string {
	if code == typeReferral2 {
		return typeReferral
	}
	return code
}

// checkPointer holds a pointer to R4 and to the standard's pattern.
func checkPointer(res *fhir.Resource, owner string) error {
	if o := validate.Resource(res, validate.Options{}).Outcome(); o != nil {
		return o
	}
	o := &fhir.Outcome{Kind: fhir.KindInvariant}
	demand := func(holds bool, path, rule string) {
		if !holds {
			o.Add("DocumentReference."+path, rule)
		}
	}
	number := identifierOf(res.Get("subject", "identifier"), nhs.SystemNHSNumber)
	demand(number != "", "subject.identifier", "the subject must have its NHS number as identifier")
	demand(number == "" || nhs.NHSNumber(number).Valid(), "subject.identifier", "the NHS number must have ten digits and the right check digit")
	custodian, _ := nhs.ParseODSCode(identifierOf(res.Get("custodian", "identifier"), nhs.SystemODS))
	demand(custodian != "", "custodian.identifier", "the custodian must have its ODS code as identifier")
	demand(custodian == "" || string(custodian) == owner, "custodian.identifier", "the custodian must be the organisation that asks")
	for _, system := range []string{systemBaRSID, nhs.SystemDoS, nhs.SystemProduct} {
		demand(identifierOf(res.Get("identifier"), system) != "", "identifier", "there must be an identifier of the system "+system)
	}
	code := pointerCode(res)
	demand(code != "", "type", "the type must be that of a booking or of a referral")
	demand(res.Get("content", "attachment", "url").Text() != "", "content.attachment.url", "the attachment must have its address")
	demand(res.Get("category", "coding", "code").Exists(), "category", "there must be a category")
	demand(res.Get("content", "attachment", "contentType").Text() == "application/fhir+json", "content.attachment.contentType", "the attachment must be application/fhir+json")
	demand(res.Get("content", "format", "system").Text() == systemFormat && res.Get("content", "format", "code").Text() == formatStructured,
		"content.format", "the format must be "+formatStructured)
	demand(stability(res) == "static", "content.extension", "the content's stability must be static")
	if code == typeBooking {
		for _, name := range []string{"start", "end"} {
			demand(res.Get("context", "period", name).Exists(), "context.period."+name, "a booking's pointer must have the time of the appointment")
		}
	}
	return o.OrNil()
}

// stability is what a pointer says of how its content changes.
func stability(res *fhir.Resource) string {
	for extension := range res.Get("content").At(0).Get("extension").Items() {
		if extension.Get("url").Text() == extStability {
			return fhir.CodeOf(extension.Get("valueCodeableConcept"), systemStability)
		}
	}
	return ""
}

// searchPointers answers GET /DocumentReference, 20 at a time.
func (c *call) searchPointers() error {
	if _, err := c.writer(); err != nil { // who reads must be known too
		return err
	}
	params, err := c.query()
	if err != nil {
		return err
	}
	var subject term
	var filters []func(*fhir.Resource) bool
	after := ""
	for name, values := range params {
		switch value := values[0]; name {
		case "subject:identifier", "patient:identifier":
			if subject, err = parseToken("subject", value); err != nil {
				return err
			}
			if subject.system != nhs.SystemNHSNumber || !nhs.NHSNumber(subject.value).Valid() {
				return fhir.NewOutcome(fhir.KindValue, "", "the parameter "+name+" must hold an NHS number with its system")
			}
		case "custodian:identifier":
			custodian, err := parseToken("", value)
			if err != nil {
				return err
			}
			code, ok := nhs.ParseODSCode(custodian.value)
			if !ok || custodian.system != nhs.SystemODS {
				return fhir.NewOutcome(fhir.KindValue, "", "the parameter "+name+" must hold an ODS code with its system")
			}
			filters = append(filters, func(res *fhir.Resource) bool {
				own, _ := nhs.ParseODSCode(identifierOf(res.Get("custodian", "identifier"), nhs.SystemODS))
				return own == code
			})
		case "_id":
			filters = append(filters, func(res *fhir.Resource) bool { return res.ID() == value })
		case "type", "category":
			value = encodedAgain(value)
			code := value[strings.LastIndexByte(value, '|')+1:]
			filters = append(filters, func(res *fhir.Resource) bool { return hasCode(res.Get(name), code) })
		case pageTokenParam:
			raw, err := base64.RawURLEncoding.DecodeString(value)
			if err != nil || !fhir.ValidID(string(raw)) {
				return fhir.NewOutcome(fhir.KindValue, "", "the parameter "+name+" must be a token of this registry")
			}
			after = string(raw)
		default:
			return fhir.NewOutcome(fhir.KindValue, "", "the registry knows no such parameter: it takes subject:identifier, custodian:identifier, _id, type, category and "+pageTokenParam)
		}
	}
	if subject.value == "" {
		return fhir.NewOutcome(fhir.KindRequired, "", "the parameter subject:identifier is missing")
	}
	ids, err := c.s.ids(c.r.Context(), kindOf("DocumentReference"), subject)
	if err != nil {
		return err
	}
	list, err := c.s.loadAll(c.r.Context(), kindOf("DocumentReference"), ids)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(rec *record) bool {
		return slices.ContainsFunc(filters, func(keep func(*fhir.Resource) bool) bool { return !keep(rec.res) })
	})
	c.pointerPage(list, after)
	return nil
}

func hasCode(v fhir.Value, code string) bool {
	for coding := range fhir.Codings(v) {
		if sameReferral(coding.Code) == sameReferral(code) {
			return true
		}
	}
	return false
}

// pointerPage writes the page that begins after an id. The token of the next one
// stands in meta.tag.
func (c *call) pointerPage(list []*record, after string) {
	total := len(list)
	page := slices.DeleteFunc(list, func(rec *record) bool { return rec.id <= after })
	var meta *fhir.Object
	next := ""
	if len(page) > pageSize {
		page = page[:pageSize]
		token := base64.RawURLEncoding.EncodeToString([]byte(page[pageSize-1].id))
		meta = fhir.Obj("tag", []*fhir.Object{fhir.Obj("code", token, "display", pageTokenParam)})
		query := url.Values{}
		for name, values := range c.r.URL.Query() {
			query[name] = values
		}
		query.Set(pageTokenParam, token)
		next = query.Encode()
	}
	var entries []*fhir.Object
	for _, rec := range page {
		entries = append(entries, fhir.Obj("fullUrl", c.base+"/DocumentReference/"+rec.id, "resource", rec.res))
	}
	c.searchset(pointerType, "/DocumentReference", total, meta, next, entries)
}
