package barsapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// KindPointer is the outbox's name for messages to the registry of pointers.
const KindPointer = "bars-pointer"

// registryName is the one recipient of such messages.
const registryName = "registry"

// Systems and codes of pointers (BaRS Core 1.5, DocumentReference pattern).
const (
	systemBaRSID    = "https://fhir.nhs.uk/Id/BaRS-Identifier"
	systemFormat    = "https://fhir.nhs.uk/England/CodeSystem/England-NRLFormatCode"
	systemStability = "https://fhir.nhs.uk/England/CodeSystem/England-NRLContentStability"
	extStability    = "https://fhir.nhs.uk/England/StructureDefinition/Extension-England-ContentStability"
	typeBooking     = "749001000000101"
	typeReferral    = "3457005"
	categoryRecord  = "419891008"
)

// Bounds of a search for pointers: pages hold 20.
const (
	maxPages       = 50
	nextPage       = "next-page-token"
	subjectParam   = "subject:identifier"
	custodianParam = "custodian:identifier"
)

// errPages: the patient has more pointers than are looked through.
var errPages = errors.New("the registry has more pages than are read")

// Pointers is where the room puts what the registry is to be told.
type Pointers struct {
	// Product is our product id at the registry.
	Product string
}

// leaf is the body of such a message in the outbox.
type leaf struct {
	Correlation string          `json:"correlation,omitempty"`
	From        nhs.ODSCode     `json:"from"`
	FromName    string          `json:"fromName,omitempty"`
	UseContext  string          `json:"useContext,omitempty"`
	Present     bool            `json:"present"`
	Patient     nhs.NHSNumber   `json:"patient"`
	Pointer     json.RawMessage `json:"pointer"`
}

// Point makes the operation that writes such a message, which belongs into the
// batch of the change that it tells of.
func (p Pointers) Point(o bars.Pointer, created time.Time) (store.Op, error) {
	body, err := json.Marshal(leaf{Correlation: o.Correlation, From: o.Custodian, FromName: o.CustodianName, UseContext: o.UseContext,
		Present: o.Present, Patient: o.Patient, Pointer: p.document(o, created).JSON()})
	if err != nil {
		return nil, err
	}
	return outbox.Put(outbox.Message{ID: o.ID, Kind: KindPointer, Recipient: registryName, Focus: o.Focus, Order: o.Order, Created: created.UTC(), Body: body})
}

// document is a pointer as the registry keeps it, without its id.
func (p Pointers) document(o bars.Pointer, at time.Time) *fhir.Object {
	identifier := func(system, value string) *fhir.Object { return fhir.Obj("system", system, "value", value) }
	concept := func(code, display string) *fhir.Object {
		return fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", nhs.SystemSNOMED, "code", code, "display", display)})
	}
	kind := concept(typeBooking, "Appointment (record artifact)")
	if o.Focus.Type == "ServiceRequest" {
		kind = concept(typeReferral, "Patient referral (procedure)")
	}
	owner := fhir.Obj("identifier", identifier(nhs.SystemODS, string(o.Custodian)))
	doc := fhir.NewObject("DocumentReference").
		Set("meta", fhir.Obj("lastUpdated", fhir.FormatInstant(at))).
		Set("identifier", []*fhir.Object{identifier(systemBaRSID, o.Focus.ID), identifier(o.Service.System, o.Service.Value), identifier(nhs.SystemProduct, p.Product)}).
		Set("status", "current").
		Set("type", kind).
		Set("category", []*fhir.Object{concept(categoryRecord, "Record artifact (record artifact)")}).
		Set("subject", fhir.Obj("identifier", identifier(nhs.SystemNHSNumber, string(o.Patient)))).
		Set("date", fhir.FormatInstant(at)).
		Set("author", []*fhir.Object{owner}).
		Set("custodian", owner).
		Set("content", []*fhir.Object{fhir.Obj(
			"extension", []*fhir.Object{fhir.Obj("url", extStability, "valueCodeableConcept", fhir.Obj("coding",
				[]*fhir.Object{fhir.Obj("system", systemStability, "code", "static", "display", "Static")}))},
			"attachment", fhir.Obj("contentType", "application/fhir+json", "url", o.Address),
			"format", fhir.Obj("system", systemFormat, "code", "urn:nhs-ic:structured", "display", "Structured Document"))})
	if o.Start != "" || o.End != "" {
		period := fhir.Obj()
		if o.Start != "" {
			period.Set("start", o.Start)
		}
		if o.End != "" {
			period.Set("end", o.End)
		}
		doc.Set("context", fhir.Obj("period", period))
	}
	return doc
}

