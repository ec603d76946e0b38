package bars_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// verify checks everything and returns what is broken, as "rule what other".
func (s *scene) verify(repair bool, damage ...store.Item) (*bars.Report, []string) {
	s.t.Helper()
	everything := damaged{s.store.(store.Exporter), damage}
	report, err := s.desk.Verify(bars.WithCaller(s.ctx, bars.Caller{Door: "check"}), bars.VerifyOptions{Everything: everything, Repair: repair})
	require.NoError(s.t, err)
	list := []string{}
	for _, b := range report.Breaches {
		list = append(list, fmt.Sprintf("%s %s %s", b.Rule, b.What, b.Other))
	}
	return report, list
}

// damaged is a store that holds items which no engine lets in, as after a fault
// of the disk.
type damaged struct {
	store.Exporter
	more []store.Item
}

func (d damaged) Export(ctx context.Context, after string, asOf time.Time, f func([]store.Item, string) error) error {
	if err := d.Exporter.Export(ctx, after, asOf, f); err != nil {
		return err
	}
	return f(d.more, "")
}

// plant commits operations behind the room's back.
func (s *scene) plant(ops ...store.Op) {
	s.t.Helper()
	_, err := s.store.Commit(s.ctx, &store.Batch{Ops: ops})
	require.NoError(s.t, err)
}

// indexed reads a record with its entries, as a planted write needs them.
func (s *scene) indexed(ref store.Ref) *store.Record {
	s.t.Helper()
	var found *store.Record
	err := s.store.(store.Exporter).Export(s.ctx, "", sceneNow, func(items []store.Item, _ string) error {
		for _, i := range items {
			if i.Current && i.Version.Ref() == ref {
				found = i.Version
			}
		}
		return nil
	})
	require.NoError(s.t, err)
	require.NotNil(s.t, found, ref)
	return found
}

// twoSlots is an Appointment in the first two slots of the clinic.
func twoSlots(id, status string) string {
	return fmt.Sprintf(`{"resourceType":"Appointment","id":%q,"status":%q,"slot":[{"reference":"Slot/%s"},{"reference":"Slot/%s"}],
		"start":%q,"end":%q,"participant":[{"status":"accepted","actor":{"display":"x"}}]}`,
		id, status, slotID(clinic, 0), slotID(clinic, 1), slotStart(0), slotEnd(1))
}

func TestAStoreInUseHasNoBreach(t *testing.T) {
	s := open(t)
	stored := s.accepted(booking(t, 2))
	s.accepted(booking(t, 3))
	s.accepted(bookingCancel(t, stored.Focus.ID, 2))
	s.putSlot(4, "busy-unavailable")
	s.hold(slotID(hospital, 1))
	_, err := s.put(twoSlots("a", "proposed"), 0)
	require.NoError(t, err)
	require.NoError(t, s.remove("Slot", slotID(bare, 0)))
	report, broken := s.verify(false)
	require.Empty(t, broken)
	require.Zero(t, report.Unsettled)
	require.Equal(t, 2, report.Appointments)
	require.Equal(t, 4, report.Slots)
	require.Equal(t, 5, report.Claims) // with the hold
	require.Positive(t, report.Idempotency)
	require.Greater(t, report.Versions, report.Records)
	require.Empty(t, report.Overlaps)
}

