package testscript

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// request makes an operation's HTTP request (testscript.html: url wins, else
// base, resource and params; a targetId stands for the id of that record).
func (r *run) request(o *operation) (*http.Request, error) {
	body, typ, err := r.body(o)
	if err != nil {
		return nil, err
	}
	address, err := r.address(o, typ)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(r.ctx, o.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	accept := o.accept
	if accept == "" {
		accept = mediaTypes["json"]
	}
	if accept != "none" {
		req.Header.Set("Accept", accept)
	}
	if o.sourceID != "" {
		contentType := o.contentType
		if contentType == "" {
			contentType = mediaTypes["json"]
		}
		req.Header.Set("Content-Type", contentType)
	}
	for _, h := range o.headers {
		value, err := r.fill(h[1], plainText)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("the header %s would hold a line break", h[0])
		}
		req.Header.Set(h[0], value)
	}
	return req, nil
}

// body is what a sourceId stands for: an answer as it came, or a fixture with
// its variables filled in.
func (r *run) body(o *operation) (body []byte, typ string, err error) {
	if o.sourceID == "" {
		return nil, "", nil
	}
	if a := r.answers[o.sourceID]; a != nil {
		if a.resource == nil {
			return nil, "", fmt.Errorf("the answer %s holds no resource to send", o.sourceID)
		}
		return a.body, a.resource.Type(), nil
	}
	f := r.fixture(o.sourceID)
	if f == nil {
		return nil, "", fmt.Errorf("there is no answer %s yet", o.sourceID)
	}
	text, err := r.fill(string(f.text), jsonText)
	if err != nil {
		return nil, "", err
	}
	res, err := fhir.Parse([]byte(text))
	if err != nil {
		return []byte(text), "", nil // meant to be no FHIR
	}
	if !f.contained {
		return []byte(text), res.Type(), nil
	}
	// The id of a contained resource is its name in the script only.
	edit := res.Edit().Remove(res.Root(), "id")
	if id := r.idOf(o.targetID); id != "" && o.method == http.MethodPut {
		edit = res.Edit().SetText(res.Root(), "id", id)
	}
	sent, err := edit.Done()
	if err != nil {
		return nil, "", err
	}
	return sent.JSON(), res.Type(), nil
}

func (r *run) fixture(id string) *fixture {
	for i := range r.script.fixtures {
		if r.script.fixtures[i].id == id {
			return &r.script.fixtures[i]
		}
	}
	return nil
}

// record is what is known of the record that an id of the script stands for.
func (r *run) record(id string) *answer {
	if a := r.answers[id]; a != nil {
		return a
	}
	return r.created[id]
}

// idOf is the logical id of a record; "" where there is none yet.
func (r *run) idOf(name string) string {
	a := r.record(name)
	if a == nil {
		return ""
	}
	if a.resource != nil && a.resource.ID() != "" {
		return a.resource.ID()
	}
	_, after, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Location"), r.o.Base), "/")
	_, after, _ = strings.Cut(after, "/")
	id, _, _ := strings.Cut(after, "/")
	return id
}

func (r *run) address(o *operation, typ string) (string, error) {
	if o.url != "" {
		text, err := r.fill(o.url, plainText)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
			return text, r.ours(text)
		}
		return r.o.Base + "/" + strings.TrimLeft(text, "/"), nil
	}
	path, err := r.place(o, typ)
	if err != nil {
		return "", err
	}
	escape := plainText
	if o.encode {
		escape = queryText
	}
	params, err := r.fill(o.params, escape)
	if err != nil {
		return "", err
	}
	return r.o.Base + path + params, nil
}

// ours refuses to follow a link to another server.
func (r *run) ours(address string) error {
	to, err1 := url.Parse(address)
	base, err2 := url.Parse(r.o.Base)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if to.Scheme != base.Scheme || to.Host != base.Host {
		return errors.New("the URL leads to another server")
	}
	return nil
}

// place is the path that type, resource and targetId of an operation stand for.
func (r *run) place(o *operation, typ string) (string, error) {
	switch o.code {
	case "capabilities":
		return "/metadata", nil
	case "transaction", "batch":
		return "", nil
	}
	if o.resource != "" {
		typ = o.resource
	}
	if o.targetID == "" {
		return "/" + typ, nil
	}
	id := r.idOf(o.targetID)
	if id == "" {
		return "", fmt.Errorf("nothing is known of the record %s yet", o.targetID)
	}
	if typ == "" {
		if a := r.record(o.targetID); a.resource != nil {
			typ = a.resource.Type()
		}
	}
	path := "/" + typ + "/" + id
	switch o.code {
	case "history":
		path += "/_history"
	case "vread":
		a := r.record(o.targetID)
		version := strings.Trim(strings.TrimPrefix(a.header.Get("ETag"), "W/"), `"`)
		if a.resource != nil {
			version = a.resource.Get("meta", "versionId").Text()
		}
		path += "/_history/" + version
	}
	return path, nil
}
