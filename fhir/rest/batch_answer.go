package rest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// entryReply is the answer to one entry.
type entryReply struct {
	status                       int
	location, etag, lastModified string
	resource, outcome            []byte
}

// captured is the answer to a request of its own. What a read would make too
// large for the whole is refused in its place; a write stands, without its body.
func (b *bundled) captured(c *capture, read bool) *entryReply {
	if c.over && read {
		return b.refusal(fhir.NewOutcome(fhir.KindTooCostly, "", "the answers of this Bundle are too large together"))
	}
	if c.over {
		c.body.Reset()
	}
	b.kept += c.body.Len()
	e := &entryReply{status: c.status, location: c.header.Get("Location"), etag: c.header.Get("ETag")}
	if !c.changed.IsZero() {
		e.lastModified = fhir.FormatInstant(c.changed)
	}
	if e.status >= 400 || wantsOutcome(b.prefer) && strings.HasPrefix(c.body.String(), `{"resourceType":"OperationOutcome"`) {
		e.outcome = c.body.Bytes()
	} else {
		e.resource = c.body.Bytes()
	}
	return e
}

// refusal is the answer to an entry that can't be carried out.
func (b *bundled) refusal(err error) *entryReply {
	o := fhir.AsOutcome(err)
	return &entryReply{status: o.Kind.Row().Status, outcome: OutcomeResource(o, Plain).JSON()}
}

// done is the answer to a write of a transaction.
func (b *bundled) done(d Changed) *entryReply {
	e, v := &entryReply{status: http.StatusOK}, d.Version
	if v != nil {
		e.etag, e.lastModified = formatETag(v.Version), fhir.FormatInstant(v.LastUpdated)
	}
	if v == nil || v.Deleted {
		if e.status = http.StatusNoContent; wantsOutcome(b.prefer) {
			e.status, e.outcome = http.StatusOK, deleted(v)
		}
		return e
	}
	word := "the resource was updated"
	switch {
	case d.Created:
		e.status, word = http.StatusCreated, "the resource was created"
	case d.Found:
		word = "the condition found a resource, so nothing was created"
	}
	if d.Created || d.Found { // as a request of its own has it
		e.location = b.h.url(v.Type, v.ID, "_history", strconv.FormatInt(v.Version, 10))
	}
	switch parsePrefer(b.prefer).result {
	case "representation":
		e.resource = fhir.Stamp(v.Body, v.Version, v.LastUpdated)
	case "OperationOutcome":
		e.outcome = success(word)
	}
	b.kept += len(e.resource)
	return e
}

// answer sends the Bundle of answers, in the order of the entries.
func (b *bundled) answer(w http.ResponseWriter, r *http.Request, kind string) error {
	p := replyOf(w, r)
	c, err := p.render(b.text(kind, true))
	if err != nil { // what was written stands: answer without what XML can't hold
		c, err = p.render(b.text(kind, false))
	}
	if err != nil {
		return err
	}
	p.send(w, http.StatusOK, c)
	return nil
}

func (b *bundled) text(kind string, whole bool) []byte {
	var entries []*fhir.Object
	for _, a := range b.asks {
		e := a.reply
		entry := &fhir.Object{}
		if whole {
			entry.Set("resource", json.RawMessage(e.resource))
		}
		response := fhir.Obj(
			"status", strings.TrimSpace(strconv.Itoa(e.status)+" "+http.StatusText(e.status)),
			"location", e.location, "etag", e.etag, "lastModified", e.lastModified,
		)
		if whole || e.status >= 400 {
			response.Set("outcome", json.RawMessage(e.outcome))
		}
		entries = append(entries, entry.Set("response", response))
	}
	return fhir.NewObject("Bundle").
		Set("id", b.h.o.NewID()).
		Set("meta", fhir.Obj("lastUpdated", fhir.FormatInstant(b.h.o.Clock()))).
		Set("type", kind).
		Set("entry", entries).JSON()
}
