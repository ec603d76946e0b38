package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Kinds of auxiliary documents beside one for each type, "sandbox-<type>": an
// index of them, and the keys that must be theirs alone.
const (
	kindIndex    = "sandbox-index"
	kindUnique   = "sandbox-unique"
	kindTemplate = "sandbox-template"
)

// Bounds of a search.
const (
	maxFound   = 100  // records of one catalogue search
	maxOfOne   = 1000 // records under one index term
	maxQuery   = 8 << 10
	maxHeader  = 16 << 10
	maxIDs     = 20 // identifiers of one record
	idAndIndex = "|"
)

func kindOf(typ string) string { return "sandbox-" + typ }

// record is one record of registry or catalogue.
type record struct {
	kind, id string
	owner    string // ODS code of who created it
	version  int64
	res      *fhir.Resource
}

// term is what a record is found by.
type term struct{ name, system, value string }

// key is the beginning of a term's keys in the index. It is a hash, so that any
// value fits and no NHS number stands in a key.
func (t term) key(kind string) string {
	sum := sha256.Sum256([]byte(t.system + "\x00" + t.value))
	return strings.Join([]string{kind, t.name, hex.EncodeToString(sum[:]), ""}, idAndIndex)
}

// identifierTerms are the identifiers below a value, under one name.
func identifierTerms(name string, v fhir.Value) []term {
	var list []term
	for id := range fhir.Identifiers(v) {
		if id.Value != "" {
			list = append(list, term{name, nhs.Canonical(id.System), id.Value})
		}
	}
	return list
}

// encodedAgain reads a value that was percent-encoded twice, as the API's
// specification allows for tokens.
func encodedAgain(text string) string {
	if strings.Contains(text, "|") {
		return text
	}
	if decoded, err := url.QueryUnescape(text); err == nil {
		return decoded
	}
	return text
}

// parseToken reads "system|value".
func parseToken(name, text string) (term, error) {
	system, value, found := strings.Cut(encodedAgain(text), "|")
	if !found || system == "" || value == "" {
		return term{}, fhir.NewOutcome(fhir.KindValue, "", "the parameter must be a system, a bar and a value")
	}
	return term{name, nhs.Canonical(system), value}, nil
}

// load reads a record, nil where there is none.
func (s *Sandbox) load(ctx context.Context, kind, id string) (*record, error) {
	list, err := s.loadAll(ctx, kind, []string{id})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// loadAll reads those of the records that are there, in the order of their ids.
func (s *Sandbox) loadAll(ctx context.Context, kind string, ids []string) ([]*record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := s.o.Store.AuxGet(ctx, kind, ids)
	if err != nil {
		return nil, err
	}
	var list []*record
	for _, aux := range found {
		envelope, err := fhir.Parse(aux.Value)
		if err != nil {
			return nil, err
		}
		list = append(list, &record{kind: kind, id: aux.Key, version: aux.Version,
			owner: envelope.Get("owner").Text(), res: envelope.Get("resource").Resource()})
	}
	slices.SortFunc(list, func(a, b *record) int { return strings.Compare(a.id, b.id) })
	return list, nil
}

// ids lists what a term finds.
func (s *Sandbox) ids(ctx context.Context, kind string, t term) ([]string, error) {
	prefix := t.key(kind)
	found, err := s.o.Store.AuxScan(ctx, kindIndex, prefix, "", maxOfOne)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(found))
	for i, aux := range found {
		list[i] = strings.TrimPrefix(aux.Key, prefix)
	}
	return list, nil
}

// save writes a record in one commit with its index. before is the version that
// it replaces, nil for a new one, which must have unique for itself. What a record
// is found by never changes.
func (s *Sandbox) save(ctx context.Context, rec, before *record, terms []term, unique string) error {
	value := fhir.Obj("owner", rec.owner, "resource", rec.res).JSON()
	if before != nil {
		_, err := s.o.Store.Commit(ctx, &store.Batch{Ops: []store.Op{
			store.AuxPut{Kind: rec.kind, Key: rec.id, Value: value, If: store.Condition{Version: before.version}}}})
		return err
	}
	absent := store.Condition{Absent: true}
	ops := []store.Op{
		store.AuxPut{Kind: rec.kind, Key: rec.id, Value: value, If: absent},
		store.AuxPut{Kind: kindUnique, Key: uniqueKey(rec.kind, unique), Value: []byte(`{}`), If: absent},
	}
	for _, t := range terms {
		ops = append(ops, store.AuxPut{Kind: kindIndex, Key: t.key(rec.kind) + rec.id, Value: []byte(`{}`)})
	}
	_, err := s.o.Store.Commit(ctx, &store.Batch{Ops: ops})
	return err
}

func uniqueKey(kind, unique string) string {
	sum := sha256.Sum256([]byte(unique))
	return kind + idAndIndex + hex.EncodeToString(sum[:])
}

