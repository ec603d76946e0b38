package bars

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Subscription is one that is active.
type Subscription struct {
	ID    string
	Ended bool // its end has come: Stop it
	// Version is that of the Subscription, for StopSubscription.
	Version int64
	query   *search.Query
	org     nhs.ODSCode // who wrote it; "": one without an organisation, who sees all
}

// Subscriptions lists the active ones. One whose criteria can't be read any more,
// since the server's table of parameters changed, goes to status error.
func (d *Desk) Subscriptions(ctx context.Context) ([]*Subscription, error) {
	var list []*Subscription
	q := &search.Query{Type: "Subscription", Where: search.Has(activeEntry), Count: search.MaxCount}
	for {
		page, err := d.store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			s, err := d.subscription(rec)
			if err != nil {
				err = d.StopSubscription(ctx, rec.ID, rec.Version, "error", "the server can't read the criteria any more")
				if err != nil { // it must not hold up all others
					d.log.Error("a Subscription that can't be read is told nothing, and can't be stopped", "id", rec.ID, "error", err)
				}
				continue
			}
			list = append(list, s)
		}
		if page.Next == "" {
			return list, nil
		}
		q.Cursor = page.Next
	}
}

func (d *Desk) subscription(rec *store.Record) (*Subscription, error) {
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return nil, err
	}
	s := &Subscription{ID: rec.ID, Version: rec.Version}
	if s.query, err = d.criteria(r.Get("criteria")); err != nil {
		return nil, err
	}
	if end, err := fhir.ParseInstant(r.Get("end").Text()); err == nil {
		s.Ended = !end.After(d.now())
	}
	who, err := writtenBy(rec)
	if err != nil {
		return nil, err
	}
	s.org = who.Organisation
	return s, nil
}

// Wanting says which Subscriptions a version that was written must be told to,
// and returns that version. Deletions are not told (R4 subscription.html), nor is
// what the subscriber's organisation may not see (design D13).
func (d *Desk) Wanting(ctx context.Context, list []*Subscription, c store.Change) ([]*Subscription, *store.Record, error) {
	if c.Deleted || !slices.ContainsFunc(list, func(s *Subscription) bool { return s.query.Type == c.Ref.Type }) {
		return nil, nil, nil
	}
	unread := func() ([]*Subscription, *store.Record, error) { // it must not hold up all that follows
		d.log.Error("a stored record can't be read; nobody is told of it", "record", c.Ref.String(), "version", c.Version)
		return nil, nil, nil
	}
	rec, err := d.store.GetVersion(ctx, c.Ref, c.Version)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, nil // purged since
	case errors.Is(err, store.ErrDamaged):
		return unread()
	case err != nil || rec.Deleted:
		return nil, nil, err
	}
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return unread()
	}
	who, _ := writtenBy(rec) // where it can't be read, no organisation sees the record
	index := search.Extract(r, d.searchOptions())
	var wanting []*Subscription
	for _, s := range list {
		sees := s.org == "" || slices.Contains(who.Visible, s.org)
		if s.query.Type == rec.Type && sees && !s.Ended && search.Match(s.query, rec.ID, rec.LastUpdated.UnixMilli(), index) {
			wanting = append(wanting, s)
		}
	}
	return wanting, rec, nil
}

// Channel is where and how a Subscription is notified.
type Channel struct {
	Status   string // of the Subscription
	Version  int64
	Endpoint string
	Refused  error  // why the endpoint may not be called, as far as can be said without its name's address
	Payload  string // "": none, else the media type
	Header   http.Header
	Secret   []byte // that signs; nil: none was given
}

// Channel reads a Subscription's channel; nil where there is no such one.
func (d *Desk) Channel(ctx context.Context, id string) (*Channel, error) {
	rec, err := d.store.Get(ctx, store.Ref{Type: "Subscription", ID: id})
	if errors.Is(err, store.ErrNotFound) || (err == nil && rec.Deleted) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := fhir.Parse(rec.Body)
	if err != nil {
		return nil, err
	}
	list, err := d.headers(ctx, id)
	if err != nil {
		return nil, err
	}
	channel := &Channel{Status: r.Get("status").Text(), Version: rec.Version, Endpoint: r.Get("channel", "endpoint").Text(),
		Payload: r.Get("channel", "payload").Text(), Header: http.Header{}}
	channel.Refused = d.endpoint(channel.Endpoint)
	for _, h := range list {
		if strings.ToLower(h.Name) == headerSecret {
			channel.Secret, _ = secretOf(h.Value)
			continue
		}
		channel.Header.Add(h.Name, h.Value)
	}
	return channel, nil
}

// Notified reads the version that a notification tells of; nil where it was
// purged.
func (d *Desk) Notified(ctx context.Context, ref store.Ref, version int64) (*store.Record, error) {
	rec, err := d.store.GetVersion(ctx, ref, version)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

// StopSubscription sets a Subscription to error, with why, or to off. One that
// isn't at this version any more is left alone: its client has written it since.
// The reason is shown to every reader, so it holds no patient data.
func (d *Desk) StopSubscription(ctx context.Context, id string, version int64, status, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	current, err := d.store.Get(ctx, store.Ref{Type: "Subscription", ID: id})
	if errors.Is(err, store.ErrNotFound) || (err == nil && (current.Deleted || current.Version != version)) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := fhir.Parse(current.Body)
	if err != nil {
		return err
	}
	edit := r.Edit().SetText(r.Root(), "status", status)
	if reason != "" {
		edit.SetText(r.Root(), "error", reason)
	}
	if r, err = edit.Done(); err != nil {
		return err
	}
	rec, err := d.record(r, id, http.MethodPut, d.byCaller(Caller{Door: "subscription"}).inherit(current))
	if err != nil {
		return err
	}
	rec.Peer = current.Peer
	_, err = d.store.Commit(ctx, &store.Batch{Ops: []store.Op{store.Put{Record: rec, If: store.Condition{Version: version}}}})
	if raced(err) {
		return nil
	}
	return err
}
