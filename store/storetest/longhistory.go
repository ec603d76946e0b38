package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

// Of one record, whose history is more than may be handed over at once.
const (
	longVersions = 24
	longBody     = 1 << 20
	longMost     = 12 << 20
)

// longHistory writes a record with a long history between two others and exports
// it: from the beginning, from each position, and while it is written to.
func longHistory(ctx context.Context, s Bulk, clock *Clock) error {
	write := func(id string) error {
		r := record("Slot", id, "")
		if id == "long" {
			r.Body = fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat("x", longBody))
		}
		_, err := s.Commit(ctx, &store.Batch{Ops: []store.Op{put(r)}})
		clock.Move(time.Second)
		return err
	}
	if err := first(write("before"), write("zzz"), write("zzz")); err != nil {
		return err
	}
	for range longVersions {
		if err := write("long"); err != nil {
			return err
		}
	}
	all, positions, behind, err := exported(ctx, s, "", clock, nil)
	if err != nil {
		return err
	}
	if err := want("exported", listed(longVersions, 0), strings.Join(all, ", ")); err != nil {
		return err
	}
	if len(positions) < longVersions*longBody/longMost {
		return fmt.Errorf("it came in %d parts", len(positions))
	}
	for i, position := range positions {
		rest, _, _, err := exported(ctx, s, position, clock, nil)
		if err := first(err, want(fmt.Sprint("from part ", i), listed(longVersions, behind[i]), strings.Join(rest, ", "))); err != nil {
			return err
		}
	}
	once := func() error { return write("long") }
	all, _, _, err = exported(ctx, s, "", clock, &once)
	return first(err, want("exported meanwhile", listed(longVersions+1, 0), strings.Join(all, ", ")))
}

// listed is what exported gives behind so many items, where the long record has n
// versions.
func listed(n, behind int) string {
	list := []string{"before/1 current"}
	for v := 1; v < n; v++ {
		list = append(list, fmt.Sprint("long/", v))
	}
	list = append(list, fmt.Sprintf("long/%d current", n), "zzz/1", "zzz/2 current")
	return strings.Join(list[behind:], ", ")
}

// exported lists what Export gives, the positions, and how many items lie before
// each. meanwhile is done once, after the first part.
func exported(ctx context.Context, s Bulk, after string, clock *Clock, meanwhile *func() error) (all, positions []string, behind []int, err error) {
	err = s.Export(ctx, after, clock.Now(), func(items []store.Item, position string) error {
		size := 0
		for _, i := range items {
			if i.Version == nil {
				return fmt.Errorf("an item that is no version")
			}
			size += len(i.Version.Body)
			name := fmt.Sprintf("%s/%d", i.Version.ID, i.Version.Version)
			if i.Current {
				name += " current"
			}
			all = append(all, name)
		}
		if len(all) > 2*longVersions {
			return fmt.Errorf("it goes round in circles")
		}
		if size > longMost {
			return fmt.Errorf("%d bytes at once", size)
		}
		positions, behind = append(positions, position), append(behind, len(all))
		if meanwhile == nil {
			return nil
		}
		do := *meanwhile
		meanwhile = nil
		return do()
	})
	return all, positions, behind, err
}
