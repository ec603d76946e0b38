package bars

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Kinds of auxiliary documents: what each message was (design D17), and what the
// messages about one referral or booking have come to.
const (
	kindMessage  = "message"
	kindExchange = "exchange"
)

// exchange is what the messages about one referral or booking have come to: who
// talks with whom, and which record each entry is. Updates and answers are
// matched by it. Its document's version also makes sure that of two messages
// about one record each sees the other.
type exchange struct {
	Focus   string `json:"focus"`
	Version int64  `json:"version"` // of the focus, as the last message left it

	Bundle      string          `json:"bundle"` // Bundle.id of the request
	Correlation string          `json:"correlation,omitempty"`
	Application string          `json:"application,omitempty"` // meta.versionId of the request
	Category    string          `json:"category,omitempty"`
	UseCase     string          `json:"useCase"`
	Extension   json.RawMessage `json:"extension,omitempty"` // of the MessageHeader: the decision support software
	Sent        bool            `json:"sent,omitempty"`      // the request is one of ours
	Caller      nhs.ODSCode     `json:"caller,omitempty"`    // as the transport said
	Sender      nhs.ODSCode     `json:"sender,omitempty"`
	Receiver    nhs.ODSCode     `json:"receiver,omitempty"`
	SenderRef   string          `json:"senderRef,omitempty"` // their Organizations
	ReceiverRef string          `json:"receiverRef,omitempty"`
	Source      string          `json:"source,omitempty"` // where answers go, system|value
	Destination string          `json:"destination"`

	Patient   string   `json:"patient,omitempty"`
	Encounter string   `json:"encounter,omitempty"` // the sender's
	Cases     []string `json:"cases,omitempty"`     // its identifiers, system|value
	Planned   string   `json:"planned,omitempty"`   // the receiver's Encounter

	LastUpdated    string            `json:"lastUpdated,omitempty"`    // of the newest request
	Forwards       int               `json:"forwards,omitempty"`       // versions that were sent on (Forwarder)
	ForwardSet     string            `json:"forwardSet,omitempty"`     // and the name of them all
	ForwardTo      string            `json:"forwardTo,omitempty"`      // the service that they went to
	ForwardAddress string            `json:"forwardAddress,omitempty"` // and where that is, "" where a route says so
	Interim        string            `json:"interim,omitempty"`        // Bundle.id of the interim response
	Told           string            `json:"told,omitempty"`           // lastUpdated of our newest response
	Parts          map[string]string `json:"parts,omitempty"`          // fullUrl of the requests -> record
	Answers        map[string]string `json:"answers,omitempty"`        // fullUrl of the responses -> record

	Theirs map[string]string `json:"theirs,omitempty"` // the receiver's record -> ours, of a request that was sent

	stood int64 // version of the document; 0 for a new one
}

// exchangeOf reads the exchange about a record; nil where no message was.
func (d *Desk) exchangeOf(ctx context.Context, focus store.Ref) (*exchange, error) {
	found, err := d.store.AuxGet(ctx, kindExchange, []string{focus.String()})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	x := &exchange{stood: found[0].Version}
	return x, json.Unmarshal(found[0].Value, x)
}

// remember adds the exchange's next state to the batch.
func (w *work) remember(x *exchange) error {
	value, err := json.Marshal(x)
	if err != nil {
		return err
	}
	condition := store.Condition{Version: x.stood}
	if x.stood == 0 {
		condition = store.Condition{Absent: true}
	}
	w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: kindExchange, Key: x.Focus, Value: value, If: condition})
	return nil
}

// openExchange makes the exchange that a request begins.
func (w *work) openExchange(m *message) *exchange {
	x := &exchange{
		Focus: w.focus.String(), Version: 1,
		Bundle: m.id, Correlation: w.who.Correlation, Application: m.bundle.Get("meta", "versionId").Text(),
		Category: m.category, UseCase: m.useCase,
		Caller: w.who.Organisation, Sender: nhs.ODSOf(m.sender.resource()), Receiver: w.service.provider,
		SenderRef: m.sender.plan.ref.String(), ReceiverRef: m.destination.receiver.plan.ref.String(),
		Source: m.source, Destination: m.destination.service.String(),
		LastUpdated: m.bundle.Get("meta", "lastUpdated").Text(),
		Parts:       map[string]string{},
	}
	if extension := m.header.Get("extension"); extension.Exists() {
		x.Extension = extension.Raw()
	}
	if x.Receiver == "" {
		x.Receiver = nhs.ODSOf(m.destination.receiver.resource())
	}
	for _, e := range m.entries {
		x.Parts[e.fullURL] = e.plan.ref.String()
	}
	if e := m.first("Patient"); e != nil {
		x.Patient = e.plan.ref.String()
	}
	if e := m.own(); e != nil && m.event == EventReferral {
		x.Encounter = e.plan.ref.String()
		x.Cases = identifiersOf(e.res)
	}
	if w.planned != nil {
		x.Planned = "Encounter/" + w.planned.ID()
		x.Answers = map[string]string{"urn:uuid:" + w.planned.ID(): x.Planned}
	}
	return x
}

