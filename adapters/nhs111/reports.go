package nhs111

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Reports is what the door reads from the room.
type Reports interface {
	Taken(ctx context.Context, door, value string) ([]bars.Taken, error)
	Read(ctx context.Context, typ, id string) (*rest.Version, error)
	Search(ctx context.Context, q *search.Query, count bool) (*rest.Page, error)
}

const (
	doorName     = "nhs111"
	cdaMediaType = "application/hl7-cda+xml"
)

// readReport answers GET /nhs111/report/{MessageID}: the message as it was mapped
// (design D17), from the original that is kept with it. Asked again it is the
// same. A connection sees the messages of organisations that it may speak for. A
// client may ask for the STU3 form instead.
func (d *door) readReport(w http.ResponseWriter, r *http.Request, id string) {
	w.Header().Set("Vary", "Accept")
	message, err := d.keptMessage(r, id)
	if err == nil && wantsSTU3(r) {
		d.answerFHIR(w, mediaSTU3, func() (*fhir.Resource, error) { return d.readSTU3(*message) })
		return
	}
	d.answerFHIR(w, "application/fhir+json; fhirVersion=4.0; charset=utf-8", func() (*fhir.Resource, error) {
		if err != nil {
			return nil, err
		}
		return reportBundle(*message)
	})
}

func (d *door) answerFHIR(w http.ResponseWriter, mediaType string, bundle func() (*fhir.Resource, error)) {
	made, err := bundle()
	if err != nil {
		o := fhir.AsOutcome(err)
		if o.Kind == fhir.KindException {
			d.Log.Error("nhs111: a message can't be read back", "cause", o.Cause)
		}
		rest.WriteOutcome(w, o, rest.Plain)
		return
	}
	body := made.JSON()
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

func notByGet() *fhir.Outcome {
	o := fhir.NewOutcome(fhir.KindMethod, "", "a report is read by GET")
	o.Allow = []string{http.MethodGet, http.MethodHead}
	return o
}

// acceptsR4 says whether an Accept header leaves room for FHIR R4 as JSON.
func acceptsR4(values []string) bool {
	accept := strings.Join(values, ",")
	if strings.TrimSpace(accept) == "" {
		return true
	}
	for part := range strings.SplitSeq(accept, ",") {
		mediaType, parameters, err := mime.ParseMediaType(part)
		if err != nil || parameters["q"] == "0" {
			continue
		}
		switch mediaType {
		case "*/*", "application/*", "application/json", "application/fhir+json":
			// Parameter names are case-insensitive and come back in lower case.
			if v := parameters["fhirversion"]; v == "" || v == "4.0" || v == "4.0.1" {
				return true
			}
		}
	}
	return false
}

// keptMessage finds a kept message, to be mapped once more.
func (d *door) keptMessage(r *http.Request, id string) (*source, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, notByGet()
	}
	if !wantsSTU3(r) && !acceptsR4(r.Header.Values("Accept")) {
		return nil, fhir.NewOutcome(fhir.KindNotAcceptable, "", "a report is given as application/fhir+json; fhirVersion=4.0, or 3.0")
	}
	missing := fhir.NewOutcome(fhir.KindNotFound, "", "there is no report with this MessageID")
	if d.Reports == nil {
		return nil, missing
	}
	taken, err := d.taken(r, id)
	if err != nil {
		return nil, err
	}
	if taken == nil {
		return nil, missing
	}
	kept, err := d.original(r.Context(), taken)
	if err != nil {
		return nil, err
	}
	if kept == nil {
		return nil, missing
	}
	useCase, err := d.useCase(r.Context(), taken)
	if err != nil {
		return nil, err
	}
	return kept.message(r.Context(), d, useCase, strings.ToUpper(id), taken)
}

// taken finds the request that a MessageID or a trackingid made; nil where there
// is none that the connection may see. A UUID is found under the prefixes that
// senders write before it, too.
func (d *door) taken(r *http.Request, id string) (*bars.Taken, error) {
	id = strings.ToUpper(id)
	if id == "" || len(id) > 128 {
		return nil, nil
	}
	for _, prefix := range []string{"", "URN:UUID:", "UUID_"} {
		list, err := d.Reports.Taken(r.Context(), doorName, prefix+id)
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			if d.Entitled == nil || d.Entitled(r, t.Sender) {
				return &t, nil
			}
		}
	}
	return nil, nil
}

// original is a message as it was received.
type original struct {
	body      []byte
	mediaType string
}

