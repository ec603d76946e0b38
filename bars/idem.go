package bars

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// keepIdem is how long an idempotency record answers for its key.
const keepIdem = 7 * 24 * time.Hour

// auxFailed keeps the failure of a request whose caller had gone before it was
// answered, to be told once to its retry (design D14).
const auxFailed = "idem-failed"

// running is the table of keys whose requests are being carried out (design
// D15: one process).
type running struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (r *running) start(keys []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		if r.keys[k] {
			return false
		}
	}
	for _, k := range keys {
		r.keys[k] = true
	}
	return true
}

func (r *running) end(keys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		delete(r.keys, k)
	}
}

// texts writes the key's values as store keys; the parts can't run into one
// another because each is escaped.
func (k Key) texts() []string {
	var out []string
	for _, value := range k.Values {
		parts := []string{k.Door, k.Sender, k.Target, value}
		for i := range parts {
			parts[i] = url.PathEscape(parts[i])
		}
		out = append(out, strings.Join(parts, "|"))
	}
	return out
}

// Repeat says how a request was kept from having a second effect.
type Repeat string

// The ways.
const (
	RepeatReplayed  Repeat = "replayed"   // it had been carried out
	RepeatKnown     Repeat = "known"      // its document had been taken under another key
	RepeatUnderWay  Repeat = "under-way"  // the first is being carried out (425)
	RepeatOtherBody Repeat = "other-body" // the key was used with another body
)

// once runs work for an idempotency key: not beside itself (425), not again
// after it succeeded (a replay), not with another body under the same key.
func (d *Desk) once(ctx context.Context, key Key, body []byte, work func(context.Context, *store.Idem) (*MessageResult, error)) (*MessageResult, error) {
	result, err := d.keyed(ctx, key, body, work)
	if how := repeatOf(result, err); how != "" && d.repeated != nil {
		d.repeated(key.Door, how)
	}
	return result, err
}

// repeatOf says which repetition a result is; "": none.
func repeatOf(result *MessageResult, err error) Repeat {
	var refused *fhir.Outcome
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Kind == store.IdemMismatch:
		return RepeatOtherBody
	case errors.As(err, &refused) && refused.Kind == fhir.KindTooEarly:
		return RepeatUnderWay
	case err != nil || result == nil:
		return ""
	case result.Replay != nil:
		return RepeatReplayed
	case result.Known:
		return RepeatKnown
	}
	return ""
}

// keyed is once without the count.
func (d *Desk) keyed(ctx context.Context, key Key, body []byte, work func(context.Context, *store.Idem) (*MessageResult, error)) (*MessageResult, error) {
	keys := key.texts()
	if len(keys) == 0 {
		return nil, fhir.NewOutcome(fhir.KindRequired, "", "a write needs an idempotency key")
	}
	if !d.running.start(keys) {
		return nil, fhir.NewOutcome(fhir.KindTooEarly, "", "an earlier attempt with the same ids has not finished").After(time.Second)
	}
	defer d.running.end(keys)

	limited, cancel := context.WithTimeout(ctx, d.budget)
	defer cancel()
	idem := &store.Idem{Keys: keys, Hash: hashOf(body), Keep: keepIdem}
	replay, err := d.earlier(limited, idem)
	if err != nil {
		return nil, d.outcome(err)
	}
	if replay != nil {
		return replayed(replay), nil
	}
	result, err := work(limited, idem)
	if err == nil {
		return result, nil
	}
	refused := d.outcome(err)
	if asksForRetry(refused) {
		return nil, refused
	}
	// Another process may have carried the request out meanwhile, and that be what
	// this one met.
	switch replay, found := d.carriedOut(limited, idem); {
	case replay != nil:
		return replayed(replay), nil
	case errors.As(found, new(*store.ConflictError)):
		return nil, d.outcome(found)
	}
	if ctx.Err() != nil {
		d.keepFailure(idem, refused)
	}
	return nil, refused
}

// asksForRetry says whether a failure says nothing of the request itself.
func asksForRetry(o *fhir.Outcome) bool {
	switch o.Kind.Row().Status {
	case 408, 425, 429, 503:
		return true
	}
	return false
}

// Done says whether a request with this key and body was carried out.
func (d *Desk) Done(ctx context.Context, key Key, body []byte) (bool, error) {
	replay, err := d.earlier(ctx, &store.Idem{Keys: key.texts(), Hash: hashOf(body)})
	if err != nil {
		return false, d.outcome(err)
	}
	return replay != nil, nil
}