func identifiersOf(resource fhir.Value) []string {
	var out []string
	for id := range fhir.Identifiers(resource.Get("identifier")) {
		if id.Value != "" {
			out = append(out, id.System+"|"+id.Value)
		}
	}
	return out
}

// part finds the record that an entry of a later message means: by the id that
// it carries, else by its fullUrl. The zero Ref means that it is new.
func (x *exchange) part(e *entry, parts map[string]string) store.Ref {
	if e.id != "" {
		for _, known := range parts {
			if known == e.typ+"/"+e.id {
				return refOf(known)
			}
		}
	}
	if ref := refOf(parts[e.fullURL]); ref.Type == e.typ {
		return ref
	}
	return store.Ref{}
}

// changedHere says whether a record was changed since the sender's last message
// by somebody other than the sender, and the message doesn't name the version
// that it is based on (BaRS Core 1.5, applying an update).
func (x *exchange) changedHere(stored *store.Record, m *message) bool {
	if x == nil || stored.Version == x.Version {
		return false
	}
	if m.focus.res.Dig("meta", "versionId").Text() == itoa(int(stored.Version)) {
		return false
	}
	who, err := writtenBy(stored)
	return err != nil || who.Organisation == "" || who.Organisation != x.Caller
}

// later says whether what a sender stamped is later than what the record's
// version was stamped with (design D24). A record without a stamp, because it
// was changed here, gives way.
func later(sent fhir.Value, stored *store.Record) bool {
	stamp, err := fhir.ParseInstant(sent.Dig("meta", "lastUpdated").Text())
	if err != nil {
		return true
	}
	var peer struct {
		LastUpdated string `json:"lastUpdated"`
	}
	if json.Unmarshal(stored.Peer, &peer) != nil {
		return true
	}
	had, err := fhir.ParseInstant(peer.LastUpdated)
	return err != nil || stamp.After(had)
}

// noteMessage leaves the record of a message (design D17). Its key holds who
// asked, as the transport says, so that no sender writes another's records; the
// focus at its end keeps a Bundle.id that is used twice from hiding the first.
// Of a response the whole message is kept, because not all of it is written.
func (w *work) noteMessage(m *message) {
	sender := w.who.Organisation
	if sender == "" {
		sender = nhs.ODSOf(m.sender.resource())
	}
	value := fhir.Obj(
		"bundle", m.id,
		"focus", w.focus.String(),
		"definition", m.definition.URL(),
		"event", m.event,
		"reason", m.reason,
		"useCase", m.useCase,
		"source", m.source,
		"at", fhir.FormatInstant(w.d.now()),
		"lastUpdated", m.bundle.Get("meta", "lastUpdated"),
		"header", m.header,
	)
	if m.event == EventReferralAnswer {
		value.Set("message", m.bundle.Root())
	}
	w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: kindMessage, Key: messageKey(m.id, sender, w.focus.ID), Value: value.JSON()})
}

func messageKey(bundle string, sender nhs.ODSCode, focus string) string {
	return url.PathEscape(bundle) + "|" + url.PathEscape(string(sender)) + "|" + focus
}

// maxSameID bounds the messages with one Bundle.id that are looked at.
const maxSameID = 50

// exchangesOf finds the exchanges that messages with this Bundle.id belong to.
func (d *Desk) exchangesOf(ctx context.Context, bundle string) ([]*exchange, error) {
	notes, err := d.store.AuxScan(ctx, kindMessage, url.PathEscape(bundle)+"|", "", maxSameID)
	if err != nil {
		return nil, err
	}
	var out []*exchange
	seen := map[string]bool{}
	for _, note := range notes {
		var said struct {
			Focus string `json:"focus"`
		}
		if err := json.Unmarshal(note.Value, &said); err != nil {
			return nil, err
		}
		if seen[said.Focus] {
			continue
		}
		seen[said.Focus] = true
		x, err := d.exchangeOf(ctx, refOf(said.Focus))
		if err != nil {
			return nil, err
		}
		if x != nil {
			out = append(out, x)
		}
	}
	return out, nil
}
