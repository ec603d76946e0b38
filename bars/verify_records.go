package bars

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// slotTime is when a slot is.
type slotTime struct {
	start, end int64
	id         string
}

// recordCheck goes through the items of a whole store.
type recordCheck struct {
	*verifier
	ref     store.Ref // the record whose versions come now
	next    int64     // the version that should come next
	diaries map[string][]slotTime
	counts  map[string]store.Count
	purged  bool // older versions and deleted records may be gone
}

// everything reads the whole store once.
func (v *verifier) everything(ctx context.Context) error {
	c := &recordCheck{verifier: v, diaries: map[string][]slotTime{}, counts: map[string]store.Count{}}
	before, err := v.d.store.Counts(ctx)
	if err != nil {
		return err
	}
	err = v.o.Everything.Export(ctx, "", v.d.now(), func(items []store.Item, _ string) error {
		for _, i := range items {
			if i.Version != nil {
				if err := c.version(ctx, i.Version, i.Current); err != nil {
					return err
				}
			}
			if i.Aux != nil && i.Aux.Kind == store.KindIdem {
				if err := c.idem(ctx, i.Aux); err != nil {
					return err
				}
			}
		}
		v.o.Progress(v.report.Records)
		return nil
	})
	if err != nil {
		return err
	}
	c.overlaps()
	after, err := v.d.store.Counts(ctx)
	if err != nil || !maps.Equal(before, after) { // they moved while we counted
		return err
	}
	health, err := v.d.store.Health(ctx)
	if err == nil {
		c.counters(after, health.Engine == "mongodb")
	}
	return err
}

// counters compares. copies says that the store counts what it finds, and copies of
// current versions too, which broken-off writes have left (store.Counts).
func (c *recordCheck) counters(kept map[string]store.Count, copies bool) {
	for typ, n := range c.counts {
		if _, is := kept[typ]; !is {
			kept[typ] = store.Count{}
		}
		if copies && kept[typ].Live == n.Live && kept[typ].Versions > n.Versions {
			continue
		}
		if kept[typ] != n {
			c.add(Breach{Rule: RuleCounters, What: typ, Note: fmt.Sprintf("%d live records and %d versions are counted, %d and %d are there", kept[typ].Live, kept[typ].Versions, n.Live, n.Versions)})
		}
	}
	for typ, n := range kept {
		if _, is := c.counts[typ]; !is && n != (store.Count{}) {
			c.add(Breach{Rule: RuleCounters, What: typ, Note: "records are counted and none is there"})
		}
	}
}

// wasPurged says whether versions may have been purged. It is asked when one is
// missing, because a purge may run beside the check; its audit record comes with
// the removal.
func (c *recordCheck) wasPurged(ctx context.Context) (bool, error) {
	if c.purged {
		return true, nil
	}
	purges, err := c.d.store.AuxScan(ctx, store.KindAudit, "purge/", "", 1)
	c.purged = len(purges) > 0
	return c.purged, err
}

// missing says whether a purge explains that the next version isn't there. It takes
// the oldest; one that runs beside the check has taken what was just read too.
func (c *recordCheck) missing(ctx context.Context) (purged bool, err error) {
	if c.next > 1 {
		_, err := c.d.store.GetVersion(ctx, c.ref, c.next-1)
		if !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
	}
	return c.wasPurged(ctx)
}

// version looks at one version. Versions of a record come together, ascending.
func (c *recordCheck) version(ctx context.Context, r *store.Record, current bool) error {
	c.report.Versions++
	if r.Ref() != c.ref {
		c.ref, c.next = r.Ref(), 1
	}
	purged := false
	if r.Version != c.next {
		var err error
		if purged, err = c.missing(ctx); err != nil {
			return err
		}
	}
	if r.Version != c.next && !purged {
		c.add(Breach{Rule: RuleVersions, What: r.Ref().String(), Note: fmt.Sprintf("version %d follows where %d should", r.Version, c.next)})
	}
	c.next = r.Version + 1
	n := c.counts[r.Type]
	n.Versions++
	if current && !r.Deleted {
		n.Live++
	}
	c.counts[r.Type] = n
	if current {
		c.report.Records++
		c.current(r)
	}
	return nil
}

