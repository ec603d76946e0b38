package nhs111

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/internal/xmltree"
)

// Refused is what a receiver answered instead of taking a message, or why there
// was no answer. Its text never holds what the receiver wrote.
type Refused struct {
	Status int    // of HTTP; 0: no answer
	Code   string // ITK error code, "" where the receiver gave none
	// Temporary says that the same message may be sent again.
	Temporary bool
	After     time.Duration // how long the receiver asked to be left alone
	Cause     error
}

func (r *Refused) Error() string {
	switch {
	case r.Status == 0:
		return "nhs111: the receiver didn't answer"
	case r.Code == "":
		return fmt.Sprintf("nhs111: the receiver answered HTTP %d", r.Status)
	}
	return fmt.Sprintf("nhs111: the receiver answered HTTP %d, ITK error %s", r.Status, r.Code)
}

// Unwrap returns what stopped the connection.
func (r *Refused) Unwrap() error { return r.Cause }

// Send posts a message. nil means that the receiver took it; else a *Refused.
func (c *Client) Send(ctx context.Context, endpoint string, m *Outgoing) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(c.SOAP(endpoint, m)))
	if err != nil {
		return &Refused{Cause: err}
	}
	request.Header.Set("Content-Type", "text/xml; charset=utf-8")
	request.Header.Set("SOAPAction", `"`+m.Service+`"`)
	client := http.Client{Timeout: defaultWait}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	// A redirect would carry the patient to another host.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(request)
	if err != nil {
		return &Refused{Temporary: true, Cause: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return &Refused{Status: answer.StatusCode, Temporary: true, Cause: err}
	}
	_, parameters, _ := mime.ParseMediaType(wellFormed(answer.Header.Get("Content-Type")))
	if text, err := xmltree.ToUTF8(body, parameters["charset"]); err == nil {
		body = text
	} // else it can't be read as XML either
	refused := judge(answer.StatusCode, body)
	if refused == nil {
		return nil
	}
	refused.After = outbox.RetryAfter(answer.Header, c.now())
	return refused
}

// judge reads an answer. ITK's codes: 1000 the message is wrong, 3000 not
// allowed, 2100 try again later, 2200 the receiver failed. Some receivers put
// the code into faultcode and leave the detail empty.
//
// A fault without a code of ITK's that blames the sender is final: a gateway
// that can't read the message won't read it later.
func judge(status int, body []byte) *Refused {
	again := status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests
	root, err := xmltree.Read(body, xmltree.Rules{Instructions: true})
	if err != nil || !root.Is(nsSOAP, "Envelope") && !root.Is(nsSOAP12, "Envelope") {
		return &Refused{Status: status, Temporary: again || status < 300}
	}
	content := root.Child("Body")
	failed := content.Child("Fault")
	if failed == nil {
		if status >= 200 && status < 300 && len(content.AllIn(nsITK, "SimpleMessageResponse")) == 1 {
			return nil
		}
		return &Refused{Status: status, Temporary: again || status < 300}
	}
	code, blame := faultCodes(failed)
	switch blame {
	case "Client", "Sender", "MustUnderstand", "VersionMismatch", "DataEncodingUnknown":
		again = false
	case "Server", "Receiver": // whatever HTTP says
		again = true
	}
	return &Refused{Status: status, Code: code, Temporary: code == "2100" || code == "2200" || code == "" && again}
}

// faultCodes reads a fault of either version: ITK's code, and whom SOAP's blames.
func faultCodes(failed *xmltree.Node) (code, blame string) {
	for _, part := range failed.Elements() { // unqualified, or in SOAP's namespace where that is the default
		switch part.Local {
		case "faultcode":
			blame = part.Content()
		case "Code":
			blame = part.Child("Value").Content()
		case "detail", "Detail":
			for _, info := range part.AllIn(nsITK, "ToolkitErrorInfo") {
				code = info.Child("ErrorCode").Content()
			}
		}
	}
	blame = blame[strings.Index(blame, ":")+1:]
	if code == "" {
		code = blame
	}
	if len(code) != 4 || !allDigits(code) {
		code = ""
	}
	return code, blame
}
