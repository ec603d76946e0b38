package bars

import (
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// answer writes the synchronous answer: the message as it came, with our id on
// every stored resource, what we changed, and the planned Encounter (BaRS Core
// 1.5, processing requests). References stay bundle-local.
func (w *work) answer(m *message, versions []store.Version) (*fhir.Resource, error) {
	written := map[store.Ref]store.Version{}
	for _, v := range versions {
		written[v.Ref] = v
	}
	edit := m.bundle.Edit()
	for _, e := range m.entries {
		if e.plan.ref.ID == "" {
			continue
		}
		ref := e.plan.ref
		if changed, ok := w.changed[ref]; ok {
			shown, err := w.shown(e, changed, written[ref])
			if err != nil {
				return nil, err
			}
			edit.Replace(e.res, shown.JSON())
			continue
		}
		edit.SetText(e.res, "id", ref.ID)
	}
	if w.planned != nil {
		v := written[store.Ref{Type: "Encounter", ID: w.planned.ID()}]
		text := fhir.Obj("fullUrl", "urn:uuid:"+w.planned.ID(), "resource", stamped(w.planned, v)).JSON()
		edit.Append(m.bundle.Get("entry"), text)
	}
	return edit.Done()
}

// shown is a changed resource as the answer shows it: as the sender wrote it,
// with our changes. A stored record (a Slot, a cancelled booking) is shown
// under the entry's own bundle-local references where the entry has them.
func (w *work) shown(e *entry, changed *fhir.Resource, v store.Version) (*fhir.Resource, error) {
	sent := e.resource()
	edit := sent.Edit().SetText(sent.Root(), "id", e.plan.ref.ID)
	for _, name := range []string{"status", "created", "identifier"} {
		if value := changed.Get(name); value.Exists() {
			edit.Set(sent.Root(), name, value.Raw())
		}
	}
	if meta := sent.Get("meta"); meta.Kind() == fhir.ObjectKind {
		edit.SetText(meta, "lastUpdated", fhir.FormatInstant(v.LastUpdated))
		edit.SetText(meta, "versionId", itoa(int(v.Version)))
	}
	return edit.Done()
}

func stamped(r *fhir.Resource, v store.Version) *fhir.Resource {
	out, err := fhir.Parse(fhir.Stamp(r.JSON(), v.Version, v.LastUpdated))
	if err != nil {
		panic("bars: " + err.Error()) // our own text
	}
	return out
}