func TestVerifyFindsEachKindOfBreach(t *testing.T) {
	slot := func(n int) store.Ref { return store.Ref{Type: "Slot", ID: slotID(clinic, n)} }
	a := store.Ref{Type: "Appointment", ID: "a"}
	for name, row := range map[string]struct {
		plant func(s *scene)
		want  []string
	}{
		"a claim of nobody": {
			func(s *scene) { s.plant(store.Claim{Slot: slot(4).ID, Owner: "Appointment/none"}) },
			[]string{"claim-owner Slot/" + slot(4).ID + " Appointment/none", "slot-status Slot/" + slot(4).ID + " "},
		},
		"a claim on a slot that isn't here": {
			func(s *scene) { s.plant(store.Claim{Slot: "gone", Owner: "Slot/gone"}) },
			[]string{"claim-owner Slot/gone Slot/gone"},
		},
		"a claim of an Appointment that names another slot": {
			func(s *scene) {
				s.plant(store.Claim{Slot: slot(3).ID, Owner: "Appointment/a"})
				s.putSlot(3, "busy")
			},
			[]string{"claim-owner Slot/" + slot(3).ID + " Appointment/a"},
		},
		"an Appointment without all claims": {
			func(s *scene) {
				s.plant(store.Release{Slot: slot(0).ID, Owner: a.String()}, store.Release{Slot: slot(1).ID, Owner: a.String()})
			},
			[]string{"appointment-claimed Appointment/a Slot/" + slot(0).ID, "slot-status Slot/" + slot(0).ID + " ",
				"appointment-claimed Appointment/a Slot/" + slot(1).ID, "slot-status Slot/" + slot(1).ID + " "},
		},
		"an Appointment with some claims": {
			func(s *scene) { s.plant(store.Release{Slot: slot(1).ID, Owner: a.String()}) },
			[]string{"appointment-partly-claimed Appointment/a Slot/" + slot(1).ID, "slot-status Slot/" + slot(1).ID + " "},
		},
		"two Appointments in one slot": {
			func(s *scene) {
				twin := s.indexed(a)
				twin.ID, twin.Body = "twin", []byte(twoSlots("twin", "booked"))
				s.plant(store.Put{Record: twin})
			},
			[]string{"appointment-claimed Appointment/twin Slot/" + slot(0).ID, "appointment-claimed Appointment/twin Slot/" + slot(1).ID},
		},
		"two Appointments with a claim each": {
			func(s *scene) {
				twin := s.indexed(a)
				twin.ID, twin.Body = "twin", []byte(twoSlots("twin", "booked"))
				s.plant(store.Put{Record: twin}, store.Claim{Slot: slot(0).ID, Part: 1, Owner: "Appointment/twin"}, store.Claim{Slot: slot(1).ID, Part: 1, Owner: "Appointment/twin"})
			},
			[]string{"claim-once Slot/" + slot(0).ID + " ", "claim-once Slot/" + slot(1).ID + " "},
		},
		"an Appointment without claims after hundreds that were cancelled": {
			func(s *scene) {
				for n := range search.MaxCount {
					_, err := s.put(twoSlots(fmt.Sprintf("A%03d", n), "cancelled"), 0)
					require.NoError(s.t, err)
				}
				s.plant(store.Release{Slot: slot(0).ID, Owner: a.String()}, store.Release{Slot: slot(1).ID, Owner: a.String()})
			},
			[]string{"appointment-claimed Appointment/a Slot/" + slot(0).ID, "slot-status Slot/" + slot(0).ID + " ",
				"appointment-claimed Appointment/a Slot/" + slot(1).ID, "slot-status Slot/" + slot(1).ID + " "},
		},
		"a slot that isn't here": {
			func(s *scene) { s.plant(store.Delete{Ref: slot(1)}) },
			[]string{"slot-here Appointment/a Slot/" + slot(1).ID},
		},
		"a free slot that is claimed": {
			func(s *scene) { s.setStatus(0, "free") },
			[]string{"slot-status Slot/" + slot(0).ID + " "},
		},
		"a busy slot that nothing claims": {
			func(s *scene) { s.setStatus(4, "busy") },
			[]string{"slot-status Slot/" + slot(4).ID + " "},
		},
		"a closed slot without its block": {
			func(s *scene) { s.setStatus(4, "busy-unavailable") },
			[]string{"slot-status Slot/" + slot(4).ID + " "},
		},
		"an index that says something else": {
			func(s *scene) {
				rec := s.indexed(slot(4))
				rec.Index.X = rec.Index.X[1:]
				s.plant(store.Put{Record: rec})
			},
			[]string{"index Slot/" + slot(4).ID + " "},
		},
		"dates that are indexed wrongly": {
			func(s *scene) {
				rec := s.indexed(slot(4))
				rec.Index.D = []search.Span{{Param: "start", Lo: 1, Hi: 1}}
				s.plant(store.Put{Record: rec})
			},
			[]string{"index Slot/" + slot(4).ID + " "},
		},
		"a body under another id": {
			func(s *scene) {
				rec := s.indexed(slot(4))
				rec.Body = bytes.Replace(rec.Body, []byte(rec.ID), []byte("other"), 1)
				s.plant(store.Put{Record: rec})
			},
			[]string{"body Slot/" + slot(4).ID + " "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			_, err := s.put(twoSlots("a", "booked"), 0)
			require.NoError(t, err)
			row.plant(s)
			_, broken := s.verify(false)
			require.ElementsMatch(t, row.want, broken)
		})
	}
}

// setStatus writes a slot's status with the right index and no claim.
func (s *scene) setStatus(n int, status string) {
	s.t.Helper()
	ref := store.Ref{Type: "Slot", ID: slotID(clinic, n)}
	before := s.indexed(ref)
	body := slotResource(s.t, clinic, n, status)
	rec := *before
	rec.Body = body.JSON()
	rec.Index = search.Extract(body, bars.SearchOptions(base, func() time.Time { return sceneNow }))
	for _, e := range before.Index.X {
		if e[0] == '@' {
			rec.Index.X = append(rec.Index.X, e)
		}
	}
	s.plant(store.Put{Record: &rec})
}

