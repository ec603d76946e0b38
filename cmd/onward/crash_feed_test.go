package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ledger is what a receiver was told: versions by resource, in the order in which
// they came.
type ledger struct {
	mu   sync.Mutex
	told map[string][]int
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID   string
		Meta struct {
			VersionID int `json:"versionId,string"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[body.ID] = append(l.told[body.ID], body.Meta.VersionID)
}

func (l *ledger) of(id string) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told[id])
}

// Ensure that a process that is killed at any moment, between sending and noting
// too, tells every version, and none after a later one.
func TestProofThatKillingLosesNoNotification(t *testing.T) {
	const tasks = 4
	h := newHook(t)
	told := &ledger{told: map[string][]int{}}
	h.server.Config.Handler = told
	s := start(t, "--no-sandbox", "--subscription-allow", "127.0.0.1")
	s.subscribe("Task", h.url(), `,"payload":"application/fhir+json"`)

	for range efforts().kills {
		stop := make(chan struct{})
		var writers sync.WaitGroup
		for n := range tasks {
			writers.Go(func() {
				for change := 0; ; change++ {
					body := fmt.Sprintf(`{"resourceType":"Task","id":"t%d","status":"requested","intent":"order","description":"%d"}`, n, change)
					if _, err := s.try("PUT", fmt.Sprint("/FHIR/R4/Task/t", n), plain(), []byte(body)); err != nil {
						<-stop
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		wait(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		s.kill()
		close(stop)
		writers.Wait()
		s.run()
	}
	again := 0
	for n := range tasks {
		id := fmt.Sprint("t", n)
		last, err := strconv.Atoi(s.do("GET", "/FHIR/R4/Task/"+id, nil, nil).resource(t).Get("meta", "versionId").Text())
		require.NoError(t, err)
		s.eventually("the last version of "+id, func() bool { return slices.Contains(told.of(id), last) })
		got := told.of(id)
		require.True(t, slices.IsSorted(got), "%s: %v", id, got)
		again += len(got) - last
		require.Equal(t, last, len(slices.Compact(got)), "each version of %s is told", id)
	}
	s.eventually("an empty outbox", func() bool { return s.outbox().Waiting == 0 })
	require.Zero(t, s.outbox().Dead)
	t.Logf("%d kills, %d told more than once", efforts().kills, again)
}
