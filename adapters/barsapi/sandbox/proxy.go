package sandbox

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

const (
	maxTarget = 16 << 10 // bytes of the target header
	maxAnswer = 16 << 20 // bytes of a receiver's answer
	via       = "1.1 onward-sandbox-proxy"
)

// proxy takes a request in the order of the live proxy: limits, its own
// statement, token, transaction ids, version gate, target, then the receiver.
func (s *Sandbox) proxy(w http.ResponseWriter, r *http.Request) {
	echo(w.Header(), r)
	if preflight(w, r) {
		return
	}
	application, tokenErr := s.authorise(r)
	if wait := s.limit.take(application); wait > 0 {
		full := *faultTooMany
		full.retry = wait
		s.refuse(w, &full)
		return
	}
	suffix := strings.TrimPrefix(r.URL.Path, ProxyPath)
	if suffix == "/metadata" && r.Header.Get(headerTarget) == "" && isRead(r) {
		write(w, http.StatusOK, "application/json", s.statement().JSON())
		return
	}
	if tokenErr != nil {
		s.refuse(w, tokenErr)
		return
	}
	if err := s.nationalChecks(r, suffix); err != nil {
		s.refuse(w, err)
		return
	}
	if s.Serves(suffix) {
		s.serveNational(w, r, s.o.Root+ProxyPath, suffix)
		return
	}
	target, err := readTarget(r.Header.Get(headerTarget))
	if err != nil {
		s.refuse(w, err)
		return
	}
	base, err := s.Route(r.Context(), target)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.forward(w, r, base)
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// preflight answers a browser's question whether it may call.
func preflight(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Headers", "origin, x-requested-with, accept, content-type, nhsd-session-urid")
	h.Set("Access-Control-Max-Age", "3628800")
	h.Set("Access-Control-Allow-Methods", "GET, PUT, POST, DELETE")
	w.WriteHeader(http.StatusOK)
	return true
}

// readTarget decodes the target header: Base64 of an object with system and
// value, both texts that aren't empty.
func readTarget(text string) (nhs.ServiceID, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || text == "" || len(text) > maxTarget || !json.Valid(raw) {
		return nhs.ServiceID{}, faultTarget64
	}
	object, err := fhir.Parse(raw)
	if err != nil {
		return nhs.ServiceID{}, faultTargetShape
	}
	id := nhs.ServiceID{System: nhs.Canonical(object.Get("system").Text()), Value: object.Get("value").Text()}
	if id.System == "" || id.Value == "" {
		return nhs.ServiceID{}, faultTargetShape
	}
	return id, nil
}

// notForwarded are headers that end at the proxy: the sender's credentials, those
// of one connection only, and those that the connection to the receiver makes
// itself.
var notForwarded = []string{"Authorization", "Apikey", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Accept-Encoding", "Origin", "Cookie"}

// forward calls the receiver and passes its answer on. Path suffix and query stay
// as they are; the catalogue's address loses one closing slash.
func (s *Sandbox) forward(w http.ResponseWriter, r *http.Request, base string) {
	if slices.Contains(r.Header.Values("Via"), via) {
		s.refuse(w, faultReceiver503) // a proxy that is its own receiver
		return
	}
	address := strings.TrimSuffix(base, "/") + strings.TrimPrefix(r.URL.EscapedPath(), ProxyPath)
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.o.Timeout)
	defer cancel()
	body := http.MaxBytesReader(w, r.Body, s.o.MaxBody)
	request, err := http.NewRequestWithContext(ctx, r.Method, address, body)
	if err != nil {
		s.refuse(w, faultReceiver503)
		return
	}
	if request.ContentLength = r.ContentLength; r.ContentLength == 0 {
		request.Body = http.NoBody
	}
	request.Header = r.Header.Clone()
	for _, name := range notForwarded {
		request.Header.Del(name)
	}
	for name := range strings.SplitSeq(strings.Join(r.Header.Values("Connection"), ","), ",") {
		request.Header.Del(strings.TrimSpace(name))
	}
	request.Header.Add("Via", via)
	answer, err := s.o.Client.Do(request)
	if err != nil {
		s.refuse(w, s.unreached(ctx, err))
		return
	}
	defer answer.Body.Close()
	if err := s.relay(w, r, answer); err != nil {
		s.refuse(w, s.unreached(ctx, err))
	}
}

// unreached words why a receiver gave no answer. The cause may hold an address,
// so it isn't passed on.
func (s *Sandbox) unreached(ctx context.Context, err error) error {
	var large *http.MaxBytesError
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &large):
		return faultTooLarge
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return faultReceiver504
	}
	return faultReceiver503
}

