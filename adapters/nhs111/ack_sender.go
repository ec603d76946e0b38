package nhs111

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/xmltree"
	"github.com/onward-health/onward/nhs"
)

// AckSender posts acknowledgements: the outbox's Sender of AckKind.
type AckSender struct {
	HTTP *http.Client
	// Address is the same as in Acks.
	Address func(organisation nhs.ODSCode) (endpoint string, ok bool)
}

var _ outbox.Sender = (*AckSender)(nil)

// maxAckAnswer is how much of an answer is read.
const maxAckAnswer = 64 << 10

// Send posts one acknowledgement. A 2xx answer without a fault takes it; one that says the
// message itself is wrong won't become better by sending it again.
func (s *AckSender) Send(ctx context.Context, m outbox.Message) outbox.Result {
	endpoint, ok := s.Address(nhs.ODSCode(m.Recipient))
	if !ok {
		return outbox.Result{Reason: "no endpoint is configured for the organisation"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(m.Body))
	if err != nil {
		return outbox.Result{Reason: "the endpoint isn't a URL"}
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	req.Header.Set("SOAPAction", `"`+actionOf(m.Body)+`"`)
	res, err := s.HTTP.Do(req)
	if err != nil {
		return outbox.Result{Reason: "the endpoint can't be reached"}
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, maxAckAnswer)) // what is missing makes it no fault
	failed, forGood := faultIn(answer)
	if !failed && res.StatusCode >= 200 && res.StatusCode < 300 {
		return outbox.Result{Verdict: outbox.Delivered}
	}
	result := outbox.Result{After: outbox.RetryAfter(res.Header, time.Now()), Reason: "the endpoint answered with status " + strconv.Itoa(res.StatusCode)}
	if forGood {
		result.Verdict, result.Reason = outbox.Dead, "the endpoint refused the message as wrong"
	}
	return result
}

// actionOf reads the Action of an envelope of ours.
func actionOf(body []byte) string {
	root, err := xmltree.Read(body, xmltree.Rules{})
	if err != nil {
		return ""
	}
	for _, action := range root.Child("Header").AllIn(nsWSA, "Action") {
		return action.Content()
	}
	return ""
}

// faultIn says whether an answer is a fault, whatever HTTP calls it, and whether one
// with ITK code 1000, which some senders put into faultcode.
func faultIn(answer []byte) (failed, forGood bool) {
	text, err := xmltree.ToUTF8(answer, "")
	if err != nil {
		return false, false
	}
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: true})
	if err != nil || !root.Is(nsSOAP, "Envelope") {
		return false, false
	}
	const invalid = "1000"
	fault := root.Child("Body", "Fault")
	for _, code := range fault.AllIn("", "faultcode") {
		if strings.TrimSpace(code.Content()) == invalid {
			return true, true
		}
	}
	for _, detail := range fault.AllIn("", "detail") {
		for _, info := range detail.AllIn(nsITK, "ToolkitErrorInfo") {
			if info.Child("ErrorCode").Content() == invalid {
				return true, true
			}
		}
	}
	return fault != nil, false
}
