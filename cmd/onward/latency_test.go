package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
)

// latencyClients and latencyAim: 32 clients at once, and 99 of 100 answers in half
// a second, so that the standard's 2.1 s (for 90 of 100) and 5 s (for all) are far
// away (BaRS Core 1.5, non-functional requirements).
const (
	latencyClients = 32
	latencyAim     = 500 * time.Millisecond
)

// TestLatency measures how long full referrals from 111 to an emergency
// department take, from outside: ONWARD_LATENCY says for how long, such as 20s.
func TestLatency(t *testing.T) {
	text := os.Getenv("ONWARD_LATENCY")
	if text == "" {
		t.Skip("measures for a while: make latency")
	}
	length, err := time.ParseDuration(text)
	require.NoError(t, err)
	s := start(t)
	payload, err := os.ReadFile("../../testdata/bench/referral-111-to-ed.json")
	require.NoError(t, err)
	fresh := func() []byte {
		body := regexp.MustCompile(`EpisodeOfCare/[0-9a-f-]*`).ReplaceAll(payload, []byte("EpisodeOfCare/"+uuid.NewString()))
		return regexp.MustCompile(`"id": "0c000000-[^"]*"`).ReplaceAll(body, []byte(`"id": "`+uuid.NewString()+`"`))
	}
	var mu sync.Mutex
	var took []time.Duration
	wrong := map[string]int{}
	var wg sync.WaitGroup
	spent := s.cpu()
	begun := time.Now()
	for range latencyClients {
		wg.Go(func() {
			for time.Since(begun) < length {
				body, header := fresh(), speaking(sandbox.EmergencyCare)
				at := time.Now()
				a, err := s.try("POST", messagePath, header, body)
				d := time.Since(at)
				mu.Lock()
				if err != nil || a.status != 200 {
					wrong[fmt.Sprint(a, err)]++
				}
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Empty(t, wrong)
	spent = s.cpu() - spent
	slices.Sort(took)
	at := func(share float64) time.Duration {
		return took[int(share*float64(len(took)-1))].Round(time.Millisecond)
	}
	t.Logf("%d referrals of 25 entries (%d bytes) in %s, %d clients: %.0f a second; p50 %s, p90 %s, p99 %s, slowest %s; the server's CPU time %s each",
		len(took), len(payload), length, latencyClients, float64(len(took))/length.Seconds(), at(0.5), at(0.9), at(0.99), at(1),
		(spent / time.Duration(len(took))).Round(10*time.Microsecond))
	require.Less(t, at(0.99), latencyAim, "p99")
}

// cpu is the CPU time of the server so far; 0 where the system doesn't tell.
func (s *server) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // ticks of 1/100 s
}
