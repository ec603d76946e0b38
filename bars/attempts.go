package bars

import (
	"errors"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
)

// attempts bounds how often the Desk reads again after another request changed
// a record between its read and its commit.
const attempts = 6

// again makes a change. Where another write comes between, it is made again from
// the start, so that everything is read and judged anew.
func again[T any](change func() (T, error)) (T, error) {
	for range attempts {
		result, err := change()
		if !raced(err) {
			return result, err
		}
	}
	var none T
	return none, keepsChanging()
}

// raced says whether another write came between read and commit, or between two
// reads.
func raced(err error) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && (c.Kind == store.VersionConflict || c.Kind == store.Exists || c.Kind == store.GuardFailed)
}

func keepsChanging() error {
	return fhir.NewOutcome(fhir.KindUnavailable, "", "the records of this request keep changing; try again").After(time.Second)
}