func (c *recordCheck) current(rec *store.Record) {
	name := rec.Ref().String()
	if rec.Deleted {
		if len(rec.Index.X)+len(rec.Index.D)+len(rec.Index.S) > 0 {
			c.add(Breach{Rule: RuleIndex, What: name, Note: "a deleted record can be found"})
		}
		return
	}
	r, err := fhir.Parse(rec.Body)
	if err != nil || r.Type() != rec.Type || r.ID() != rec.ID {
		c.add(Breach{Rule: RuleBody, What: name, Note: "the body isn't FHIR or names another type or id"})
		return
	}
	who, err := writtenBy(rec)
	if err != nil {
		c.add(Breach{Rule: RuleBody, What: name, Note: "who wrote the version can't be read"})
		return
	}
	want, got := store.PlainIndex(c.d.indexOf(r, who)), store.PlainIndex(rec.Index)
	if !slices.Equal(want.X, got.X) || !slices.Equal(want.D, got.D) || !slices.Equal(want.S, got.S) {
		c.add(Breach{Rule: RuleIndex, What: name, Note: differenceOf(want, got)})
	}
	if rec.Type == "Slot" {
		c.slotTime(rec.ID, r)
	}
}

// differenceOf counts; entries hold what patients wrote.
func differenceOf(want, got search.Index) string {
	missing, extra := 0, 0
	for _, e := range want.X {
		if _, is := slices.BinarySearch(got.X, e); !is {
			missing++
		}
	}
	for _, e := range got.X {
		if _, is := slices.BinarySearch(want.X, e); !is {
			extra++
		}
	}
	return fmt.Sprintf("%d entries are missing and %d too many; dates the same: %t, sort keys the same: %t",
		missing, extra, slices.Equal(want.D, got.D), slices.Equal(want.S, got.S))
}

// idem looks for the versions that an idempotency record names. Where retention
// has removed a version, the record has moved on beyond it.
func (c *recordCheck) idem(ctx context.Context, doc *store.Aux) error {
	c.report.Idempotency++
	name := fmt.Sprintf("idempotency record %d", c.report.Idempotency) // its key says who asked
	r, err := store.ParseIdem(doc.Value)
	if err != nil {
		c.add(Breach{Rule: RuleIdem, What: name, Note: "it can't be read"})
		return nil
	}
	for _, v := range r.Versions {
		_, err := c.d.store.GetVersion(ctx, v.Ref, v.Version)
		if errors.Is(err, store.ErrNotFound) {
			current, again := c.d.store.Get(ctx, v.Ref)
			purged, fault := c.wasPurged(ctx)
			if fault != nil {
				return fault
			}
			if purged && errors.Is(again, store.ErrNotFound) || again == nil && current.Version > v.Version {
				continue
			}
			err = again
			if again == nil || errors.Is(again, store.ErrNotFound) {
				c.add(Breach{Rule: RuleIdem, What: name, Other: v.Ref.String(), Note: "a version that it names isn't there"})
				continue
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *recordCheck) slotTime(id string, r *fhir.Resource) {
	start, err1 := fhir.ParseInstant(r.Get("start").Text())
	end, err2 := fhir.ParseInstant(r.Get("end").Text())
	if err1 != nil || err2 != nil || r.Get("status").Text() == "entered-in-error" {
		return
	}
	diary := r.Get("schedule", "reference").Text()
	c.diaries[diary] = append(c.diaries[diary], slotTime{start.UnixMilli(), end.UnixMilli(), id})
}

// overlaps lists, for each slot that begins before an earlier one of its
// schedule has ended, the two.
func (c *recordCheck) overlaps() {
	for diary, slots := range c.diaries {
		slices.SortFunc(slots, func(a, b slotTime) int {
			return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end), cmp.Compare(a.id, b.id))
		})
		last := slotTime{end: -1 << 62}
		for _, s := range slots {
			if s.start < last.end {
				c.report.OverlapCount++
				if len(c.report.Overlaps) < maxListed {
					c.report.Overlaps = append(c.report.Overlaps, Overlap{Schedule: diary, Slots: [2]string{"Slot/" + last.id, "Slot/" + s.id}})
				}
			}
			if s.end > last.end {
				last = s
			}
		}
	}
	slices.SortFunc(c.report.Overlaps, func(a, b Overlap) int { return cmp.Compare(a.Slots[0]+a.Slots[1], b.Slots[0]+b.Slots[1]) })
}