// earlier looks for what the key did before. The commit looks again, so this
// is only about giving the right answer when the state has moved on.
func (d *Desk) earlier(ctx context.Context, idem *store.Idem) (*store.Replay, error) {
	if replay, err := d.carriedOut(ctx, idem); err != nil || replay != nil {
		return replay, err
	}
	failed, err := d.store.AuxGet(ctx, auxFailed, idem.Keys[:1])
	if err != nil {
		return nil, err
	}
	for _, f := range failed {
		if told := readFailure(f.Value, idem.Hash); told != nil {
			_, err := d.store.Commit(ctx, &store.Batch{Ops: []store.Op{store.AuxDelete{Kind: auxFailed, Key: f.Key}}})
			return nil, errors.Join(told, err)
		}
	}
	return nil, nil
}

// carriedOut reads what the key's request did, where it succeeded.
func (d *Desk) carriedOut(ctx context.Context, idem *store.Idem) (*store.Replay, error) {
	records, err := d.store.AuxGet(ctx, store.KindIdem, idem.Keys)
	if err != nil {
		return nil, err
	}
	return store.ReadIdem(records, idem.Hash)
}

// failure is a kept failure.
type failure struct {
	Hash   string
	Kind   fhir.Kind
	Issues []fhir.Issue
}

// keepFailure stores a failure that nobody heard. One that asks for a retry is
// never kept.
func (d *Desk) keepFailure(idem *store.Idem, o *fhir.Outcome) {
	value, err := json.Marshal(failure{idem.Hash, o.Kind, o.Issues})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.budget)
	defer cancel()
	put := store.AuxPut{Kind: auxFailed, Key: idem.Keys[0], Value: value, Expires: d.now().Add(keepIdem)}
	if _, err := d.store.Commit(ctx, &store.Batch{Ops: []store.Op{put}}); err != nil {
		d.log.Warn("a failure that its caller did not hear could not be kept", "error", err)
	}
}

func readFailure(value []byte, hash string) *fhir.Outcome {
	var f failure
	if json.Unmarshal(value, &f) != nil || f.Hash != hash {
		return nil
	}
	return &fhir.Outcome{Kind: f.Kind, Issues: f.Issues}
}

// commit hands the work's batch to the store. A budget that ends before that is
// a 408 with nothing done (design D16).
func (d *Desk) commit(ctx context.Context, w *work, idem *store.Idem) (*store.Result, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	told, _, err := d.point(ctx, &w.batch)
	if err != nil {
		return nil, err
	}
	w.batch.Ops = append(w.batch.Ops, told...)
	w.batch.Idem = idem
	return d.store.Commit(ctx, &w.batch)
}

// outcome turns any error into an Outcome.
func (d *Desk) outcome(err error) *fhir.Outcome {
	var o *fhir.Outcome
	if errors.As(err, &o) {
		return o
	}
	var conflict *store.ConflictError
	switch {
	case errors.As(err, &conflict):
		return conflictOutcome(conflict)
	case errors.Is(err, store.ErrUnknown):
		return fhir.NewOutcome(fhir.KindTimeout, "", "it is not known whether the request was carried out; repeat it with the same ids").Because(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fhir.NewOutcome(fhir.KindTimeout, "", "the request was not finished within the time that it has").Because(err)
	case errors.Is(err, store.ErrUnavailable):
		return fhir.NewOutcome(fhir.KindUnavailable, "", "the store can't serve now; try again").After(time.Second).Because(err)
	case errors.Is(err, store.ErrTooCostly):
		return fhir.NewOutcome(fhir.KindTooCostly, "", "the search would look through too many records; add a parameter that narrows it, such as a reference, an identifier or a code").Because(err)
	case errors.Is(err, store.ErrTooLarge):
		return fhir.NewOutcome(fhir.KindTooLarge, "", "more than the store takes at once").Because(err)
	case errors.Is(err, store.ErrNotFound):
		return fhir.NewOutcome(fhir.KindNotFound, "", "there is no such record").Because(err)
	case errors.Is(err, store.ErrCursor):
		return fhir.NewOutcome(fhir.KindValue, "", "_cursor is not one of this server's for this search").Because(err)
	}
	d.log.Error("unexpected fault", "error", err)
	return fhir.AsOutcome(err)
}

func conflictOutcome(c *store.ConflictError) *fhir.Outcome {
	switch c.Kind {
	case store.SlotTaken:
		return fhir.NewOutcome(fhir.KindConflict, "Appointment.slot", "the slot is not free").Because(c)
	case store.VersionConflict, store.MissingRecord:
		return fhir.NewOutcome(fhir.KindVersion, "", "the record has changed since it was read").Because(c)
	case store.GuardFailed:
		return fhir.NewOutcome(fhir.KindConflict, "", "a record that this one depends on has changed since it was read").Because(c)
	case store.IdemMismatch:
		return fhir.NewOutcome(fhir.KindInvalid, "", "these transaction ids were used before with another body").Because(c)
	}
	return fhir.NewOutcome(fhir.KindConflict, "", "the record exists already").Because(c)
}
