package bars

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// shownEntry is a resource as an answer's message shows it.
type shownEntry struct {
	ref     store.Ref
	fullURL string
	res     *fhir.Resource
	told    bool   // the requester knows the record's id
	stamp   string // meta.lastUpdated
}

// build writes the message of an answer: the resources of the request that the
// definition asks for, under the fullUrls that they came with, what has changed,
// and what the answer adds.
func (r *reply) build(ctx context.Context) (*fhir.Resource, error) {
	if err := r.stampLater(ctx); err != nil {
		return nil, err
	}
	list, err := r.gather(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, e := range list {
		names[e.ref.String()] = e.fullURL
	}
	// A booking's message brought the patient once more; the message shows one.
	for _, e := range list {
		if patient := patientOf(e.res); e.ref.Type == "Appointment" && names[patient] == "" && names[r.x.Patient] != "" {
			names[patient] = names[r.x.Patient]
		}
	}
	now := r.x.Told
	focus := names[r.x.Planned]
	if r.definition.Focus == "ServiceRequest" {
		focus = names[r.w.focus.String()]
	}
	entries := []*fhir.Object{fhir.Obj("fullUrl", "urn:uuid:"+r.w.d.newID(), "resource", r.header(names, focus, now).Resource())}
	for _, e := range list {
		text, err := e.text(names)
		if err != nil {
			return nil, err
		}
		entries = append(entries, fhir.Obj("fullUrl", e.fullURL, "resource", text.Root()))
	}
	return fhir.NewObject("Bundle").
		Set("id", r.w.d.newID()).
		Set("meta", fhir.Obj("versionId", r.x.Application, "lastUpdated", now, "profile", []string{ProfileBundle})).
		Set("type", "message").
		Set("timestamp", now).
		Set("entry", entries).Resource(), nil
}

// stampLater sets the time that the message is stamped with: now, but later than
// what was told before, however fast two changes follow or our clock is set back,
// because a receiver passes over what isn't later (BaRS Core 1.5, applying an
// update).
func (r *reply) stampLater(ctx context.Context) error {
	stamp := r.w.d.now().Truncate(time.Millisecond)
	told, err := fhir.ParseInstant(r.x.Told)
	if err != nil { // this is the first; the synchronous answer showed our Encounter
		stored, _, err := r.read(ctx, refOf(r.x.Planned))
		if err != nil {
			return err
		}
		told = stored.LastUpdated.Truncate(time.Millisecond)
	}
	if !stamp.After(told) {
		stamp = told.Add(time.Millisecond)
	}
	r.x.Told = fhir.FormatInstant(stamp)
	return nil
}

// header writes the MessageHeader of an answer (BaRS Core 1.5, message headers).
func (r *reply) header(names map[string]string, focus, now string) *fhir.Object {
	return fhir.NewObject("MessageHeader").
		Set("meta", fhir.Obj("lastUpdated", now, "profile", []string{profileAnswerHeader})).
		Set("extension", json.RawMessage(r.x.Extension)).
		Set("eventCoding", fhir.Obj("system", SystemEvents, "code", EventReferralAnswer)).
		Set("destination", []*fhir.Object{fhir.Obj("endpoint", r.x.Source, "receiver", fhir.Obj("reference", names[r.x.SenderRef]))}).
		Set("sender", fhir.Obj("reference", names[r.x.ReceiverRef])).
		Set("source", fhir.Obj("name", "Onward", "software", "Onward", "endpoint", r.x.Destination)).
		Set("reason", fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", SystemReasons, "code", r.reason)})).
		Set("response", fhir.Obj("identifier", r.x.Bundle, "code", "ok")).
		Set("focus", []*fhir.Object{fhir.Obj("reference", focus)}).
		Set("definition", r.definition.URL())
}

// gather chooses the resources: the ServiceRequest, the two Encounters and the
// changed records always, else what the definition has room for; an entry of the
// answer's own stands in place of the request's of that type.
func (r *reply) gather(ctx context.Context) ([]*shownEntry, error) {
	room := map[string]int{}
	for _, c := range r.definition.Content {
		room[c.Type] = c.Max
		if c.Max == 0 {
			room[c.Type] = maxEntries
		}
	}
	urls := map[string]string{}
	for _, known := range []map[string]string{r.x.Parts, r.x.Answers} {
		for url, ref := range known {
			urls[ref] = url
		}
	}
	var list []*shownEntry
	seen := map[string]bool{}
	now := r.x.Told
	add := func(e *shownEntry) {
		name := e.ref.String()
		if seen[name] || room[e.ref.Type] == 0 {
			return
		}
		seen[name] = true
		room[e.ref.Type]--
		if e.fullURL == "" {
			if e.fullURL = urls[name]; e.fullURL == "" {
				e.fullURL = "urn:uuid:" + r.w.d.newID()
			}
		}
		list = append(list, e)
	}
	given := map[string]bool{}
	for _, e := range r.entries {
		given[e.typ] = true
		res, err := r.w.rewrite(e.resource())
		if err != nil {
			return nil, err
		}
		add(&shownEntry{ref: e.plan.ref, fullURL: e.fullURL, res: res, stamp: now})
	}
	for _, ref := range slices.SortedFunc(maps.Keys(r.changed), func(a, b store.Ref) int { return compareRefs(a, b) }) {
		if ref.Type == "Encounter" && room["Encounter"] == 1 {
			continue // the one place is for the requester's
		}
		if ref.Type == "CarePlan" {
			given[ref.Type] = true
		}
		add(&shownEntry{ref: ref, res: r.changed[ref], told: true, stamp: now})
	}
	for _, name := range r.wanted(given) {
		found, err := r.w.d.store.GetMany(ctx, []store.Ref{refOf(name)})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		body, err := fhir.Parse(found[0].Body)
		if err != nil {
			return nil, err
		}
		add(&shownEntry{ref: refOf(name), res: body, told: true, stamp: stampOf(found[0])})
	}
	return list, nil
}

func compareRefs(a, b store.Ref) int {
	if a.String() < b.String() {
		return -1
	}
	return 1
}

// wanted lists the records of the request that may stand in the answer: first
// those without which it makes no sense.
func (r *reply) wanted(given map[string]bool) []string {
	list := []string{r.x.Encounter, r.x.Patient, r.x.SenderRef, r.x.ReceiverRef}
	for _, url := range slices.Sorted(maps.Keys(r.x.Parts)) {
		ref := refOf(r.x.Parts[url])
		if ref.Type != "Encounter" && (!given[ref.Type] || ref.Type == "Organization") {
			list = append(list, ref.String())
		}
	}
	return slices.DeleteFunc(list, func(name string) bool { return name == "" })
}

// stampOf is what the sender stamped a record with, else our own time.
func stampOf(rec *store.Record) string {
	var peer struct {
		LastUpdated string `json:"lastUpdated"`
	}
	if json.Unmarshal(rec.Peer, &peer) == nil && peer.LastUpdated != "" {
		return peer.LastUpdated
	}
	return fhir.FormatInstant(rec.LastUpdated)
}

// claimed adds what the standard asks of every resource in a message and records
// of our own directory may lack: the profile, and that a service is active.
func (e *shownEntry) claimed(r *fhir.Resource) (*fhir.Resource, error) {
	edit := r.Edit()
	switch meta := r.Get("meta"); {
	case !meta.Exists():
		edit.Set(r.Root(), "meta", fhir.Obj("profile", []string{ukCore + e.ref.Type}).JSON())
	case !meta.Get("profile").Exists():
		edit.Set(meta, "profile", append(append([]byte{'['}, fhir.Quote(ukCore+e.ref.Type)...), ']'))
	}
	if e.ref.Type == "HealthcareService" && !r.Get("active").Exists() {
		edit.Set(r.Root(), "active", []byte("true"))
	}
	return edit.Done()
}

// text writes the resource with bundle-local references.
func (e *shownEntry) text(names map[string]string) (*fhir.Resource, error) {
	id := ""
	if e.told {
		id = e.ref.ID
	}
	plain, err := fhir.UnstampAs(e.res, e.ref.ID)
	if err != nil {
		return nil, err
	}
	if plain, err = e.claimed(plain); err != nil {
		return nil, err
	}
	edit := plain.Edit()
	fhir.Walk(plain.Root(), func(name string, v fhir.Value) {
		if url, ok := names[v.Text()]; ok && name == "reference" {
			edit.Replace(v, fhir.Quote(url))
		}
	})
	if id == "" {
		edit.Remove(plain.Root(), "id")
	}
	if meta := plain.Get("meta"); meta.Exists() {
		edit.SetText(meta, "lastUpdated", e.stamp)
	} else {
		edit.Set(plain.Root(), "meta", fhir.Obj("lastUpdated", e.stamp).JSON())
	}
	return edit.Done()
}
