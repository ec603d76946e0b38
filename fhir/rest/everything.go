package rest

import (
	"context"
	"net/http"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// everyoneRefused answers Type/$everything without an id.
func (h *Handler) everyoneRefused(_ http.ResponseWriter, _ *http.Request, at place) error {
	return fhir.NewOutcome(fhir.KindNotImplemented, "", "the operation $everything is offered for one Patient: Patient/[id]/$everything")
}

// everything answers Patient/id/$everything by GET and POST (R4
// patient-operation-everything.html): the patient's compartment as matches, and
// beside each page what its records refer to.
func (h *Handler) everything(w http.ResponseWriter, r *http.Request, at place) error {
	if at.typ != "Patient" {
		return h.everyoneRefused(w, r, at)
	}
	if err := refuseConditions(r.Header, "If-None-Match", "If-Modified-Since"); err != nil {
		return err
	}
	ask, err := h.readEverything(w, r)
	if err != nil {
		return err
	}
	patient, err := h.backend.Read(r.Context(), at.typ, at.id)
	if err != nil {
		return err
	}
	if patient.Deleted {
		return fhir.NewOutcome(fhir.KindGone, "", "the resource was deleted")
	}
	queries, err := ask.queries(at.id, h.types, h.o.Search)
	if err != nil {
		return err
	}
	l := listing{backend: h.backend, queries: queries, n: ask.count}
	page, err := l.page(r.Context(), ask.cursor)
	if err != nil {
		return err
	}
	brought, err := ask.brought(r.Context(), h, page.Versions, l.queries)
	if err != nil {
		return err
	}
	path := h.url(at.typ, at.id, "$everything")
	b := bundle{kind: "searchset", total: -1, self: link(path, ask.applied, ask.cursor)}
	matches := map[place]bool{}
	for _, v := range page.Versions {
		if ask.shows(v) {
			b.versions, matches[place{typ: v.Type, id: v.ID}] = append(b.versions, v), true
		}
	}
	if ask.cursor == "" && page.Next == "" {
		b.total = len(b.versions)
	}
	b.versions = append(b.versions, brought...)
	b.frame = func(v *Version) string {
		if matches[place{typ: v.Type, id: v.ID}] {
			return matched(v)
		}
		return included
	}
	if page.Next != "" {
		b.next = link(path, ask.applied, page.Next)
	}
	return h.writeBundle(w, r, b)
}

// careDates name the parameter that says when care took place. Types that
// aren't here, such as the Patient, Conditions and Consents, belong to every
// period.
var careDates = map[string]string{
	"Appointment": "date", "CarePlan": "date", "Communication": "sent", "DocumentReference": "period", "Encounter": "date", "Flag": "date",
	"MedicationStatement": "effective", "Observation": "date", "Procedure": "date", "QuestionnaireResponse": "authored",
	"Schedule": "date", "ServiceRequest": "occurrence",
}

// queries are those of the compartment, the Patient first. A type outside the
// compartment may be asked for: then the whole of it is read for references.
func (a *everythingAsked) queries(patient string, served map[string]bool, o search.Options) ([]*search.Query, error) {
	members := search.CompartmentTypes("Patient")
	outside := slices.ContainsFunc(a.types, func(typ string) bool { return !slices.Contains(members, typ) })
	var list []*search.Query
	for _, typ := range members {
		if !served[typ] || !outside && !a.wants(typ) {
			continue
		}
		where := search.InCompartment("Patient", patient, typ)
		if name := careDates[typ]; name != "" && len(a.care) > 0 {
			within := search.And{}
			for _, limit := range a.care {
				parsed, err := search.Parse(typ, name+"="+limit, o)
				if err != nil {
					return nil, err
				}
				within = append(within, parsed.Query.Where)
			}
			// A record that doesn't say when can't be left out.
			where = search.Both(where, search.Or{search.Not{Node: search.Has("!" + name)}, within})
		}
		if !a.since.IsZero() && !outside {
			where = search.Both(where, search.Updated{Op: search.Ge, Lo: a.since.UnixMilli(), Hi: a.since.UnixMilli()})
		}
		q := &search.Query{Type: typ, Where: where}
		if typ == "Patient" {
			list = slices.Insert(list, 0, q)
		} else {
			list = append(list, q)
		}
	}
	return list, nil
}

// brought is what the records of a page refer to, without what is a match itself,
// for that has its place on this page or another.
func (a *everythingAsked) brought(ctx context.Context, h *Handler, from []*Version, queries []*search.Query) ([]*Version, error) {
	if len(from) == 0 {
		return nil, nil
	}
	found, err := h.backend.Included(ctx, from, []search.Include{{}})
	if err != nil {
		return nil, err
	}
	var out []*Version
	for _, v := range found {
		if !a.shows(v) {
			continue
		}
		if at := slices.IndexFunc(queries, func(q *search.Query) bool { return q.Type == v.Type }); at >= 0 {
			r, err := fhir.Parse(v.Body)
			if err != nil {
				return nil, err
			}
			if search.Match(queries[at], v.ID, v.LastUpdated.UnixMilli(), search.Extract(r, h.o.Search)) {
				continue
			}
		}
		out = append(out, v)
	}
	return out, nil
}
