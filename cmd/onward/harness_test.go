package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// The tests of this package drive the built binary from outside, as its users
// do.

var builtOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "onward-test-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "onward")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building onward: %w\n%s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	if address := os.Getenv(staticEnv); address != "" {
		fmt.Fprintln(os.Stderr, serveStatic(address))
		os.Exit(1)
	}
	code := m.Run()
	if binary, err := builtOnce(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// server is one running onward.
type server struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	dir  string
	args []string
	// limit bounds the size of every file of the process, in KiB; 0: not.
	limit int
	out   *output
	done  chan struct{}
}

// output keeps what the process prints; it may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// log returns what the process has printed so far.
func (s *server) log() string {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	return s.out.text.String()
}

// refusedStart runs onward with settings that it must refuse and returns what
// it printed.
func refusedStart(t testing.TB, args ...string) string {
	t.Helper()
	binary, err := builtOnce()
	require.NoError(t, err)
	cmd := exec.Command(binary, append([]string{"serve"}, args...)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	return string(out)
}

// start runs onward in a fresh folder and waits until it is ready.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), args: args, url: "http://" + freeAddress(t)}
	s.run()
	t.Cleanup(s.kill)
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// run starts the process, again after a kill.
func (s *server) run() {
	s.t.Helper()
	binary, err := builtOnce()
	require.NoError(s.t, err)
	s.out = &output{}
	args := append([]string{"serve", "--listen", strings.TrimPrefix(s.url, "http://")}, s.args...)
	s.cmd = exec.Command(binary, args...)
	if s.limit > 0 {
		s.cmd = exec.Command("bash", append([]string{"-c", fmt.Sprintf(`ulimit -f %d; exec "$@"`, s.limit), "limited", binary}, args...)...)
	}
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	require.NoError(s.t, s.cmd.Start())
	done := make(chan struct{})
	s.done = done
	cmd := s.cmd
	go func() { _ = cmd.Wait(); close(done) }()
	s.waitReady()
}

func (s *server) waitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := http.Get(s.url + "/readyz")
		if err == nil {
			res.Body.Close()
			// What it says at its start comes through a pipe, a little later.
			if res.StatusCode == http.StatusOK && strings.Contains(s.log(), "/readyz\n") {
				return
			}
		}
		select {
		case <-s.done:
			require.FailNow(s.t, "onward ended at start", s.log())
		case <-ctx.Done():
			require.FailNow(s.t, "onward did not get ready", s.log())
		case <-tick.C:
		}
	}
}

// kill ends the process at once, as a power cut would.
func (s *server) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	<-s.done
}

// stop ends the process as an operator would.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) resource(t testing.TB) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse(a.body)
	require.NoError(t, err, "%s", a.body)
	return r
}

// issue returns code and error word of an OperationOutcome's first issue.
func (a *answer) issue(t testing.TB) (code, word, diagnostics string) {
	t.Helper()
	r := a.resource(t)
	require.Equal(t, "OperationOutcome", r.Type(), "%s", a.body)
	first := r.Get("issue").At(0)
	return first.Get("code").Text(), first.Dig("details", "coding", "code").Text(), first.Get("diagnostics").Text()
}

// do sends a request; an error of the connection fails the test.
func (s *server) do(method, path string, header http.Header, body []byte) *answer {
	s.t.Helper()
	a, err := s.try(method, path, header, body)
	require.NoError(s.t, err)
	return a
}

// client keeps enough connections open for 64 clients at once.
var client = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 128, MaxConnsPerHost: 0},
}

func (s *server) try(method, path string, header http.Header, body []byte) (*answer, error) {
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	return answerOf(client.Do(req))
}

// answerOf reads an answer to its end.
func answerOf(res *http.Response, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return &answer{res.StatusCode, res.Header, text}, nil
}

// plain are the headers of a plain FHIR write.
func plain() http.Header {
	return http.Header{"Content-Type": {"application/fhir+json"}}
}

// speaking are the headers of a BaRS request to a service, with new transaction
// ids.
func speaking(service string) http.Header { return speakingTo(nhs.SystemDoS, service) }

func speakingTo(system, service string) http.Header {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	return http.Header{
		"Content-Type":               {"application/fhir+json; version=1.1.0"},
		"Accept":                     {"application/fhir+json; version=1.5.0"},
		"X-Request-Id":               {uuid.NewString()},
		"X-Correlation-Id":           {uuid.NewString()},
		"Nhsd-Target-Identifier":     {encode(`{"value":"` + service + `","system":"` + system + `"}`)},
		"Nhsd-End-User-Organisation": {encode(`{"resourceType":"Organization","identifier":[{"value":"A1001","system":"https://fhir.nhs.uk/Id/ods-organization-code"}],"name":"Test"}`)},
		"Nhsd-Requesting-Software":   {encode(`{"resourceType":"Device","identifier":[{"value":"T-1","system":"https://supplier.example/Id/device"}]}`)},
	}
}

const messagePath = "/FHIR/R4/$process-message"

// freeSlot is what a sender learns of a slot.
type freeSlot struct{ id, start, end string }

// freeSlots finds free slots of the sample service by plain FHIR.
func (s *server) freeSlots(count int) []freeSlot {
	s.t.Helper()
	path := fmt.Sprintf("/FHIR/R4/Slot?status=free&schedule=Schedule/%s&_sort=start&_count=%d", sandbox.ID("schedule/utc-1"), count)
	a := s.do("GET", path, nil, nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	var list []freeSlot
	for e := range a.resource(s.t).Get("entry").Items() {
		r := e.Get("resource")
		list = append(list, freeSlot{r.Get("id").Text(), r.Get("start").Text(), r.Get("end").Text()})
	}
	require.Len(s.t, list, count)
	return list
}

// tourFile reads a payload of the README's tour with its places filled in.
func tourFile(t testing.TB, name string, fill ...string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../testdata/tour/" + name)
	require.NoError(t, err)
	return []byte(strings.NewReplacer(fill...).Replace(string(text)))
}

func bookingFor(t testing.TB, slot freeSlot) []byte {
	return tourFile(t, "book.json", "@SLOT@", slot.id, "@START@", slot.start, "@END@", slot.end)
}

func cancellationFor(t testing.TB, appointment string, slot freeSlot) []byte {
	return tourFile(t, "cancel-booking.json", "@APPOINTMENT@", appointment, "@START@", slot.start, "@END@", slot.end)
}

// entryOf returns the first entry of a type in a bundle.
func entryOf(bundle *fhir.Resource, typ string) fhir.Value {
	for e := range bundle.Get("entry").Items() {
		if e.Dig("resource", "resourceType").Text() == typ {
			return e.Get("resource")
		}
	}
	return fhir.Value{}
}

// status reads a record's status by plain FHIR.
func (s *server) status(ref string) string {
	s.t.Helper()
	a := s.do("GET", "/FHIR/R4/"+ref, nil, nil)
	require.Equal(s.t, 200, a.status, "%s", a.body)
	return a.resource(s.t).Get("status").Text()
}
