package bars

import (
	"context"
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// RecordRequest asks for one write of an Appointment or a ServiceRequest as the
// standard's REST has it (BaRS Core 1.5, Appointment Management Foundation): POST
// books or refers, PUT changes status and reasonCode, PATCH moves an Appointment
// to another slot (of a ServiceRequest it does what PUT does), DELETE cancels.
type RecordRequest struct {
	Caller           Caller
	Key              Key
	Target           nhs.ServiceID
	Method, Type, ID string // ID is "" with POST
	// Resource is what POST and PUT write.
	Resource *fhir.Resource
	// Patch makes the next version of the current one, which it gets stamped. It
	// may be called again when another write came between.
	Patch func(current *fhir.Resource) (*fhir.Resource, error)
	// IfMatch is the version that the caller has read; 0: it doesn't say.
	IfMatch int64
	// Body is the body as received.
	Body []byte
}

// RecordResult is what became of a RecordRequest.
type RecordResult struct {
	// Resource is the record as it stands now. Nil on a replay.
	Resource *fhir.Resource
	// Replay is set where the same request had been carried out before.
	Replay *store.Replay
	// Warnings are rules that were broken and let pass in lenient mode.
	Warnings []fhir.Issue
}

// hashed is what the idempotency hash is computed over: ids that are used again
// on another path ask for something else.
func (r *RecordRequest) hashed() []byte {
	return append([]byte(r.Method+" "+r.Type+"/"+r.ID+"\n"), r.Body...)
}

// Record carries out one write of the standard's REST. Errors are *fhir.Outcome
// values.
func (d *Desk) Record(ctx context.Context, req RecordRequest) (*RecordResult, error) {
	var out *RecordResult
	done, err := d.once(ctx, req.Key, req.hashed(), func(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
		s, err := d.service(ctx, req.Target)
		if err != nil {
			return nil, err
		}
		return again(func() (*MessageResult, error) {
			m := &managed{req: &req, w: d.newWork(req.Caller, s), mode: d.ModeOf(req.Target)}
			result, err := m.carryOut(ctx, idem)
			out = &RecordResult{Resource: m.after, Warnings: m.warnings}
			return result, err
		})
	})
	if err != nil {
		return nil, err
	}
	if done.Replay != nil {
		return &RecordResult{Replay: done.Replay}, nil
	}
	return out, nil
}

// managed is one such write under way.
type managed struct {
	req      *RecordRequest
	w        *work
	mode     Mode
	sent     *fhir.Resource // what the caller stamped; nil where it sent nothing
	after    *fhir.Resource
	warnings []fhir.Issue
}

func (m *managed) carryOut(ctx context.Context, idem *store.Idem) (*MessageResult, error) {
	rec, condition, err := m.plan(ctx)
	if err != nil {
		return nil, err
	}
	m.w.put(rec, condition)
	if err := m.w.settle(ctx); err != nil {
		return nil, err
	}
	result, err := m.w.d.finish(ctx, m.w, idem, &MessageResult{Focus: rec.Ref()})
	if err != nil || result.Replay != nil {
		return result, err
	}
	m.after, err = fhir.Parse(fhir.Stamp(rec.Body, result.Stored[0].Version, result.Stored[0].LastUpdated))
	return result, err
}

// plan makes the record's next version and notes what comes of it for slots.
func (m *managed) plan(ctx context.Context) (*store.Record, store.Condition, error) {
	if m.req.Method == http.MethodPost {
		rec, err := m.create(ctx)
		return rec, store.Condition{Absent: true}, err
	}
	current, err := m.w.d.recordOf(ctx, m.w.service, m.req.Caller, store.Ref{Type: m.req.Type, ID: m.req.ID})
	if err != nil {
		return nil, store.Condition{}, err
	}
	if m.req.IfMatch != 0 && m.req.IfMatch != current.Version {
		return nil, store.Condition{}, changedSince()
	}
	next, err := m.next(ctx, current)
	if err != nil {
		return nil, store.Condition{}, err
	}
	rec, err := m.w.d.record(next, current.ID, m.req.Method, m.w.who.inherit(current))
	if err != nil {
		return nil, store.Condition{}, err
	}
	rec.Peer = current.Peer
	if m.stamped(current) {
		rec.Peer = peerOf(m.sent)
	}
	return rec, store.Condition{Version: current.Version}, nil
}

// stamped says whether the caller gave its version a time of its own: it may as
// well have sent back ours, as it read it.
func (m *managed) stamped(current *store.Record) bool {
	if m.sent == nil {
		return false
	}
	at, err := fhir.ParseInstant(m.sent.Get("meta", "lastUpdated").Text())
	return err == nil && !at.Equal(current.LastUpdated)
}

// next makes the next version of a record that is there.
func (m *managed) next(ctx context.Context, current *store.Record) (*fhir.Resource, error) {
	before, err := fhir.Parse(fhir.Stamp(current.Body, current.Version, current.LastUpdated))
	if err != nil {
		return nil, err
	}
	if err := m.read(ctx, before); err != nil {
		return nil, err
	}
	if m.sent != nil && stale(m.sent, current) {
		return nil, changedSince()
	}
	was := before.Get("status").Text()
	if m.ended(was) {
		return nil, fhir.NewOutcome(fhir.KindConflict, m.req.Type+".status", "the "+m.req.Type+" is no longer current")
	}
	var next *fhir.Resource
	switch {
	case m.req.Method == http.MethodDelete:
		next, err = before.Edit().SetText(before.Root(), "status", m.cancelled()).Done()
	case m.req.Method == http.MethodPatch && m.req.Type == "Appointment":
		next, err = m.reschedule(ctx, before)
	default:
		next, err = m.restate(before)
	}
	if err != nil {
		return nil, err
	}
	if err := m.w.keepsCopy(ctx, current, next, before); err != nil {
		return nil, err
	}
	if err := asError(conformPatched(next, before)); err != nil {
		return nil, err
	}
	if m.req.Type == "Appointment" {
		return next, m.w.changeAppointment(next, current.ID, before)
	}
	if next.Get("status").Text() == was {
		return next, nil
	}
	return next, m.follow(ctx, current.Ref(), next)
}

// read fills in what the caller wants the record to be.
func (m *managed) read(ctx context.Context, before *fhir.Resource) (err error) {
	switch m.req.Method {
	case http.MethodPut:
		m.sent = m.req.Resource
	case http.MethodPatch:
		if m.sent, err = m.req.Patch(before); err != nil {
			return err
		}
	default:
		return nil
	}
	if m.sent.Type() != m.req.Type || m.sent.ID() != m.req.ID {
		return fhir.NewOutcome(fhir.KindInvariant, m.req.Type+".id", "resourceType and id must be those of the path")
	}
	m.names(before)
	if err := m.ownNames(ctx, before); err != nil {
		return err
	}
	m.sent, err = m.w.rewrite(m.sent)
	return err
}

// ownNames notes what the names mean that the sender gave the entries of the
// message which made the record: the answer to it shows the record under them.
func (m *managed) ownNames(ctx context.Context, r *fhir.Resource) error {
	x, err := m.w.d.exchangeOf(ctx, store.Ref{Type: r.Type(), ID: r.ID()})
	if err != nil || x == nil {
		return err
	}
	for name, ref := range x.Parts {
		m.w.names[name] = refOf(ref)
	}
	return nil
}

// names notes what the bundle-local references mean that a sender has from an
// answer of ours: a record that we show as urn:uuid: and its id (design D4).
func (m *managed) names(r *fhir.Resource) {
	fhir.Walk(r.Root(), func(name string, v fhir.Value) {
		if ref, ok := fhir.ParseReference(v.Text()); ok && name == "reference" && ref.ID != "" {
			m.w.names[localName("urn:uuid:"+ref.ID)] = store.Ref{Type: ref.Type, ID: ref.ID}
		}
	})
	for item := range m.sent.Get("slot").Items() {
		if id, found := strings.CutPrefix(localName(item.Get("reference").Text()), "urn:uuid:"); found {
			m.w.names["urn:uuid:"+id] = store.Ref{Type: "Slot", ID: id}
		}
	}
}

// restate takes over status and reasonCode, and nothing else.
func (m *managed) restate(before *fhir.Resource) (*fhir.Resource, error) {
	free := []string{"status", "reasonCode"}
	if m.mode == Lenient && m.req.Type == "Appointment" {
		free = append(free, "cancelationReason") // R4's own place for it
	}
	if name := m.altered(before, free); name != "" {
		return nil, fhir.NewOutcome(fhir.KindInvariant, m.req.Type+"."+name, "only status and reasonCode may change by "+m.req.Method)
	}
	was, now := before.Get("status").Text(), m.sent.Get("status").Text()
	if now != was && !m.mayBecome(now) {
		return nil, fhir.NewOutcome(fhir.KindWorkflow, m.req.Type+".status", "a sender may not give the "+m.req.Type+" this status")
	}
	edit := before.Edit()
	for _, name := range free {
		switch value := m.sent.Get(name); {
		case value.Exists():
			edit.Set(before.Root(), name, value.Raw())
		case before.Get(name).Exists():
			edit.Remove(before.Root(), name)
		}
	}
	return edit.Done()
}

// altered names the first element, other than those that are free, that the
// caller would change or take away. In lenient mode what a PUT leaves out stays.
func (m *managed) altered(before *fhir.Resource, free []string) string {
	if name := differs(m.sent.Root(), before.Root(), free...); name != "" {
		return name
	}
	if m.mode == Lenient && m.req.Method == http.MethodPut {
		return ""
	}
	return differs(before.Root(), m.sent.Root(), free...)
}

func changedSince() *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindVersion, "", "the record has changed since it was read; read it again")
}

// stale says whether what the caller sends back is older than the current
// version: every change must be preceded by a read.
func stale(sent *fhir.Resource, current *store.Record) bool {
	version := sent.Get("meta", "versionId").Text()
	if version != "" && strings.Trim(version, "0123456789") == "" && version != itoa(int(current.Version)) {
		return true
	}
	at, err := fhir.ParseInstant(sent.Get("meta", "lastUpdated").Text())
	return err == nil && at.Before(current.LastUpdated)
}
