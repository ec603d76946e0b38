package bars

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// Document names the version of a clinical document that a request carries
// (CDA R2: id, setId, versionNumber, relatedDocument). The room holds one
// referral for a set of versions: a higher version replaces what an earlier one
// made, and a version that was taken before is taken again without effect,
// under whatever key it comes.
type Document struct {
	ID      string // of this version, as a URI: "urn:uuid:…"
	Set     string // of all versions; ID where the document names none
	Version int    // 1 where the document names none
	// Replaces are sets and ids of documents that this one says it replaces.
	Replaces []string
	// Content is what makes the version: the document's bytes.
	Content []byte
}

// What the documents of a set are for: a copy for information never stands in
// the way of the referral.
const (
	forReferral    = "referral"
	forInformation = "information"
)

// Auxiliary documents that hold what the room knows of documents. The key begins
// with the sender and the service, so that no sender touches another's.
const (
	auxDocumentSet = "document-set"
	auxDocument    = "document" // document id -> key of its set
)

// maxVersions bounds the versions that one set remembers.
const maxVersions = 200

// documentSet is what was made of the current version of a set.
type documentSet struct {
	Version int            `json:"version"`
	Hashes  map[int]string `json:"hashes"` // of every version that was taken
	// Documents are the DocumentReferences of all versions.
	Documents []string `json:"documents"`
	// Records are what the versions said, as far as a later one can replace or
	// withdraw it, in the versions that the room wrote.
	Records []written `json:"records"`
	// Ended says why the set takes no more versions: "nullified", "replaced".
	Ended string `json:"ended,omitempty"`

	key string
	aux int64 // version of the auxiliary document
}

type written struct {
	Ref     string `json:"ref"`
	Version int64  `json:"version"`
}

func (r written) ref() store.Ref { return refOf(r.Ref) }

// refOf reads a record's name as it is kept in auxiliary documents.
func refOf(text string) store.Ref {
	typ, id, _ := strings.Cut(text, "/")
	return store.Ref{Type: typ, ID: id}
}

// saysOf lists the types whose records say what a document says. People and
// organisations stay: others may refer to them by now.
var saysOf = []string{"ServiceRequest", "Patient", "Encounter", "CarePlan", "Communication",
	"Flag", "Condition", "Observation", "Questionnaire", "QuestionnaireResponse", "Consent", "RelatedPerson"}

// referral is the ServiceRequest of the set, false where it is a copy's.
func (s *documentSet) referral() (written, bool) {
	for _, r := range s.Records {
		if r.ref().Type == "ServiceRequest" {
			return r, true
		}
	}
	return written{}, false
}

func (w *work) documentKey(purpose, id string) string {
	parts := []string{string(w.who.Organisation), w.service.id, purpose, id}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "|")
}

// documentSets reads the sets that any of the names mean, each once.
func (w *work) documentSets(ctx context.Context, purpose string, names []string) ([]*documentSet, error) {
	var keys []string
	for _, name := range names {
		if key := w.documentKey(purpose, name); name != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	byID, err := w.d.store.AuxGet(ctx, auxDocument, keys)
	if err != nil {
		return nil, err
	}
	for _, found := range byID {
		if key := string(found.Value); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	found, err := w.d.store.AuxGet(ctx, auxDocumentSet, keys)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b store.Aux) int { return strings.Compare(a.Key, b.Key) })
	var sets []*documentSet
	for _, aux := range found {
		set := &documentSet{}
		if err := json.Unmarshal(aux.Value, set); err != nil {
			return nil, err
		}
		set.key, set.aux = aux.Key, aux.Version
		sets = append(sets, set)
	}
	return sets, nil
}

// documentBefore is earlierDocument for a request that may carry none.
func (w *work) documentBefore(ctx context.Context, purpose string, doc *Document) (earlier *documentSet, known bool, err error) {
	if doc == nil {
		return nil, false, nil
	}
	return w.earlierDocument(ctx, purpose, doc)
}

// earlierDocument finds what the room made of an earlier version; nil where
// there was none. known is true where this very version was taken before.
func (w *work) earlierDocument(ctx context.Context, purpose string, doc *Document) (earlier *documentSet, known bool, err error) {
	sets, err := w.documentSets(ctx, purpose, append([]string{doc.Set}, doc.Replaces...))
	if err != nil {
		return nil, false, err
	}
	own := w.documentKey(purpose, doc.Set)
	for _, set := range sets {
		if set.key != own {
			continue
		}
		hash, taken := set.Hashes[doc.Version]
		switch {
		case taken && hash == hashOf(doc.Content):
			return set, true, nil
		case taken:
			return nil, false, fhir.NewOutcome(fhir.KindInvariant, "", "this version of the document was received before with other content")
		case doc.Version < set.Version:
			return nil, false, fhir.NewOutcome(fhir.KindInvariant, "", "a later version of the document has been received")
		}
	}
	if len(sets) == 0 {
		return nil, false, nil
	}
	// More than one can only be where a document says that it replaces several: its
	// own goes on, else the first that hasn't ended. A later version repeats what an
	// earlier one replaced.
	chosen := sets[0]
	for _, set := range sets {
		if set.key == own {
			chosen = set
			break
		}
		if chosen.Ended != "" && set.Ended == "" {
			chosen = set
		}
	}
	if chosen.Ended != "" {
		return nil, false, fhir.NewOutcome(fhir.KindConflict, "", "the document was "+chosen.Ended)
	}
	return chosen, false, nil
}

