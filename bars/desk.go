package bars

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// Options configure a Desk. The zero value of each field has the stated
// default.
type Options struct {
	// Base is the absolute base URL of our FHIR door, without closing slash.
	Base string
	// Mode holds services to the standard; default Strict.
	Mode Mode
	// Now tells the time; default time.Now.
	Now Clock
	// NewID makes ids; default random UUIDs, lower case (design D2).
	NewID func() string
	// Budget bounds a message's processing (BaRS Core 1.5, non-functional requirements); default 5 s.
	Budget time.Duration
	// Profiles is what writes that claim a profile are held to; default: nothing.
	Profiles Profiles
	// Endpoint says why the server may not call an address that a Subscription
	// names; default: https to public addresses only.
	Endpoint func(url string) error
	// Outbox takes the messages that Respond sends; default: none are sent.
	Outbox Outbox
	// Registry takes the pointers to bookings; default: none are left.
	Registry Registry
	// PointReferrals leaves pointers to referrals too.
	PointReferrals bool
	// Directory finds services for patients; default: none is asked.
	Directory Directory
	// SendByDirectory lets it say how services are reached that no route leads to.
	// The sandbox's may not.
	SendByDirectory bool
	// Forwarder sends referrals to receivers that don't speak FHIR; default: none.
	Forwarder Forwarder
	// Modes overrides Mode for services, by the id under which requests name them.
	Modes map[string]Mode
	// Access lists who may use services; default everybody.
	Access Access
	// Checked is told of each check of Watch: what it found, nil with an error, and
	// how long it took. May be nil.
	Checked func(report *Report, took time.Duration, err error)
	// Repeated is told of each request that an idempotency key kept from having a
	// second effect, by the key's Door. May be nil.
	Repeated func(door string, how Repeat)
	// Log takes faults; default slog.Default. It never gets patient data.
	Log *slog.Logger
}

// Desk is the only way to change a booking or a referral. Its methods may be
// called from many goroutines.
type Desk struct {
	store    store.Store
	base     string
	mode     Mode
	now      Clock
	newID    func() string
	budget   time.Duration
	profiles Profiles
	endpoint func(url string) error
	outbox   Outbox
	registry Registry

	directory       Directory
	sendByDirectory bool
	forwarder       Forwarder

	modes   map[string]Mode
	access  Access
	log     *slog.Logger
	running running
	// pointsToReferrals: the registry is told of referrals too.
	pointsToReferrals bool

	checked  func(report *Report, took time.Duration, err error)
	repeated func(door string, how Repeat)
}

// NewDesk opens the desk on a store.
func NewDesk(s store.Store, o Options) *Desk {
	d := &Desk{store: s, base: o.Base, mode: o.Mode, now: o.Now, newID: o.NewID, budget: o.Budget,
		profiles: o.Profiles, endpoint: o.Endpoint, outbox: o.Outbox, modes: o.Modes, access: o.Access, log: o.Log,
		registry: o.Registry, pointsToReferrals: o.PointReferrals,
		directory: o.Directory, sendByDirectory: o.SendByDirectory, forwarder: o.Forwarder,
		checked: o.Checked, repeated: o.Repeated}
	if d.now == nil {
		d.now = time.Now
	}
	if d.newID == nil {
		d.newID = uuid.NewString
	}
	if d.budget == 0 {
		d.budget = 5 * time.Second
	}
	if d.endpoint == nil {
		d.endpoint = (&egress.Policy{}).Check
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.running.keys = map[string]bool{}
	return d
}

// searchOptions is how records are indexed and query texts read.
func (d *Desk) searchOptions() search.Options { return SearchOptions(d.base, d.now) }

// SearchOptions are the options under which the room indexes records; every
// door must read query texts under the same.
func SearchOptions(base string, now Clock) search.Options {
	return search.Options{Base: base, Canonical: nhs.Canonical, Now: now}
}

// Message carries out one BaRS message. Errors are *fhir.Outcome values.
func (d *Desk) Message(ctx context.Context, req MessageRequest) (*MessageResult, error) {
	return d.once(ctx, req.Key, req.Body, func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		m, service, err := d.readMessage(ctx, &req)
		if err != nil {
			return nil, err
		}
		warned := len(m.warnings)
		return again(func() (*MessageResult, error) {
			m.warnings = m.warnings[:warned]
			return d.carryOut(ctx, &req, m, service, idem)
		})
	})
}

