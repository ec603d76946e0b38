package barsapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/onward-health/onward/fhir"
)

// Fault says why a call failed. It holds nothing that the receiver wrote but
// codes of the standard, so it may be logged.
type Fault struct {
	Status int    // 0: no answer
	Word   string // REC_CONFLICT and the like; "" where it is none of the standard's
	Issue  string // issue.code, likewise
	Reason string
	// Again says that the same message may be sent again, under the same ids.
	Again bool
	// After is how long the receiver asked to be left alone.
	After    time.Duration
	Attempts int
	token    bool // the token was refused
	said     []string
}

// Said is what the receiver's OperationOutcome says, issue by issue. It may hold
// what the message holds, so it is for the eyes of who sent it, never for a log.
func (f *Fault) Said() []string { return f.said }

func (f *Fault) Error() string {
	var parts []string
	if f.Status != 0 {
		parts = append(parts, "answered "+strconv.Itoa(f.Status))
	}
	for _, part := range []string{f.Word, f.Issue} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if f.Reason != "" {
		parts = append(parts, f.Reason)
	}
	return strings.Join(parts, ", ")
}

// again are the statuses after which a sender repeats the message (BaRS Core 1.5,
// transactional integrity). 425 says that the earlier attempt is still running.
var again = []int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
	http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}

// readFault judges a refusal. One that isn't the receiver's own, since it has no
// OperationOutcome or doesn't return our ids, says nothing of the message.
func readFault(status int, r *fhir.Resource, echoed bool) *Fault {
	f := &Fault{Status: status}
	if status >= 300 && status < 400 {
		f.Reason = "a redirect, which is not followed"
		return f
	}
	outcome := r != nil && r.Type() == "OperationOutcome"
	if outcome {
		f.Word, f.Issue = codesOf(r)
		f.said = diagnosticsOf(r)
	}
	// The proxy's words for a token that is missing or has run out.
	f.token = status == http.StatusUnauthorized && f.Word != "REC_UNAUTHORIZED" || f.Word == "SEND_FORBIDDEN"
	f.Again = slices.Contains(again, status) || !outcome || !echoed || f.token
	switch {
	case !outcome:
		f.Reason = "without an OperationOutcome"
	case !echoed:
		f.Reason = "without the transaction ids"
	}
	return f
}

// refusedInside reads the refusal that a message holds which came with success (R4,
// MessageHeader.response.code); nil where it is none.
func refusedInside(status int, message *fhir.Resource) *Fault {
	switch message.Get("entry").At(0).Dig("resource", "response", "code").Text() {
	case "fatal-error":
		return &Fault{Status: status, Reason: "the answer says fatal-error"}
	case "transient-error":
		return &Fault{Status: status, Again: true, Reason: "the answer says transient-error"}
	}
	return nil
}

// Bounds of what is kept of a receiver's diagnostics.
const (
	maxSaid     = 50  // issues
	maxSaidText = 500 // bytes each
)

func diagnosticsOf(r *fhir.Resource) []string {
	var said []string
	for issue := range r.Get("issue").Items() {
		text := issue.Get("diagnostics").Text()
		if at := issue.Get("expression").At(0).Text(); at != "" {
			text = at + ": " + text
		}
		text = strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return ' ' // a terminal obeys some
			}
			return c
		}, text)
		if len(text) > maxSaidText {
			text = strings.ToValidUTF8(text[:maxSaidText], "")
		}
		if text != "" && len(said) < maxSaid {
			said = append(said, text)
		}
	}
	return said
}

// codesOf reads the codes of the first issue, where the standard knows them.
func codesOf(r *fhir.Resource) (word, issue string) {
	first := r.Get("issue").At(0)
	said := ""
	for c := range fhir.Codings(first.Get("details")) {
		if strings.EqualFold(c.System, systemErrors) {
			said = c.Code
		}
	}
	bare := said
	for _, prefix := range []string{"REC_", "PROXY_", "SEND_"} {
		bare = strings.TrimPrefix(bare, prefix)
	}
	code := first.Get("code").Text()
	for _, kind := range fhir.Kinds() {
		row := kind.Row()
		if row.Word == bare {
			word = said
		}
		if row.Issue == code || row.BaRSIssue == code {
			issue = code
		}
	}
	return word, issue
}