// original finds the Binary that holds the whole message, which its
// DocumentReference names; nil where it is gone. An earlier version's, which the
// request superseded, has no Binary among the records.
func (d *door) original(ctx context.Context, taken *bars.Taken) (*original, error) {
	for _, ref := range taken.Records {
		if ref.Type != "DocumentReference" {
			continue
		}
		doc, err := d.kept(ctx, ref)
		if err != nil {
			return nil, err
		}
		for item := range doc.Get("content").Items() {
			a := item.Get("attachment")
			held := store.Ref{Type: "Binary", ID: strings.TrimPrefix(a.Get("url").Text(), "Binary/")}
			if a.Get("title").Text() != titleReceived || !slices.Contains(taken.Records, held) {
				continue
			}
			data, mediaType, err := d.binary(ctx, held.ID)
			if err != nil || data == nil {
				return nil, err
			}
			return &original{data, mediaType}, nil
		}
	}
	return nil, nil
}

// useCase is that of the referral as it was stored: what the service offers may
// have changed since.
func (d *door) useCase(ctx context.Context, taken *bars.Taken) (string, error) {
	for _, ref := range taken.Records {
		if ref.Type != "ServiceRequest" {
			continue
		}
		r, err := d.kept(ctx, ref)
		if err != nil {
			return "", err
		}
		return fhir.CodeOf(r.Get("category"), bars.SystemUseCases), nil
	}
	return "", nil
}

// kept reads a record; one that is gone is empty.
func (d *door) kept(ctx context.Context, ref store.Ref) (fhir.Value, error) {
	v, err := d.Reports.Read(ctx, ref.Type, ref.ID)
	if err != nil {
		if fhir.AsOutcome(err).Kind == fhir.KindNotFound {
			return fhir.Value{}, nil
		}
		return fhir.Value{}, err
	}
	if v.Deleted {
		return fhir.Value{}, nil
	}
	r, err := fhir.Parse(v.Body)
	if err != nil {
		return fhir.Value{}, err
	}
	return r.Root(), nil
}

// binary reads a Binary; nil where it is gone.
func (d *door) binary(ctx context.Context, id string) (data []byte, mediaType string, err error) {
	r, err := d.kept(ctx, store.Ref{Type: "Binary", ID: id})
	if err != nil || !r.Get("contentType").Exists() {
		return nil, "", err
	}
	data, err = base64.StdEncoding.DecodeString(r.Get("data").Text())
	return data, r.Get("contentType").Text(), err
}

// message reads the message. It was taken once, so the clock and the allow-lists
// aren't asked again.
func (o *original) message(ctx context.Context, d *door, useCase, id string, taken *bars.Taken) (*source, error) {
	_, parameters, _ := mime.ParseMediaType(o.mediaType) // it was read when the message came
	text, err := xmltree.ToUTF8(o.body, parameters["charset"])
	if err != nil {
		return nil, err
	}
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: true})
	if err != nil {
		return nil, err
	}
	e, f := readEnvelope(root)
	if f != nil {
		return nil, f
	}
	documents, f := e.documents(text)
	if f != nil {
		return nil, f
	}
	target, _ := e.target(checkRules{})
	var provider nhs.ODSCode
	if service, err := d.desk.Service(ctx, target); err == nil { // it may be gone
		provider = service.Provider
	}
	return &source{Envelope: e, Documents: documents, Message: o.body, MediaType: o.mediaType,
		Target: target, UseCase: orElse(useCase, d.UseCase), Provider: provider, Now: taken.At, NewID: idsOf(id + "|" + string(taken.Sender))}, nil
}

// reportBundle is the R4 form of a kept message.
func reportBundle(message source) (*fhir.Resource, error) {
	if message.Envelope.kind() == nullification {
		_, entries, wrong := readNullification(message)
		if wrong != nil {
			return nil, wrong
		}
		return collection(entries, message.Now), nil
	}
	mapped, err := mapReport(message)
	if err != nil {
		return nil, err
	}
	if mapped.Bundle != nil {
		return mapped.Bundle, nil
	}
	return collection(mapped.Attached, message.Now), nil
}

// collection is what asks nobody to act.
func collection(kept []bars.Entry, at time.Time) *fhir.Resource {
	var entries []*fhir.Object
	for _, entry := range kept {
		entries = append(entries, fhir.Obj("fullUrl", entry.FullURL, "resource", entry.Resource.Root()))
	}
	return fhir.NewObject("Bundle").Set("type", "collection").Set("timestamp", fhir.FormatInstant(at)).
		Set("entry", entries).Resource()
}

// idsOf makes the same ids for the same message each time.
func idsOf(name string) func() string {
	n := 0
	return func() string {
		n++
		sum := sha256.Sum256([]byte(name + "|" + strconv.Itoa(n)))
		return uuid.NewSHA1(uuid.NameSpaceOID, sum[:]).String()
	}
}
