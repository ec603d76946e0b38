package tester

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxAnswer = 8 << 20  // bytes of an answer that are read
	maxShown  = 16 << 10 // bytes of a body that a report shows
)

// recorder sends requests and keeps what was said, so that every case, a
// script's too, is reported with its exchanges.
type recorder struct {
	next  http.RoundTripper
	token string
	now   func() time.Time
	pause func(context.Context, time.Duration) error

	mu   sync.Mutex
	kept []Exchange
}

// Bounds of one request: an attempt at it, and how often and how long it waits for
// a limit of the receiver's.
const (
	attemptTime = 40 * time.Second
	maxWaits    = 10
	longestWait = time.Minute
)

// tookKey is where a request's context holds the place for how long the answer
// took, waiting for a limit aside.
type tookKey struct{}

// RoundTrip sends one request, again where a limit was reached that the receiver
// says the end of.
func (c *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	for n := 0; ; n++ {
		res, err := c.attempt(r, body)
		if err != nil || res.StatusCode != http.StatusTooManyRequests || n == maxWaits {
			return res, err
		}
		seconds, bad := strconv.Atoi(res.Header.Get("Retry-After"))
		wait := time.Duration(seconds) * time.Second
		if bad != nil || wait <= 0 || wait > longestWait || c.pause(r.Context(), wait) != nil {
			return res, nil
		}
	}
}

// attempt sends a request once and reads the whole answer.
func (c *recorder) attempt(r *http.Request, sent []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), attemptTime)
	defer cancel()
	x := Exchange{Method: r.Method, URL: r.URL.String(), Head: heads(r.Header)}
	took, timed := ctx.Value(tookKey{}).(*time.Duration)
	r = r.Clone(ctx)
	if r.Body != nil {
		x.Body = shown(sent)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	began := c.now()
	res, err := c.next.RoundTrip(r)
	if err != nil {
		x.Fault = "no answer"
		c.keep(x)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	_ = res.Body.Close()
	if err != nil {
		x.Fault = "the answer broke off"
		c.keep(x)
		return nil, err
	}
	if timed {
		*took = c.now().Sub(began)
	}
	x.Status, x.Answers, x.Answer = res.StatusCode, heads(res.Header), shown(body)
	c.keep(x)
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

func (c *recorder) keep(x Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, x)
}

// take returns what was said since the last take.
func (c *recorder) take() []Exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.kept
	c.kept = nil
	return out
}

func heads(h http.Header) string {
	var lines []string
	for name, values := range h {
		if name == "Authorization" || name == "Set-Cookie" {
			continue
		}
		for _, value := range values {
			lines = append(lines, name+": "+value+decoded(name, value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// decoded is what a header of the standard says that is Base64 of JSON.
func decoded(name, value string) string {
	if !strings.HasPrefix(name, "Nhsd-") || len(value) > maxShown {
		return ""
	}
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil || !json.Valid(text) || !utf8.Valid(text) {
		return ""
	}
	return "\n    = " + string(text)
}

// shown is a body for people: JSON indented, and cut.
func shown(body []byte) string {
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") == nil {
		body = pretty.Bytes()
	}
	text := strings.ToValidUTF8(string(body[:min(len(body), maxShown)]), "\uFFFD")
	if len(body) > maxShown {
		text += "\n… cut"
	}
	return text
}
