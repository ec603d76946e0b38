package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/storetest/linear"
)

// broken stands between clients and a sound server and makes of it one that
// breaks a promise.
type broken struct {
	mu   sync.Mutex
	kept map[string]*answer // the first answer by path
	lie  func(b *broken, req *http.Request) (*answer, error)
}

func (b *broken) RoundTrip(req *http.Request) (*http.Response, error) {
	a, err := b.lie(b, req)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Request: req}, nil
}

// pass hands a request on.
func pass(req *http.Request) (*answer, error) {
	return answerOf(client.Transport.RoundTrip(req))
}

func isWrite(req *http.Request) bool { return req.Method == "PUT" || req.Method == "POST" }

// withoutConditions lets every update through, whatever version it was made of.
func withoutConditions(_ *broken, req *http.Request) (*answer, error) {
	req.Header.Del("If-Match")
	return pass(req)
}

// staleReads answers some reads with what it answered first.
func staleReads(b *broken, req *http.Request) (*answer, error) {
	if req.Method != "GET" {
		return pass(req)
	}
	b.mu.Lock()
	kept := b.kept[req.URL.String()]
	b.mu.Unlock()
	if kept != nil && rand.IntN(4) == 0 {
		return kept, nil
	}
	a, err := pass(req)
	if err == nil && a.status == 200 {
		b.mu.Lock()
		defer b.mu.Unlock()
		if kept == nil {
			b.kept[req.URL.String()] = a
		}
	}
	return a, err
}

// lostWrites acknowledges some writes that it throws away. The answer is one
// that another write has got.
func lostWrites(b *broken, req *http.Request) (*answer, error) {
	kind := req.Method + strings.SplitN(req.URL.Path, "/", 5)[3]
	b.mu.Lock()
	kept := b.kept[kind]
	b.mu.Unlock()
	if isWrite(req) && kept != nil && rand.IntN(10) == 0 {
		return kept, nil
	}
	a, err := pass(req)
	if err == nil && isWrite(req) && a.status < 300 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.kept[kind] = a
	}
	return a, err
}

// everybodyWins tells whoever was refused a slot that it is theirs.
func everybodyWins(b *broken, req *http.Request) (*answer, error) {
	a, err := pass(req)
	if err == nil && a.status == 409 {
		a.status = 200
	}
	return a, err
}

// twice carries out some writes a second time, later.
func twice(_ *broken, req *http.Request) (*answer, error) {
	if req.Method != "PUT" || rand.IntN(4) > 0 {
		return pass(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Header.Del("If-Match")
	req.Body, again.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	a, err := pass(req)
	if err == nil {
		_, _ = pass(again)
	}
	return a, err
}

// Ensure that the proof would notice: each of these breaks one promise.
func TestProofThatABrokenServerIsCaught(t *testing.T) {
	s := start(t)
	round := 0
	for _, c := range []struct {
		name  string
		model string
		lie   func(*broken, *http.Request) (*answer, error)
	}{
		{"If-Match is ignored", "records", withoutConditions},
		{"reads of a record are stale", "records", staleReads},
		{"writes of a record are lost", "records", lostWrites},
		{"writes of a record happen twice", "records", twice},
		{"a slot is given to everybody", "slots", everybodyWins},
		{"reads of a slot are stale", "slots", staleReads},
		{"bookings are lost", "slots", lostWrites},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := players()[c.model]
			liar := &impatient{s.url, &http.Client{Transport: &broken{kept: map[string]*answer{}, lie: c.lie}}, t.Logf}
			var caught *linear.Violation
			for tries := 0; caught == nil && tries < 20; tries++ {
				round++
				h := linear.NewHistory()
				p.play(t, s, liar, h, round)
				err := h.Check(p.model, t.TempDir())
				require.True(t, err == nil || errors.As(err, &caught), "%v", err)
			}
			require.NotNil(t, caught, "twenty rounds showed nothing")
		})
	}
}
