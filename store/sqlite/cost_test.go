package sqlite_test

import (
	"testing"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
	"github.com/onward-health/onward/store/storetest"
)

func TestAQueryThatNoIndexAnswersIsRefusedOnManyRecords(t *testing.T) {
	storetest.RunCosts(t, func(t *testing.T) store.Store { return open(t, ":memory:", sqlite.Options{MaxScan: 5}) }, nil)
}
