package rest

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// MaxEntries bounds a batch and a transaction.
const MaxEntries = 500

// bundle answers POST [base] with a batch or a transaction (R4
// http.html#transaction). A transaction is one Commit of the Backend; its reads
// follow, and one that fails says so in its own entry, since what was written
// stands. The entries of a batch are carried out one after another, each as a
// request of its own.
func (h *Handler) bundle(w http.ResponseWriter, r *http.Request, _ place) error {
	if err := refuseConditions(r.Header); err != nil {
		return err
	}
	if _, err := general(r); err != nil {
		return err
	}
	body, err := h.resource(w, r, "Bundle")
	if err != nil {
		return err
	}
	entries := body.Root().Get("entry")
	if entries.Len() > MaxEntries {
		return fhir.NewOutcome(fhir.KindTooComplex, "Bundle.entry", "a Bundle may hold "+strconv.Itoa(MaxEntries)+" entries")
	}
	kind := body.Get("type").Text()
	if kind != "batch" && kind != "transaction" {
		return fhir.NewOutcome(fhir.KindInvalid, "Bundle.type", "the type must be batch or transaction")
	}
	faults, err := h.checkEnvelope(body)
	if err != nil {
		return err
	}
	b := &bundled{h: h, prefer: r.Header.Values("Prefer"), outer: r}
	for entry := range entries.Items() {
		a := b.read(entry)
		if o := faults[a.path]; o != nil {
			a.fault = o
		}
		b.asks = append(b.asks, a)
	}
	if kind == "batch" {
		b.each(func(*ask) bool { return true })
	} else if err := b.transact(); err != nil {
		return err
	}
	return b.answer(w, r, kind+"-response")
}

// bundled is a Bundle that is being carried out.
type bundled struct {
	h      *Handler
	outer  *http.Request
	prefer []string
	asks   []*ask
	kept   int // bytes of the answers so far
}

// ask is one entry.
type ask struct {
	path  string // FHIRPath of the entry
	name  string // its fullUrl
	r     *http.Request
	at    []string // the segments of its path
	fault error    // why it isn't a request
	reply *entryReply
}

func (a *ask) reads() bool { return a.r.Method == http.MethodGet || a.r.Method == http.MethodHead }

// read makes a request of an entry.
func (b *bundled) read(entry fhir.Value) *ask {
	a := &ask{path: entry.Path(), name: entry.Get("fullUrl").Text()}
	invalid := func(at, text string) *ask {
		a.fault = fhir.NewOutcome(fhir.KindInvalid, a.path+at, text)
		return a
	}
	request := entry.Get("request")
	method := request.Get("method").Text()
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return invalid(".request.method", "the method must be GET, HEAD, POST, PUT, PATCH or DELETE")
	}
	text := strings.TrimPrefix(request.Get("url").Text(), b.h.o.BaseURL+"/")
	text = strings.TrimPrefix(text, "/")
	target, err := url.ParseRequestURI("/" + text)
	if err != nil || text == "" || strings.HasPrefix(text, "/") || strings.Contains(text, "://") && !strings.Contains(text, "?") {
		return invalid(".request.url", "the url must be relative to the server's base, and not the base itself")
	}
	body, contentType, err := entryBody(method, entry.Get("resource"), a.path)
	if err != nil {
		a.fault = err
		return a
	}
	a.r, err = http.NewRequestWithContext(b.outer.Context(), method, target.String(), strings.NewReader(body))
	if err != nil {
		return invalid(".request.url", "the url is malformed")
	}
	a.at = strings.Split(strings.TrimPrefix(target.EscapedPath(), "/"), "/")
	head := a.r.Header
	head.Set("Accept", "application/fhir+json")
	head["Prefer"] = b.prefer
	if contentType != "" {
		head.Set("Content-Type", contentType)
	}
	for name, header := range map[string]string{"ifMatch": "If-Match", "ifNoneMatch": "If-None-Match", "ifNoneExist": "If-None-Exist"} {
		if v := request.Get(name); v.Exists() {
			head.Set(header, v.Text())
		}
	}
	if v := request.Get("ifModifiedSince"); v.Exists() {
		since, err := fhir.ParseInstant(v.Text())
		if err != nil {
			return invalid(".request.ifModifiedSince", "ifModifiedSince must be an instant")
		}
		head.Set("If-Modified-Since", since.UTC().Format(http.TimeFormat))
	}
	return a
}

