package bars

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// auxChannel keeps what a Subscription's channel.header holds, under the
// Subscription's id. Headers carry tokens, and whoever may read a Subscription
// need not learn them, so the resource shows their names only.
const auxChannel = "subscription"

// kept stands in a Subscription's header for a value that isn't shown. Written
// back, it means the value that is there.
const kept = "(kept)"

// headerSecret is the header whose value isn't sent: it signs what is sent.
const headerSecret = "webhook-secret"

// Bounds of a Subscription.
const (
	maxCriteria = 4 << 10
	maxHeaders  = 20
	maxHeader   = 4 << 10
	maxActive   = 2000 // Subscriptions: each is held against each change
	minSecret   = 24   // bytes, as Standard Webhooks has it
	maxSecret   = 64
)

// activeEntry is the index entry of active Subscriptions.
const activeEntry = "status:active"

// header is one header of a channel.
type header struct{ Name, Value string }

// changeSubscription judges a Subscription that a client writes and returns what
// is stored: what is requested becomes active, and never because the client says
// so (R4 subscription.html#status). Endpoints of one that is off aren't judged,
// so that any can be switched off.
func (w *work) changeSubscription(ctx context.Context, r *fhir.Resource, id string, before *fhir.Resource) (*fhir.Resource, error) {
	c := subscriptionCheck{&fhir.Outcome{Kind: fhir.KindInvariant}}
	status := r.Get("status").Text()
	wasActive := before != nil && before.Get("status").Text() == "active"
	if status == "error" {
		c.Add("Subscription.status", "only the server sets the status error; ask for it again with requested")
	}
	if _, err := w.d.criteria(r.Get("criteria")); err != nil {
		c.Add("Subscription.criteria", err.Error())
	}
	c.end(r.Get("end"), w.d.now(), status)
	channel := r.Get("channel")
	if kind := channel.Get("type").Text(); kind != "rest-hook" {
		c.Add("Subscription.channel.type", "this server notifies by rest-hook only")
	}
	endpoint := channel.Get("endpoint").Text()
	if err := w.d.endpoint(endpoint); err != nil && status != "off" {
		c.Add("Subscription.channel.endpoint", "the endpoint may not be called: "+err.Error())
	}
	if below(w.d.base, endpoint) { // each would make the next
		c.Add("Subscription.channel.endpoint", "the endpoint is this server itself")
	}
	if payload := channel.Get("payload"); payload.Exists() && payload.Text() != payloadJSON && payload.Text() != payloadXML {
		c.Add("Subscription.channel.payload", "payload must be "+payloadJSON+" or "+payloadXML+", or be left out")
	}
	old, err := w.d.headers(ctx, id)
	if err != nil {
		return nil, err
	}
	if before == nil || origin(before.Get("channel", "endpoint").Text()) != origin(endpoint) {
		old = nil // they were given for another receiver
	}
	list := c.headers(channel.Get("header"), old)
	if err := c.OrNil(); err != nil {
		return nil, err
	}
	if status == "requested" {
		status = "active"
	}
	if status == "active" && !wasActive {
		n, _, err := w.d.store.Count(ctx, &search.Query{Type: "Subscription", Where: search.Has(activeEntry)}, maxActive)
		if err != nil {
			return nil, err
		}
		if n >= maxActive {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "Subscription", "there are "+itoa(maxActive)+" active Subscriptions already")
		}
	}
	edit := r.Edit().SetText(r.Root(), "status", status)
	if status == "active" {
		edit.Remove(r.Root(), "error")
	}
	for i := range list {
		edit.Replace(channel.Get("header").At(i), fhir.Quote(list[i].Name+": "+kept))
	}
	w.keepHeaders(id, list)
	return edit.Done()
}

// The payloads.
const (
	payloadJSON = "application/fhir+json"
	payloadXML  = "application/fhir+xml"
)

// criteria compiles the criteria of a Subscription. They must be decidable from
// the one resource that was written.
func (d *Desk) criteria(v fhir.Value) (*search.Query, error) {
	invalid := func(text string) (*search.Query, error) { return nil, criteriaError(text) }
	text := v.Text()
	if len(text) > maxCriteria {
		return invalid("the criteria are longer than " + itoa(maxCriteria) + " bytes")
	}
	typ, query, _ := strings.Cut(text, "?")
	if !isServed(typ) {
		return invalid("the criteria must be a search of one type that this server stores, such as Appointment?status=booked")
	}
	if typ == "Subscription" {
		return invalid("Subscriptions can't be subscribed to")
	}
	parsed, err := search.Parse(typ, query, d.searchOptions())
	if err != nil {
		issues := fhir.AsOutcome(err).Issues
		if len(issues) == 0 {
			return invalid("the criteria are no valid search")
		}
		return invalid(issues[0].Diagnostics)
	}
	q := parsed.Query
	if parsed.CountOnly || parsed.Total != "" || q.Count != 0 || q.Cursor != "" || len(q.Sort) > 0 {
		return invalid("criteria take no parameters that shape a search's result")
	}
	if chained(q.Where) {
		return invalid("criteria take neither chained parameters nor _has: they are judged on the resource that was written alone")
	}
	return q, nil
}