// relay passes an answer on, or gives the error that the proxy puts in its place;
// an error means that nothing was written yet.
func (s *Sandbox) relay(w http.ResponseWriter, r *http.Request, answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusForbidden:
		return faultReceiver403
	case http.StatusServiceUnavailable:
		return faultReceiver503
	case http.StatusGatewayTimeout:
		return faultReceiver504
	}
	// Whole before the first byte: an answer that breaks off is 503, never half.
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(body) > maxAnswer {
		return faultReceiver503
	}
	if answer.StatusCode == http.StatusInternalServerError {
		switch issue, found := firstIssue(answer.Header, body); {
		case !found:
			return faultReceiver500
		case issue == "no-store":
			return faultReceiverFull
		}
	}
	for name, values := range answer.Header {
		if name != "Connection" && name != "Keep-Alive" && name != "Transfer-Encoding" && name != "Content-Length" && name != "Set-Cookie" {
			w.Header()[name] = values
		}
	}
	echo(w.Header(), r)
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(body)
	return nil
}

// firstIssue reads the issue code of an OperationOutcome; found is false where
// the body is none.
func firstIssue(h http.Header, body []byte) (issue string, found bool) {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if strings.HasSuffix(media, "xml") {
		switch {
		case !bytes.Contains(body, []byte("<OperationOutcome")):
			return "", false
		case bytes.Contains(body, []byte(`<code value="no-store"`)):
			return "no-store", true
		}
		return "", true
	}
	o, err := fhir.Parse(body)
	if err != nil || o.Type() != "OperationOutcome" {
		return "", false
	}
	return o.Get("issue", "code").Text(), true
}

// version is how the proxy compares versions.
func version(major, minor, patch int) int { return major*10000 + minor*100 + patch }

// acceptVersion is the highest version that Accept names; 1.0.0 where it names
// none that is one (BaRS API, version handling of the live proxy).
func acceptVersion(h http.Header) int {
	highest := 0
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		_, params, err := mime.ParseMediaType(strings.TrimRight(strings.TrimSpace(part), "; "))
		if err != nil {
			continue
		}
		numbers := strings.Split(params["version"], ".")
		if len(numbers) > 3 {
			continue
		}
		var v [3]int
		valid := true
		for i, text := range numbers {
			n, err := strconv.Atoi(text)
			valid = valid && err == nil && n >= 0 && n < 100
			v[i] = n
		}
		if valid {
			highest = max(highest, version(v[0], v[1], v[2]))
		}
	}
	if highest == 0 {
		return version(1, 0, 0)
	}
	return highest
}

// ping says that the proxy is there.
func (s *Sandbox) ping(w http.ResponseWriter, r *http.Request) {
	if !s.healthVerb(w, r) {
		return
	}
	write(w, http.StatusOK, "application/json", s.build().JSON())
}

// status says more to who knows an application's key.
func (s *Sandbox) status(w http.ResponseWriter, r *http.Request) {
	if !s.healthVerb(w, r) {
		return
	}
	key := r.Header.Get("apikey")
	if key == "" || (len(s.o.Applications) > 0 && s.application(key) == nil) {
		s.refuse(w, faultStatusKey)
		return
	}
	write(w, http.StatusOK, "application/json", s.build().Set("status", "pass").JSON())
}

func (s *Sandbox) healthVerb(w http.ResponseWriter, r *http.Request) bool {
	if isRead(r) {
		return true
	}
	o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes GET and HEAD only")
	o.Allow = []string{http.MethodGet, http.MethodHead}
	s.refuse(w, o)
	return false
}

func (s *Sandbox) build() *fhir.Object {
	version := s.o.Version
	if version == "" {
		version = "devel"
	}
	return fhir.Obj("version", version, "revision", "sandbox", "releaseId", "onward-sandbox", "commitId", version)
}

// Route finds a target's receiver: in the catalogue, else among the fixed routes.
func (s *Sandbox) Route(ctx context.Context, target nhs.ServiceID) (string, error) {
	addresses, err := s.addresses(ctx, target)
	if err != nil {
		return "", err
	}
	switch len(addresses) {
	case 0:
	case 1:
		if s.refusedAddress(addresses[0]) != nil { // the operator's rule may have changed since
			return "", faultTarget
		}
		return addresses[0], nil
	default:
		return "", faultTargets
	}
	if base, found := s.o.Routes[target]; found {
		return base, nil
	}
	return "", faultTarget
}

// refusedAddress says why an address may not be a receiver's: none that the
// operator allows, or the proxy itself.
func (s *Sandbox) refusedAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("it must be an absolute http or https URL without query")
	}
	if strings.HasPrefix(address, s.o.Root+ProxyPath) {
		return errors.New("it must not be the proxy's own")
	}
	if s.o.Allowed == nil {
		return nil
	}
	return s.o.Allowed(address)
}