// entryBody is the body of an entry's request. A patch that isn't FHIR comes as
// a Binary (R4 http.html#patch).
func entryBody(method string, resource fhir.Value, path string) (body, contentType string, err error) {
	if !resource.Exists() {
		return "", "", nil
	}
	path += ".resource"
	if resource.Kind() != fhir.ObjectKind {
		return "", "", fhir.NewOutcome(fhir.KindStructure, path, "resource must be an object")
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return "", "", fhir.NewOutcome(fhir.KindInvalid, path, "a GET, HEAD or DELETE has no resource")
	}
	if method != http.MethodPatch || resource.Get("resourceType").Text() != "Binary" {
		return string(resource.Raw()), "application/fhir+json", nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(resource.Get("data").Text()), ""))
	if err != nil {
		return "", "", fhir.NewOutcome(fhir.KindValue, path+".data", "data must be base64")
	}
	return string(data), resource.Get("contentType").Text(), nil
}

// each carries out entries one after another.
func (b *bundled) each(chosen func(*ask) bool) {
	for _, a := range b.asks {
		if a.fault != nil {
			a.reply = b.refusal(a.fault)
		} else if chosen(a) {
			c := &capture{header: http.Header{}, status: http.StatusOK, most: max(1, maxWhole-b.kept)}
			b.h.ServeHTTP(c, a.r)
			a.reply = b.captured(c, a.reads())
		}
	}
}

// transact carries out a transaction. The error names the entry.
func (b *bundled) transact() error {
	var changes []Change
	var from []*ask
	for _, a := range b.asks {
		if a.fault != nil {
			return a.fault
		}
		if a.reads() {
			continue
		}
		c, err := b.change(a)
		if err != nil {
			return a.blame(err)
		}
		changes, from = append(changes, c), append(from, a)
	}
	if len(changes) > 0 {
		done, err := b.h.backend.Commit(b.outer.Context(), changes)
		var about *ChangeError
		if errors.As(err, &about) {
			return from[about.Change].blame(err)
		}
		if err != nil {
			return err
		}
		for i, d := range done {
			from[i].reply = b.done(d)
		}
	}
	b.each((*ask).reads)
	return nil
}

// change reads a write of a transaction.
func (b *bundled) change(a *ask) (c Change, err error) {
	as, has := place{typ: a.at[0]}, typeName
	if len(a.at) > 1 {
		as.id, has = a.at[1], has|idName
	}
	read := b.h.changes(len(a.at) > 1, a.r.URL.RawQuery != "")[a.r.Method]
	if len(a.at) > 2 || read == nil {
		return c, fhir.NewOutcome(fhir.KindInvalid, "", "in a transaction this method takes another url: POST Type; PUT, PATCH and DELETE Type/id or Type?criteria")
	}
	at, err := b.h.place(as, has)
	if err != nil {
		return c, err
	}
	c, err = read(&capture{header: http.Header{}}, a.r, at)
	c.Name, c.Resolve = a.name, true
	return c, err
}

// blame puts the entry's place in front of what an error is about.
func (a *ask) blame(err error) error {
	o := *fhir.AsOutcome(err)
	o.Issues = slices.Clone(o.Issues)
	for i, issue := range o.Issues {
		_, rest, below := strings.Cut(issue.Expression, ".")
		switch {
		case below:
			o.Issues[i].Expression = a.path + ".resource." + rest
		case issue.Expression != "":
			o.Issues[i].Expression = a.path + ".resource"
		default:
			o.Issues[i].Expression = a.path
		}
	}
	return &o
}