type criteriaError string

func (e criteriaError) Error() string { return string(e) }

func isServed(typ string) bool {
	return slices.Contains(search.Types(), typ)
}

// subscriptionCheck collects what is wrong with a Subscription beyond R4's own
// definitions.
type subscriptionCheck struct{ *fhir.Outcome }

func (c subscriptionCheck) end(v fhir.Value, now time.Time, status string) {
	if !v.Exists() {
		return
	}
	end, err := fhir.ParseInstant(v.Text())
	if err != nil {
		c.Add("Subscription.end", "end must be an instant with seconds and an offset")
	} else if !end.After(now) && status != "off" {
		c.Add("Subscription.end", "end lies in the past")
	}
}

// origin is what an endpoint has in common with others of the same receiver.
func origin(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	host := u.Host
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return strings.ToLower(u.Scheme + "://" + host)
}

// below says whether an endpoint is at a base URL or below it, however it is written:
// a notification's path is cleaned.
func below(base, endpoint string) bool {
	at, err := url.Parse(endpoint)
	if err != nil || origin(base) != origin(endpoint) {
		return false
	}
	own, err := url.Parse(base)
	return err == nil && strings.HasPrefix(strings.ToLower(at.JoinPath("/").Path), strings.ToLower(own.JoinPath("/").Path))
}

// headers reads channel.header: "Name: value" each. A value that is kept comes
// from old.
func (c subscriptionCheck) headers(v fhir.Value, old []header) []header {
	if !v.Exists() {
		return nil
	}
	if v.Kind() != fhir.ArrayKind || v.Len() > maxHeaders {
		c.Add("Subscription.channel.header", "header must be an array of at most "+itoa(maxHeaders)+" strings")
		return nil
	}
	var list []header
	used := map[string]int{}
	for item := range v.Items() {
		name, value, found := strings.Cut(item.Text(), ":")
		name, value = strings.TrimSpace(name), strings.Trim(value, " \t")
		if !found || len(item.Text()) > maxHeader || !validHeader(name, value) {
			c.Add(item.Path(), "a header is a name, a colon and a value of visible ASCII characters, and none of those that the server sets itself")
			continue
		}
		key := strings.ToLower(name)
		used[key]++
		if value == kept {
			if value = nth(old, key, used[key]); value == "" {
				c.Add(item.Path(), "there is no value of this header that could be kept for this endpoint; give it")
				continue
			}
		}
		if key == headerSecret {
			if _, ok := secretOf(value); !ok || used[key] > 1 {
				c.Add(item.Path(), "the signing secret must be given once, as whsec_ and the base64 of 24 to 64 bytes")
			}
		}
		list = append(list, header{name, value})
	}
	return list
}

func nth(list []header, key string, n int) string {
	for _, h := range list {
		if strings.ToLower(h.Name) != key {
			continue
		}
		if n--; n == 0 {
			return h.Value
		}
	}
	return ""
}

// own are the headers that a notification sets itself, or HTTP for it.
var own = map[string]bool{
	"host": true, "content-length": true, "content-type": true, "content-encoding": true, "transfer-encoding": true,
	"connection": true, "keep-alive": true, "upgrade": true, "te": true, "trailer": true, "expect": true, "accept-encoding": true,
	"webhook-id": true, "webhook-timestamp": true, "webhook-signature": true, "proxy-connection": true, "proxy-authorization": true,
}

func validHeader(name, value string) bool {
	if name == "" || value == "" || own[strings.ToLower(name)] {
		return false
	}
	for _, c := range []byte(name) {
		if !('a' <= c|0x20 && c|0x20 <= 'z') && !('0' <= c && c <= '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	for _, c := range []byte(value) {
		if (c < ' ' && c != '\t') || c > '~' {
			return false
		}
	}
	return true
}

// secretOf reads a signing secret in the form of Standard Webhooks.
func secretOf(value string) ([]byte, bool) {
	text, found := strings.CutPrefix(value, "whsec_")
	if !found {
		return nil, false
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	return secret, err == nil && len(secret) >= minSecret && len(secret) <= maxSecret
}

// headers reads what is kept of a channel's header.
func (d *Desk) headers(ctx context.Context, id string) ([]header, error) {
	docs, err := d.store.AuxGet(ctx, auxChannel, []string{id})
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	var list []header
	return list, json.Unmarshal(docs[0].Value, &list)
}

func (w *work) keepHeaders(id string, list []header) {
	if len(list) == 0 {
		w.batch.Ops = append(w.batch.Ops, store.AuxDelete{Kind: auxChannel, Key: id})
		return
	}
	value, err := json.Marshal(list)
	if err != nil {
		panic("bars: " + err.Error()) // strings always encode
	}
	w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: auxChannel, Key: id, Value: value})
}
