// Package heap measures how much memory a piece of work needs at its peak: make
// bounds holds the doors to their limits by it. Only tests use it; what the engine
// of a store takes outside Go's heap isn't counted.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Growth is how much the heap grows at most while f runs.
func Growth(f func()) uint64 {
	// What is dead must go at once to be told from what is needed.
	defer debug.SetGCPercent(debug.SetGCPercent(3))
	runtime.GC()
	before, most := live(), uint64(0)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				most = max(most, live())
			}
		}
	}()
	f()
	close(done)
	<-watched
	return max(most, before, live()) - before
}

// live is what live objects take, and dead ones that aren't collected yet.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