// readMessage makes the receiver's checks in the standard's order: the bundle,
// then that it is for us, then what it asks for (BaRS Core 1.5,
// message headers).
func (d *Desk) readMessage(ctx context.Context, req *MessageRequest) (*message, *service, error) {
	m, err := parseMessage(req, d.modeFor(req))
	if err != nil {
		return nil, nil, err
	}
	s, err := d.checkDestination(ctx, m, req.Target)
	if err != nil {
		return nil, nil, err
	}
	m.offers = s.offers
	if err := m.checkVersion(); err != nil {
		return nil, nil, err
	}
	if m.event == EventReferralAnswer {
		if err := d.matchRequest(ctx, m, req.Caller, s); err != nil {
			return nil, nil, err
		}
	}
	if err := d.recall(ctx, m, req.Caller, s); err != nil {
		return nil, nil, err
	}
	if err := m.classify(); err != nil {
		return nil, nil, err
	}
	if err := m.checkProfiles(d, req.Translated); err != nil {
		return nil, nil, err
	}
	if m.event != EventReferralAnswer && !s.offers(m.useCase) {
		return nil, nil, fhir.NewOutcome(fhir.KindUnsupportedUse, m.focus.path(), "the service does not offer this use case")
	}
	return m, s, nil
}

// modeFor is how strictly a message is held to the standard: as its service is,
// unless the door has a mode of its own.
func (d *Desk) modeFor(req *MessageRequest) Mode {
	target := req.Target
	if target.Value == "" {
		target = nhs.ParseServiceID(req.Bundle.Get("entry").At(0).Dig("resource", "destination").At(0).Get("endpoint").Text())
	}
	return max(d.ModeOf(target), req.Mode)
}

func (d *Desk) carryOut(ctx context.Context, req *MessageRequest, m *message, s *service, idem *store.Idem) (*MessageResult, error) {
	w := d.newWork(req.Caller, s)
	earlier, known, err := w.documentBefore(ctx, forReferral, req.Document)
	if err != nil {
		return nil, err
	}
	if known {
		return d.known(ctx, w, req.Also, idem)
	}
	switch m.rule.act {
	case actRefer:
		if earlier != nil {
			err = w.replaceReferral(ctx, m, req, earlier)
		} else {
			err = w.refer(ctx, m, req.Attached)
		}
	case actBook:
		err = w.book(ctx, m, req.Attached)
	case actUpdateReferral:
		err = w.updateReferral(ctx, m)
	case actTakeAnswer:
		err = w.takeAnswer(ctx, m)
	case actCancelReferral:
		err = w.cancelReferral(ctx, m)
	case actCancelBooking:
		err = w.cancelBooking(ctx, m)
	default:
		panic("bars: a decision row without an action")
	}
	if err != nil {
		return nil, err
	}
	if err := w.settle(ctx); err != nil {
		return nil, err
	}
	if req.Document != nil {
		if err := w.noteDocument(forReferral, req.Document, earlier); err != nil {
			return nil, err
		}
	}
	w.noteMessage(m)
	if err := w.add(req.Key, req.Also, req.Recall); err != nil {
		return nil, err
	}
	result, err := d.finish(ctx, w, idem, &MessageResult{Focus: w.focus, Warnings: m.warnings})
	if err != nil || result.Replay != nil {
		return result, err
	}
	result.Bundle, err = w.answer(m, result.Stored)
	return result, err
}

// finish commits the work. The result gets the versions that were stored, its
// focus first; a request that had been carried out before has the result of then.
func (d *Desk) finish(ctx context.Context, w *work, idem *store.Idem, result *MessageResult) (*MessageResult, error) {
	committed, err := d.commit(ctx, w, idem)
	if err != nil {
		return nil, err
	}
	if committed.Replay != nil {
		return replayed(committed.Replay), nil
	}
	result.Stored = focusFirst(committed.Versions, result.Focus)
	return result, nil
}

func focusFirst(versions []store.Version, focus store.Ref) []store.Version {
	for i, v := range versions {
		if v.Ref == focus {
			versions[0], versions[i] = versions[i], versions[0]
		}
	}
	return versions
}

// replayed is the result of a request that had been carried out before.
func replayed(r *store.Replay) *MessageResult {
	return &MessageResult{Stored: r.Versions, Replay: r}
}

// hashOf identifies a body for idempotency.
func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
