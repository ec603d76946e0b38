package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/mongo/fakereplset"
	"github.com/onward-health/onward/store/storetest/linear"
)

// The tests whose names begin with TestProof show that what the program promises
// holds among many clients and through crashes, full disks and lost databases.
// How long they try is set from outside: `make test` takes a taste, `make proofs`
// (ONWARD_PROOFS=full) what CI asks for, `make soak` (ONWARD_SOAK=1) the most.

// effort is how much a proof does.
type effort struct {
	calls int // of a linearizability proof, on each engine
	each  int // of a client in one round
	kills int // of the crash proof
	cuts  int // of the connection to the database
}

func efforts() effort {
	switch {
	case os.Getenv("ONWARD_SOAK") != "":
		return effort{calls: 100_000, each: 20, kills: 200, cuts: 20}
	case os.Getenv("ONWARD_PROOFS") == "full":
		return effort{calls: 5_000, each: 20, kills: 20, cuts: 2}
	}
	return effort{calls: 600, each: 5, kills: 4, cuts: 1}
}

// proofClients is how many clients work at once.
const proofClients = 64

// startMongo starts a program whose store is a fake replica set in this process.
func startMongo(t testing.TB, args ...string) (*server, *fakereplset.Server) {
	t.Helper()
	fake, err := fakereplset.Start(fakereplset.Options{Lifetime: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	return start(t, append(args, "--store", fake.URI())...), fake
}

// impatient makes requests that it may give up at any moment. It complains of
// answers that no client should get.
type impatient struct {
	base     string
	http     *http.Client
	complain func(format string, args ...any)
}

func impatientOf(s *server) *impatient {
	return &impatient{s.url, &http.Client{Transport: client.Transport}, s.t.Errorf}
}

// some gives up one request in ten after a random time of the order that
// requests take.
func some(g *rand.Rand) time.Duration {
	if g.IntN(10) > 0 {
		return 30 * time.Second
	}
	return time.Duration(g.IntN(60)) * time.Millisecond
}

func (c *impatient) try(patience time.Duration, method, path string, header http.Header, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	return answerOf(c.http.Do(req))
}

// result reads an answer to a write. A 409 or 412 is the rule's refusal, unless
// refused says of its text that it isn't.
func result(a *answer, err error) (r linear.Result, known bool) {
	switch {
	case err != nil || a.status == http.StatusRequestTimeout:
		return linear.Unknown, true
	case a.status == 200 || a.status == 201 || a.status == 204:
		return linear.Done, true
	case a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests:
		return linear.Void, true // both promise that nothing was done
	case a.status == http.StatusConflict || a.status == http.StatusPreconditionFailed:
		return linear.Refused, true
	}
	return linear.Unknown, false
}