// noteDocument remembers what the batch makes of a document. earlier is the set
// that it goes on from, if any.
func (w *work) noteDocument(purpose string, doc *Document, earlier *documentSet) error {
	set := &documentSet{Version: doc.Version, Hashes: map[int]string{}, key: w.documentKey(purpose, doc.Set)}
	condition := store.Condition{Absent: true}
	if earlier != nil && earlier.key == set.key {
		set.Hashes, condition = earlier.Hashes, store.Condition{Version: earlier.aux}
	} else if earlier != nil {
		earlier.Ended = "replaced"
		if err := w.putSet(earlier, store.Condition{Version: earlier.aux}); err != nil {
			return err
		}
	}
	if len(set.Hashes) >= maxVersions {
		return fhir.NewOutcome(fhir.KindTooComplex, "", "the document has more versions than one set may have")
	}
	set.Hashes[doc.Version] = hashOf(doc.Content)
	if earlier != nil {
		set.Documents, set.Records = earlier.Documents, earlier.Records
	}
	for _, op := range w.batch.Ops {
		switch op := op.(type) {
		case store.Put:
			set.wrote(op)
		case store.Delete:
			set.Records = slices.DeleteFunc(set.Records, func(r written) bool { return r.ref() == op.Ref })
		}
	}
	if err := w.putSet(set, condition); err != nil {
		return err
	}
	w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: auxDocument, Key: w.documentKey(purpose, doc.ID), Value: []byte(set.key)})
	return nil
}

// wrote notes one record of the batch.
func (s *documentSet) wrote(put store.Put) {
	ref := put.Record.Ref()
	if ref.Type == "DocumentReference" && !slices.Contains(s.Documents, ref.String()) {
		s.Documents = append(s.Documents, ref.String())
	}
	if !slices.Contains(saysOf, ref.Type) {
		return
	}
	for i := range s.Records {
		if s.Records[i].ref() == ref {
			s.Records[i].Version = put.If.Version + 1
			return
		}
	}
	s.Records = append(s.Records, written{ref.String(), put.If.Version + 1})
}

func (w *work) putSet(set *documentSet, condition store.Condition) error {
	value, err := json.Marshal(set)
	if err != nil {
		return err
	}
	w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: auxDocumentSet, Key: set.key, Value: value, If: condition})
	return nil
}

// endDocuments gives the DocumentReferences of a set their next status.
func (w *work) endDocuments(ctx context.Context, set *documentSet, status string) error {
	for _, ref := range set.Documents {
		if err := w.setMember(ctx, refOf(ref), "status", fhir.Quote(status)); err != nil {
			return err
		}
	}
	return nil
}

// setMember adds the next version of a stored record with one member changed. A
// record that is gone stays so.
func (w *work) setMember(ctx context.Context, ref store.Ref, name string, value []byte) error {
	found, err := w.d.store.GetMany(ctx, []store.Ref{ref})
	if err != nil || len(found) == 0 {
		return err
	}
	r, err := fhir.Parse(found[0].Body)
	if err != nil {
		return err
	}
	if string(r.Get(name).Raw()) == string(value) {
		return nil
	}
	if r, err = r.Edit().Set(r.Root(), name, value).Done(); err != nil {
		return err
	}
	return w.putNext(r, found[0])
}

// putNext adds the next version of a stored record.
func (w *work) putNext(r *fhir.Resource, stored *store.Record) error {
	rec, err := w.d.record(r, stored.ID, "PUT", w.who.inherit(stored))
	if err != nil {
		return err
	}
	rec.Peer = stored.Peer
	w.put(rec, store.Condition{Version: stored.Version})
	return nil
}

// replacing adds to the DocumentReference of a document that it replaces that of
// the earlier version, which the document itself can only name by identifier.
func replacing(entries []*entry, doc *Document, earlier *documentSet) error {
	for _, e := range entries {
		if e.typ != "DocumentReference" || e.res.Dig("masterIdentifier", "value").Text() != doc.ID {
			continue
		}
		r := e.resource()
		var relations []json.RawMessage
		for item := range r.Get("relatesTo").Items() {
			relations = append(relations, item.Raw())
		}
		if n := len(earlier.Documents); n > 0 {
			relations = append(relations, fhir.Obj("code", "replaces", "target", fhir.Obj("reference", earlier.Documents[n-1])).JSON())
		}
		value, err := json.Marshal(relations)
		if err != nil {
			return err
		}
		if r, err = r.Edit().Set(r.Root(), "relatesTo", value).Done(); err != nil {
			return err
		}
		e.res = r.Root()
	}
	return nil
}

// DocumentVersion reads a version number as documents write it; ok is false for
// what is no positive integer. "" is the first version.
func DocumentVersion(text string) (n int, ok bool) {
	if text == "" {
		return 1, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && n < 1<<31
}
