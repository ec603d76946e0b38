//go:build unix

package main

import (
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// Ensure that a process which is stopped while it has the feed and is sending, for
// longer than its leases, is taken over from, and marks and sends nothing when it
// goes on.
func TestProofThatAPausedProcessIsTakenOverFromAndUndoesNothing(t *testing.T) {
	if os.Getenv("ONWARD_SOAK") == "" {
		t.Skip("it waits a minute for leases to run out; make soak-proofs runs it")
	}
	t.Parallel()
	hook := newHook(t)
	came, goOn := make(chan bool), make(chan bool)
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	var later atomic.Bool
	take := hook.server.Config.Handler
	hook.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		take.ServeHTTP(w, r)
		if !later.Swap(true) {
			close(came)
			<-goOn
		}
	})
	a, fake := startMongo(t, "--subscription-allow", "127.0.0.1")
	a.subscribe("Task", hook.url(), `,"payload":"application/fhir+json"`)
	a.task("t", "requested")
	<-came
	b := start(t, "--store", fake.URI(), "--subscription-allow", "127.0.0.1")
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { _ = a.cmd.Process.Signal(syscall.SIGCONT) })
	for _, status := range []string{"accepted", "in-progress"} {
		b.task("t", status)
	}

	versions := func(n int) (list []string) {
		for range n {
			select {
			case got := <-hook.notices:
				r, err := fhir.Parse(got.body)
				require.NoError(t, err)
				list = append(list, r.Get("meta", "versionId").Text())
			case <-time.After(2 * time.Minute):
				require.FailNow(t, "no notification came", b.log())
			}
		}
		return list
	}
	require.Equal(t, []string{"1", "1", "2", "3"}, versions(4), "at least once, and in order")
	release() // its answer waits for the process
	require.NoError(t, a.cmd.Process.Signal(syscall.SIGCONT))
	b.task("t", "completed")
	require.Equal(t, []string{"4"}, versions(1))
	a.task("t", "completed")
	require.Equal(t, []string{"5"}, versions(1))
	b.eventually("an empty outbox", func() bool {
		list := onward(t, "outbox", "list", "--waiting", "--store", fake.URI())
		return list.code == 0 && list.out == "ID  KIND  RECIPIENT  FOCUS  ORDER  CREATED  ATTEMPTS  REASON\n"
	})
	require.Empty(t, hook.notices)
	require.NotContains(t, a.log()+b.log(), "dead letter")
}