// PointerSender makes the registry say what the outbox's messages want. It asks
// first what the registry says, so that a message that is sent twice, or after
// another was lost, leaves one pointer all the same. The client's router must lead
// to the registry; it should make one attempt a call.
type PointerSender struct{ Client *Client }

// Send makes one attempt.
func (s *PointerSender) Send(ctx context.Context, m outbox.Message) outbox.Result {
	var l leaf
	doc, err := opened(m, &l, &l.Pointer)
	if err != nil {
		return result(err)
	}
	h := Headers{RequestID: m.ID, Correlation: l.Correlation, Organisation: l.From, OrganisationName: l.FromName}
	if !fhir.ValidUUID(h.Correlation) {
		h.Correlation = m.ID
	}
	found, err := s.find(ctx, h, l, doc)
	if err != nil {
		return result(err)
	}
	h.UseContext = l.UseContext
	return result(s.settle(ctx, h, l, doc, found))
}

// settle makes the one change that is needed, if any.
func (s *PointerSender) settle(ctx context.Context, h Headers, l leaf, doc, found *fhir.Resource) error {
	k := call{method: http.MethodPost, path: "/DocumentReference", headers: h}
	switch {
	case found == nil && !l.Present:
		return nil
	case found == nil:
		k.body = doc.JSON()
	case !l.Present:
		k.method = http.MethodDelete
	case samePointer(found, doc):
		return nil
	default:
		next, err := doc.Edit().SetText(doc.Root(), "id", found.ID()).Done()
		if err != nil {
			return err
		}
		k.method, k.body = http.MethodPut, next.JSON()
	}
	if found != nil {
		k.path += "/" + url.PathEscape(found.ID())
	}
	_, err := s.Client.do(ctx, k)
	var f *Fault
	switch errors.As(err, &f); {
	case f != nil && f.Status == http.StatusNotFound && k.method == http.MethodDelete:
		return nil // it went meanwhile
	case f != nil && f.Status == http.StatusConflict:
		f.Again = true // it changed meanwhile: the next attempt sees how
	}
	return err
}

// samePointer says whether what can change of a pointer is as it should be.
func samePointer(found, doc *fhir.Resource) bool {
	for _, path := range [][]string{{"context", "period", "start"}, {"context", "period", "end"}} {
		a, b := found.Get(path...).Text(), doc.Get(path...).Text()
		at, errA := fhir.ParseInstant(a)
		bt, errB := fhir.ParseInstant(b)
		if a != b && (errA != nil || errB != nil || !at.Equal(bt)) {
			return false
		}
	}
	return found.Get("content", "attachment", "url").Text() == doc.Get("content", "attachment", "url").Text()
}

// find looks for our pointer to the record among the patient's; nil where there is
// none.
func (s *PointerSender) find(ctx context.Context, h Headers, l leaf, doc *fhir.Resource) (*fhir.Resource, error) {
	id := identifierOf(doc.Get("identifier"), systemBaRSID)
	query := url.Values{subjectParam: {nhs.SystemNHSNumber + "|" + string(l.Patient)}, custodianParam: {nhs.SystemODS + "|" + string(l.From)}}
	for range maxPages {
		h.RequestID = "" // each page is a request of its own
		reply, err := s.Client.do(ctx, call{method: http.MethodGet, path: "/DocumentReference", query: query, headers: h.ids(s.Client.o.NewID)})
		if err != nil {
			return nil, err
		}
		for item := range reply.Resource.Get("entry").Items() {
			r := item.Get("resource")
			if r.Get("resourceType").Text() == "DocumentReference" && identifierOf(r.Get("identifier"), systemBaRSID) == id && fhir.ValidID(r.Get("id").Text()) {
				return r.Resource(), nil
			}
		}
		token := pageToken(reply.Resource)
		if token == "" {
			return nil, nil
		}
		query.Set(nextPage, token)
	}
	return nil, errPages
}

func pageToken(bundle *fhir.Resource) string {
	for tag := range bundle.Get("meta", "tag").Items() {
		if tag.Get("display").Text() == nextPage {
			return tag.Get("code").Text()
		}
	}
	return ""
}

func identifierOf(v fhir.Value, system string) string {
	for id := range fhir.Identifiers(v) {
		if nhs.Canonical(id.System) == system {
			return id.Value
		}
	}
	return ""
}

// RegistryAt leads every call to the registry at a FHIR base, as through the
// proxy: with the token.
func RegistryAt(base string) (*Routes, error) { return ParseRoutes(base, nil) }