// remove deletes a record with its index.
func (s *Sandbox) remove(ctx context.Context, rec *record, terms []term, unique string) error {
	ops := []store.Op{
		store.AuxDelete{Kind: rec.kind, Key: rec.id, If: store.Condition{Version: rec.version}},
		store.AuxDelete{Kind: kindUnique, Key: uniqueKey(rec.kind, unique)},
	}
	for _, t := range terms {
		ops = append(ops, store.AuxDelete{Kind: kindIndex, Key: t.key(rec.kind) + rec.id})
	}
	_, err := s.o.Store.Commit(ctx, &store.Batch{Ops: ops})
	return err
}

// call is one request to registry or catalogue.
type call struct {
	s    *Sandbox
	w    http.ResponseWriter
	r    *http.Request
	base string // what links begin with
}

// organisation is the ODS code of who asks; "" where the header isn't there.
func (c *call) organisation() (string, error) {
	text := c.r.Header.Get(headerOrganisation)
	if text == "" {
		return "", nil
	}
	bad := fhir.NewOutcome(fhir.KindValue, "", "the header "+headerOrganisation+" must be the Base64 of an Organization with its ODS code")
	if len(text) > maxHeader {
		return "", bad
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", bad
	}
	object, err := fhir.Parse(raw)
	if err != nil {
		return "", bad
	}
	code := nhs.ODSOf(object)
	if code == "" {
		return "", bad
	}
	return string(code), nil
}

// writer is the organisation that a write needs.
func (c *call) writer() (string, error) {
	code, err := c.organisation()
	if err == nil && code == "" {
		err = fhir.NewOutcome(fhir.KindRequired, "", "the header "+headerOrganisation+" is missing")
	}
	return code, err
}

// body reads the resource of a request, which registry and catalogue take in JSON
// alone.
func (c *call) body(typ string) (*fhir.Resource, error) {
	media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if strings.Contains(media, "xml") {
		return nil, fhir.NewOutcome(fhir.KindMediaType, "", "this path takes application/fhir+json only")
	}
	res, _, err := rest.ReadResource(c.w, c.r, c.s.o.MaxBody)
	if err != nil {
		return nil, err
	}
	if res.Type() != typ {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "resourceType", "resourceType must equal the type in the path")
	}
	return res, nil
}

// takesJSON demands that the caller takes the one form that registry and catalogue
// answer in.
func (c *call) takesJSON() error {
	accept := strings.Join(c.r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return nil
	}
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimRight(strings.TrimSpace(part), "; "))
		if err != nil {
			continue
		}
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q == 0 {
			continue
		}
		if slices.Contains([]string{"application/fhir+json", "application/json", "application/*", "*/*"}, media) {
			return nil
		}
	}
	return fhir.NewOutcome(fhir.KindNotAcceptable, "", "this path answers application/fhir+json only")
}

// withID gives a resource its id.
func withID(res *fhir.Resource, id string) (*fhir.Resource, error) {
	return res.Edit().SetText(res.Root(), "id", id).Done()
}

// allowed checks a verb against those of a path.
func (c *call) allowed(verbs ...string) error {
	if slices.Contains(verbs, c.r.Method) || (c.r.Method == http.MethodHead && slices.Contains(verbs, http.MethodGet)) {
		return nil
	}
	o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes "+strings.Join(verbs, ", ")+" only")
	o.Allow = verbs
	return o
}

// query reads the parameters of a search.
func (c *call) query() (map[string][]string, error) {
	if len(c.r.URL.RawQuery) > maxQuery {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the query is too long")
	}
	values := c.r.URL.Query()
	for name, list := range values {
		if len(list) > 1 {
			return nil, fhir.NewOutcome(fhir.KindValue, "", "a parameter may be there once only")
		}
		if name == "" || list[0] == "" {
			return nil, fhir.NewOutcome(fhir.KindValue, "", "a parameter without name or value")
		}
	}
	return values, nil
}

// searchset writes the answer of a search.
func (c *call) searchset(contentType, path string, total int, meta *fhir.Object, next string, entries []*fhir.Object) {
	self := c.base + path
	if c.r.URL.RawQuery != "" {
		self += "?" + c.r.URL.Query().Encode()
	}
	links := []*fhir.Object{fhir.Obj("relation", "self", "url", self)}
	if next != "" {
		links = append(links, fhir.Obj("relation", "next", "url", c.base+path+"?"+next))
	}
	bundle := fhir.NewObject("Bundle").Set("id", c.s.o.NewID()).Set("meta", meta).Set("type", "searchset").
		Set("timestamp", fhir.FormatInstant(c.s.o.Now())).Set("total", total).Set("link", links).Set("entry", entries)
	write(c.w, http.StatusOK, contentType, bundle.JSON())
}

// done writes an outcome that says that something was done.
func (c *call) done(status int, contentType, system, code, text string) {
	item := fhir.Obj("severity", "information", "code", "informational")
	if code != "" {
		item.Set("details", details(system, code))
	}
	c.s.writeOutcome(c.w, status, contentType, []*fhir.Object{item.Set("diagnostics", text)})
}
