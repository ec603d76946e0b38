package mongo_test

import (
	"testing"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/storetest"
)

// Of dates only the start of slots is in an index.
func TestAQueryThatNoIndexAnswersIsRefusedOnManyRecords(t *testing.T) {
	date := func(param string, op search.Op) storetest.Cost {
		return storetest.Cost{Query: &search.Query{Type: "Slot", Where: search.Date{Param: param, Op: op}}, Refuse: param != "start" || op == search.Ne}
	}
	by := func(param string) storetest.Cost {
		return storetest.Cost{Query: &search.Query{Type: "Slot", Sort: []search.Sort{{Param: param}}}, Refuse: param == "made"}
	}
	// An index that is read backwards turns both of its fields.
	both := func(refuse bool, by ...search.Sort) storetest.Cost {
		return storetest.Cost{Query: &search.Query{Type: "Slot", Sort: by}, Refuse: refuse}
	}
	storetest.RunCosts(t, func(t *testing.T) store.Store {
		return open(t, serve(t, fakereplset.Options{}).URI(), mongo.Options{MaxScan: 5})
	}, map[string]storetest.Cost{
		"starts later": date("start", search.Ge), "starts earlier": date("start", search.Lt), "starts at another time": date("start", search.Ne), "made later": date("made", search.Ge),
		"by start, latest first": both(true, search.Sort{Param: "start", Desc: true}), "by start and id, latest first": both(false, search.Sort{Param: "start", Desc: true}, search.Sort{Param: "_id", Desc: true}),
		"by change and start": both(true, search.Sort{Param: "_lastUpdated"}, search.Sort{Param: "start"}),
		"by start":            by("start"), "by when it was made": by("made"), "by change": by("_lastUpdated"), "by id": by("_id"),
	})
}
