package storetest_test

import (
	"testing"

	"github.com/onward-health/onward/store/storetest"
)

func TestProcessorTimeGoesOnWithWork(t *testing.T) {
	began := storetest.CPUTime(t)
	for n := 0; storetest.CPUTime(t) == began; n++ {
		if n > 100_000_000 {
			t.Fatal("it stands still")
		}
	}
}
