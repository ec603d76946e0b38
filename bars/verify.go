package bars

import (
	"context"
	"time"

	"github.com/onward-health/onward/store"
)

// Rule names an invariant of the room (docs/architecture.md).
type Rule string

// The rules that Verify looks at.
const (
	// RuleOwner: a claim's owner is an Appointment that occupies the Slot, or the
	// Slot itself, closed by its publisher.
	RuleOwner Rule = "claim-owner"
	// RuleOnce: a Slot has one claim for good at most.
	RuleOnce Rule = "claim-once"
	// RuleClaimed: an Appointment in an occupying status has the claim of each Slot
	// that it names.
	RuleClaimed Rule = "appointment-claimed"
	// RulePartly is RuleClaimed broken for some of the slots of an Appointment only.
	RulePartly Rule = "appointment-partly-claimed"
	// RuleSlotHere: the Slots that such an Appointment names are here.
	RuleSlotHere Rule = "slot-here"
	// RuleStatus: a Slot is free where nothing but a hold claims it, else it isn't.
	RuleStatus Rule = "slot-status"
	// RuleVersions: of each record all versions are there, 1 to the current one.
	RuleVersions Rule = "versions"
	// RuleBody: a stored body is FHIR and says the type and id that it is kept by.
	RuleBody Rule = "body"
	// RuleIndex: a record is indexed by what stands in it.
	RuleIndex Rule = "index"
	// RuleCounters: the store counts as many records and versions as there are.
	RuleCounters Rule = "counters"
	// RuleIdem: what an idempotency record says was written is there.
	RuleIdem Rule = "idempotency"
)

// Breach is one invariant that doesn't hold. It names records and quotes nothing
// of them.
type Breach struct {
	Rule     Rule   `json:"rule"`
	What     string `json:"what"`            // the record, or the document of kind idem by its number
	Other    string `json:"other,omitempty"` // the record that it doesn't agree with
	Note     string `json:"note"`
	Repaired bool   `json:"repaired,omitempty"`
}

// Overlap is two Slots of one Schedule that share time. That is its publisher's
// affair (design D26) and no breach.
type Overlap struct {
	Schedule string    `json:"schedule"`
	Slots    [2]string `json:"slots"`
}

// Report is what Verify found. Long lists end at maxListed; the counts don't.
type Report struct {
	Slots        int       `json:"slots"` // that aren't free
	Claims       int       `json:"claims"`
	Appointments int       `json:"appointments"` // that occupy slots
	Records      int       `json:"records"`      // looked at one by one, with all versions
	Versions     int       `json:"versions"`
	Idempotency  int       `json:"idempotency"`
	Unsettled    int       `json:"unsettled"` // changed again and again while they were looked at
	Found        int       `json:"found"`
	Repaired     int       `json:"repaired"`
	Breaches     []Breach  `json:"breaches"`
	OverlapCount int       `json:"overlapCount"`
	Overlaps     []Overlap `json:"overlaps"`
	// Tally counts the breaches of each rule that was looked at.
	Tally map[Rule]Tally `json:"-"`
}

// Tally is how often a rule was found broken, and how often that was repaired.
type Tally struct{ Found, Repaired int }

const maxListed = 1000

// VerifyOptions say how much Verify looks at.
type VerifyOptions struct {
	// Everything, where set, is read to look at versions, bodies, index,
	// idempotency and overlapping slots too: some 10,000 records a second.
	Everything store.Exporter
	// Repair sets the status of slots to what their claims say. Nothing else is
	// ever repaired.
	Repair bool
	// Progress is told how many records have been looked at.
	Progress func(records int)
}

// Verify looks for breaches of the room's invariants in a store that may be in
// use: what looks wrong is read again until it stands still. Errors are those of
// the store.
func (d *Desk) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	if o.Progress == nil {
		o.Progress = func(int) {}
	}
	v := &verifier{d: d, o: o, seen: map[Breach]bool{}, report: &Report{Breaches: []Breach{}, Overlaps: []Overlap{}, Tally: map[Rule]Tally{}}}
	v.looksAt(RuleOwner, RuleOnce, RuleClaimed, RulePartly, RuleSlotHere, RuleStatus)
	for _, part := range []func(context.Context) error{v.claims, v.appointments, v.closedSlots} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	if o.Everything != nil {
		v.looksAt(RuleVersions, RuleBody, RuleIndex, RuleCounters, RuleIdem)
		if err := v.everything(ctx); err != nil {
			return nil, err
		}
	}
	return v.report, nil
}

type verifier struct {
	d      *Desk
	o      VerifyOptions
	seen   map[Breach]bool // found by two walks
	report *Report
}

// looksAt notes which rules are looked at, so that none found is told from not
// looked for.
func (v *verifier) looksAt(rules ...Rule) {
	for _, rule := range rules {
		v.report.Tally[rule] = Tally{}
	}
}

// add reports a breach; it says whether it is a new one.
func (v *verifier) add(b Breach) bool {
	if v.seen[b] {
		return false
	}
	if len(v.report.Breaches) < maxListed {
		v.seen[b] = true
		v.report.Breaches = append(v.report.Breaches, b)
	}
	v.report.Found++
	tally := v.report.Tally[b.Rule]
	tally.Found++
	if b.Repaired {
		tally.Repaired++
	}
	v.report.Tally[b.Rule] = tally
	return true
}

// Watch verifies claims and slot statuses at once and then at each interval,
// repairs slot statuses, logs what it finds and tells Options.Checked, until ctx
// ends.
func (d *Desk) Watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		began := d.now()
		report, err := d.Verify(WithCaller(ctx, Caller{Door: "check"}), VerifyOptions{Repair: true})
		if ctx.Err() != nil {
			return
		}
		if d.checked != nil {
			d.checked(report, d.now().Sub(began), err)
		}
		switch {
		case err != nil:
			d.log.Error("the check of the store could not be finished", "error", err)
		default:
			for _, b := range report.Breaches {
				d.log.Error("an invariant is broken", "rule", b.Rule, "what", b.What, "other", b.Other, "note", b.Note, "repaired", b.Repaired)
			}
			d.log.Info("the store was checked", "claims", report.Claims, "appointments", report.Appointments, "breaches", report.Found, "repaired", report.Repaired)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