func TestVerifyFindsWhatADamagedDiskWouldLeave(t *testing.T) {
	slot := store.Ref{Type: "Slot", ID: slotID(clinic, 4)}
	version := func(n int64, deleted bool) *store.Record {
		return &store.Record{Type: "Basic", ID: "b", Version: n, Deleted: deleted, Body: []byte(`{"resourceType":"Basic","id":"b"}`), By: []byte(`{}`)}
	}
	idem := func(value []byte) store.Item {
		return store.Item{Aux: &store.Aux{Kind: store.KindIdem, Key: "secret", Value: value}}
	}
	found := version(2, true)
	found.Index.X = []string{"a:1"}
	unnamed := version(1, false)
	unnamed.By = []byte("nobody")
	for name, row := range map[string]struct {
		damage []store.Item
		want   []string
	}{
		"a version is missing":       {[]store.Item{{Version: version(1, false)}, {Version: version(3, true), Current: true}}, []string{"versions Basic/b ", "counters Basic "}},
		"the first is missing":       {[]store.Item{{Version: version(2, true), Current: true}}, []string{"versions Basic/b ", "counters Basic "}},
		"a deleted record is found":  {[]store.Item{{Version: version(1, false)}, {Version: found, Current: true}}, []string{"index Basic/b ", "counters Basic "}},
		"who wrote it is unreadable": {[]store.Item{{Version: unnamed, Current: true}}, []string{"body Basic/b ", "counters Basic "}},
		"an idempotency record of a version that isn't there": {
			[]store.Item{idem(store.IdemRecord{Versions: []store.Version{{Ref: slot, Version: 1}, {Ref: slot, Version: 9}}}.Value())},
			[]string{"idempotency idempotency record 1 " + slot.String()}},
		"an idempotency record that can't be read": {[]store.Item{idem([]byte("{"))}, []string{"idempotency idempotency record 1 "}},
	} {
		t.Run(name, func(t *testing.T) {
			_, broken := open(t).verify(false, row.damage...)
			require.Equal(t, row.want, broken)
		})
	}
}

func TestVerifyRepairsOnlyTheStatusOfSlots(t *testing.T) {
	s := open(t)
	_, err := s.put(twoSlots("a", "booked"), 0)
	require.NoError(t, err)
	s.setStatus(0, "free")             // claimed by a
	s.setStatus(3, "busy")             // claimed by nobody
	s.setStatus(4, "busy-unavailable") // closed, without its block
	s.plant(store.Claim{Slot: slotID(clinic, 2), Owner: "Appointment/none"})

	report, broken := s.verify(true)
	require.Len(t, broken, 5)
	require.Equal(t, 3, report.Repaired)
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 0)))
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 2)))
	require.Equal(t, "free", s.status("Slot", slotID(clinic, 3)))
	require.Equal(t, "busy-unavailable", s.status("Slot", slotID(clinic, 4)))
	_, broken = s.verify(true)
	require.ElementsMatch(t, []string{"claim-owner Slot/" + slotID(clinic, 2) + " Appointment/none", "slot-status Slot/" + slotID(clinic, 4) + " "}, broken)
	by := struct{ Door string }{}
	require.NoError(t, json.Unmarshal(s.indexed(store.Ref{Type: "Slot", ID: slotID(clinic, 3)}).By, &by))
	require.Equal(t, "check", by.Door)
}

// Ensure that a slot which an Appointment counts on is never opened.
func TestVerifyOpensNoSlotThatAnAppointmentOccupies(t *testing.T) {
	s := open(t)
	_, err := s.put(twoSlots("a", "booked"), 0)
	require.NoError(t, err)
	s.plant(store.Release{Slot: slotID(clinic, 0), Owner: "Appointment/a"})
	report, _ := s.verify(true)
	require.Zero(t, report.Repaired)
	require.Equal(t, "busy", s.status("Slot", slotID(clinic, 0)))
}

func TestVerifyListsOverlappingSlotsOfASchedule(t *testing.T) {
	s := open(t)
	_, err := s.put(fmt.Sprintf(`{"resourceType":"Slot","id":"over","schedule":{"reference":"Schedule/%s"},"status":"free","start":%q,"end":%q}`,
		scheduleID(clinic), slotStart(1), slotEnd(1)), 0)
	require.NoError(t, err)
	report, broken := s.verify(false)
	require.Empty(t, broken)
	require.Equal(t, 1, report.OverlapCount)
	require.Equal(t, "Schedule/"+scheduleID(clinic), report.Overlaps[0].Schedule)
	require.ElementsMatch(t, []string{"Slot/over", "Slot/" + slotID(clinic, 1)}, report.Overlaps[0].Slots[:])
}

