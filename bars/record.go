package bars

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// by is the audit of one version: it is written with the version, so it can't
// be missing (design D22). It also carries what later versions inherit: who may
// see the record and the service that it belongs to.
type by struct {
	Door         string        `json:"door"`
	Organisation nhs.ODSCode   `json:"org,omitempty"`
	Name         string        `json:"orgName,omitempty"`
	Software     string        `json:"software,omitempty"`
	System       string        `json:"softwareSystem,omitempty"`
	Product      string        `json:"product,omitempty"`
	Version      string        `json:"productVersion,omitempty"`
	Practitioner string        `json:"practitioner,omitempty"`
	User         string        `json:"user,omitempty"`
	Role         string        `json:"role,omitempty"`
	Target       string        `json:"target,omitempty"`
	Request      string        `json:"request,omitempty"`
	Correlation  string        `json:"correlation,omitempty"`
	At           time.Time     `json:"at"`
	Hosted       bool          `json:"hosted,omitempty"`
	Sent         bool          `json:"sent,omitempty"` // a copy of what another system was sent
	Service      string        `json:"service,omitempty"`
	Visible      []nhs.ODSCode `json:"visible,omitempty"`
}

func (d *Desk) byCaller(c Caller) by {
	who := by{Door: c.Door, Organisation: c.Organisation, Name: c.OrganisationName,
		Software: c.Software, System: c.SoftwareSystem, Product: c.SoftwareName, Version: c.SoftwareVersion,
		Practitioner: c.Practitioner, User: c.User, Role: c.Role, Request: c.RequestID, Correlation: c.Correlation, At: d.now().UTC()}
	if c.Target.Value != "" {
		who.Target = c.Target.String()
	}
	return who
}

// writtenBy reads who wrote a version, and to whom its record belongs.
func writtenBy(rec *store.Record) (by, error) {
	var who by
	if err := json.Unmarshal(rec.By, &who); err != nil {
		return by{}, err
	}
	return who, nil
}

// inherit takes over what the record's earlier version said of ownership.
func (b by) inherit(previous *store.Record) by {
	if previous == nil {
		return b
	}
	old, err := writtenBy(previous)
	if err != nil {
		return b
	}
	b.Hosted, b.Sent, b.Service, b.Visible = old.Hosted, old.Sent, old.Service, old.Visible
	return b
}

func (b by) see(codes ...nhs.ODSCode) by {
	b.Visible = slices.Clone(b.Visible)
	for _, c := range codes {
		if c != "" && !slices.Contains(b.Visible, c) {
			b.Visible = append(b.Visible, c)
		}
	}
	return b
}

// record makes the stored form of a resource: the id put in, the server's own
// meta taken out, indexed. peer is what the sender stamped.
func (d *Desk) record(r *fhir.Resource, id, method string, who by) (*store.Record, error) {
	peer := peerOf(r)
	r, err := fhir.UnstampAs(r, id)
	if err != nil {
		return nil, err
	}
	index := d.indexOf(r, who)
	if index.Over {
		// Indexed in part it could not be found by everything that is in it.
		return nil, fhir.NewOutcome(fhir.KindTooComplex, r.Type(), "the resource has more searchable values than the server indexes")
	}
	audit, err := json.Marshal(who)
	if err != nil {
		return nil, err
	}
	return &store.Record{Type: r.Type(), ID: id, Method: method, Body: r.JSON(), Index: index, By: audit, Peer: peer}, nil
}

// indexOf is what a record can be found by: what its resource says and what the
// room knows of it.
func (d *Desk) indexOf(r *fhir.Resource, who by) search.Index {
	index := search.Extract(r, d.searchOptions())
	if number := nhs.NHSNumberOf(r); r.Type() == "Patient" && number != "" && !writes(r.Root(), number) {
		// Written with blanks it must be found all the same.
		index.X = append(index.X, "identifier="+nhs.SystemNHSNumber+"|"+string(number), "identifier:"+string(number))
	}
	if who.Hosted {
		index.X = append(index.X, hosted)
	}
	if who.Service != "" {
		index.X = append(index.X, serviceEntry(who.Service))
	}
	for _, code := range who.Visible {
		index.X = append(index.X, orgEntry(code))
	}
	if r.Type() == "ServiceRequest" { // R4 has no search parameter for it
		for booking := range localReferences(r.Get("supportingInfo"), "Appointment") {
			index.X = append(index.X, bookingEntry(booking))
		}
	}
	return index
}

// serviceEntry is the index entry of records that belong to a service.
func serviceEntry(id string) string { return "@service:" + id }

// bookingEntry is the index entry of referrals that name a booking.
func bookingEntry(booking store.Ref) string { return "@booking:" + booking.ID }

// localReferences goes through the references to records of ours of a type.
func localReferences(list fhir.Value, typ string) iter.Seq[store.Ref] {
	return func(yield func(store.Ref) bool) {
		for item := range list.Items() {
			ref, ok := fhir.ParseReference(item.Get("reference").Text())
			if ok && ref.Type == typ && ref.Base == "" && !yield(store.Ref{Type: ref.Type, ID: ref.ID}) {
				return
			}
		}
	}
}

// peerOf keeps what the sender stamped (design D24).
func peerOf(r *fhir.Resource) []byte {
	meta := r.Root().Get("meta")
	return fhir.Obj("versionId", meta.Get("versionId"), "lastUpdated", meta.Get("lastUpdated")).JSON()
}