// Ensure that what changes while it is looked at isn't taken for a breach.
func TestVerifyBesideBookingsFindsNothing(t *testing.T) {
	s := open(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprint("a", n)
			for _, status := range []string{"booked", "cancelled"} {
				if _, err := s.put(twoSlots(id, status), 0); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for range 20 {
		_, broken := s.verify(true)
		require.Empty(t, broken)
	}
	close(stop)
	<-done
}

// Ensure that what retention has removed isn't taken for a loss.
func TestVerifyMissesNothingThatAPurgeRemoved(t *testing.T) {
	s := open(t)
	left := []store.Item{
		{Version: &store.Record{Type: "Basic", ID: "b", Version: 3, Deleted: true}},
		{Version: &store.Record{Type: "Basic", ID: "b", Version: 4, Deleted: true}, Current: true},
		{Aux: &store.Aux{Kind: store.KindIdem, Key: "k", Value: store.IdemRecord{Versions: []store.Version{{Ref: store.Ref{Type: "Slot", ID: "gone"}, Version: 1}}}.Value()}},
	}
	_, broken := s.verify(false, left...)
	require.Equal(t, []string{"versions Basic/b ", "idempotency idempotency record 1 Slot/gone", "counters Basic "}, broken)
	s.plant(store.AuxPut{Kind: store.KindAudit, Key: "purge/x", Value: []byte(`{}`)})
	_, broken = s.verify(false, left...)
	require.Equal(t, []string{"counters Basic "}, broken)
}

// meanwhile does something once the check has begun to read.
type meanwhile struct {
	store.Exporter
	do func()
}

func (m meanwhile) Export(ctx context.Context, after string, asOf time.Time, f func([]store.Item, string) error) error {
	m.do()
	return m.Exporter.Export(ctx, after, asOf, f)
}

// Ensure that a purge which begins after the check isn't taken for a loss.
func TestVerifyMayRunBesideAPurge(t *testing.T) {
	s := open(t)
	left := []store.Item{{Version: &store.Record{Type: "Basic", ID: "b", Version: 3, Deleted: true}, Current: true}}
	report, err := s.desk.Verify(s.ctx, bars.VerifyOptions{Everything: meanwhile{damaged{s.store.(store.Exporter), left}, func() {
		s.plant(store.AuxPut{Kind: store.KindAudit, Key: "purge/x", Value: []byte(`{}`)})
	}}})
	require.NoError(t, err)
	for _, b := range report.Breaches {
		require.Equal(t, bars.RuleCounters, b.Rule, "%s: the item is made up", b.What)
	}
}

// Ensure that a purge which takes versions while their record is read isn't taken
// for a loss, and that a version which is missing between two others is.
func TestVerifyKnowsAGapFromAPurgeInTheMiddle(t *testing.T) {
	s := open(t)
	basic := &store.Record{Type: "Basic", ID: "kept", Method: "PUT", Body: []byte(`{"resourceType":"Basic","id":"kept","code":{"text":"x"}}`)}
	s.plant(store.AuxPut{Kind: store.KindAudit, Key: "purge/x", Value: []byte(`{}`)}, store.Put{Record: basic}, store.Put{Record: basic})
	at := func(id string, v int64) store.Item {
		return store.Item{Version: &store.Record{Type: "Basic", ID: id, Version: v, Deleted: true}}
	}
	_, broken := s.verify(false, at("gone", 1), at("gone", 2), at("gone", 5), at("kept", 1), at("kept", 2), at("kept", 4))
	require.Contains(t, broken, "versions Basic/kept ")
	require.NotContains(t, broken, "versions Basic/gone ")
}

// Ensure that the copy of a version which a write on MongoDB leaves that got no
// further is no breach.
func TestVerifyForgivesTheCopyOfAWriteThatWasBrokenOff(t *testing.T) {
	fake, err := fakereplset.Start(fakereplset.Options{})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	now := func() time.Time { return sceneNow }
	db, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s := &scene{t: t, ctx: t.Context(), store: db, desk: bars.NewDesk(db, bars.Options{Base: base, Now: now})}
	_, err = s.desk.Load(t.Context(), bars.Caller{Door: "setup"}, directory(t))
	require.NoError(t, err)

	fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name == "update" {
			return &fakereplset.Fault{Reply: fakereplset.Failure(13, "Unauthorized", "no")}
		}
		return nil
	})
	_, err = db.Commit(context.Background(), &store.Batch{Ops: []store.Op{store.Put{Record: s.indexed(store.Ref{Type: "Slot", ID: slotID(clinic, 1)})}}})
	require.Error(t, err)
	fake.Hook(nil)
	_, broken := s.verify(false)
	require.Empty(t, broken)
}
