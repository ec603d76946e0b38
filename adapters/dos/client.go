package dos

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/internal/wait"
	"github.com/onward-health/onward/internal/xmltree"
)

// Account is what the directory knows a consumer by. It comes from the
// environment or a file and is never logged.
type Account struct{ Username, Password string }

// ErrUnavailable: the directory can't be reached or failed for a reason of its
// own; later may be better.
var ErrUnavailable = errors.New("dos: the directory is not available")

// AnswerError says that the directory's answer isn't one, with the HTTP status
// that it came with. Later may be better, but not soon: it isn't repeated.
type AnswerError struct{ Status int }

func (e *AnswerError) Error() string {
	return errAnswer.Error() + ", HTTP status " + strconv.Itoa(e.Status)
}

func (e *AnswerError) Unwrap() error { return errAnswer }

// Bounds of the client.
const (
	maxAnswer   = 5 << 20
	callTimeout = 10 * time.Second
	maxRetries  = 2
	firstPause  = 250 * time.Millisecond
)

// Client asks the national directory. Its methods may be called from many
// goroutines.
type Client struct {
	// Base is the scheme and host, without closing slash.
	Base    string
	Account Account
	// HTTP makes the requests; nil: the default transport. Redirects are never
	// followed.
	HTTP *http.Client
	// Timeout bounds a call with its retries; 0: ten seconds.
	Timeout time.Duration
	// Pause waits before a retry; nil: a timer.
	Pause func(ctx context.Context, d time.Duration) error
	// Random gives numbers from 0 to 1 for the pauses; nil: math/rand.
	Random func() float64
	// Breaker stops calls for a while after failures in a row; nil: none.
	Breaker *Breaker
}

const soapPath, restPath = "/app/api/webservices", "/app/controllers/api/v1.0/services"

// Search asks for services for a case (CheckCapacitySummary, version 1.5). A
// *Fault says what the directory found wrong; its 102 is "no services".
func (c *Client) Search(ctx context.Context, request *Case) (*Answer, error) {
	body, err := c.soap(ctx, "CheckCapacitySummary", writeSearch(c.Account, request))
	if err != nil {
		return nil, err
	}
	return readAnswer(body)
}

// Details asks for the endpoints of a service by DoS id or ODS code
// (ServiceDetailsById).
func (c *Client) Details(ctx context.Context, id string) ([]Service, error) {
	body, err := c.soap(ctx, "ServiceDetailsById", writeDetails(c.Account, id))
	if err != nil {
		return nil, err
	}
	return readDetail(body, id)
}

// ByID asks the REST service for one service.
func (c *Client) ByID(ctx context.Context, id string) ([]Service, error) {
	return c.rest(ctx, "byServiceId", id)
}

// ByODS asks the REST service for the services of an organisation.
func (c *Client) ByODS(ctx context.Context, ods string) ([]Service, error) {
	return c.rest(ctx, "byOdsCode", ods)
}

// ByClinicalTerm asks the REST service. Its age is a group (AgeGroup, and 8 for
// 65 and over); a case in other units is an error. perType bounds the services of
// each type; 0: 5.
func (c *Client) ByClinicalTerm(ctx context.Context, r *Case, perType int) ([]Service, error) {
	if len(r.Discriminators) != 1 {
		return nil, errors.New("dos: the REST search takes one discriminator")
	}
	return c.nearest(ctx, "byClinicalTerm", r, strconv.Itoa(r.SymptomGroup)+"="+strconv.Itoa(r.Discriminators[0]), perType)
}

// ByServiceType asks the REST service for services of some types; of the case only
// who and where counts.
func (c *Client) ByServiceType(ctx context.Context, r *Case, types []int, perType int) ([]Service, error) {
	var list []string
	for _, id := range types {
		list = append(list, strconv.Itoa(id))
	}
	return c.nearest(ctx, "byServiceType", r, strings.Join(list, ","), perType)
}

// nearest makes a REST search, whose distance is in miles. Its practice is a DoS
// service id, which an ODS code is not, so that is left out.
func (c *Client) nearest(ctx context.Context, call string, r *Case, what string, perType int) ([]Service, error) {
	if r.AgeFormat != AgeGroup {
		return nil, errors.New("dos: the REST search takes an age group")
	}
	miles, practice := "0", "0"
	if r.Distance > 0 {
		miles = strconv.FormatFloat(kilometresToMiles(float64(r.Distance)), 'f', 1, 64)
	}
	if _, err := strconv.Atoi(r.Surgery); err == nil {
		practice = r.Surgery
	}
	return c.rest(ctx, call, or(r.ID, "0"), r.Postcode, miles, practice, strconv.Itoa(r.Age), r.Gender,
		strconv.Itoa(r.Disposition), or(what, "0"), strconv.Itoa(perType))
}

func or[T ~string](a, b T) T {
	if a != "" {
		return a
	}
	return b
}

func kilometresToMiles(km float64) float64 { return km / 1.609344 }

// soap sends a request and returns the element of the answer's body.
func (c *Client) soap(ctx context.Context, action string, body []byte) (*xmltree.Node, error) {
	var found *xmltree.Node
	err := c.try(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+soapPath, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", `application/soap+xml; charset=utf-8; action="`+nsDoS+"/"+action+`"`)
		raw, head, status, err := c.send(req)
		if err != nil {
			return err
		}
		_, parameters, _ := mime.ParseMediaType(head.Get("Content-Type"))
		text, err := xmltree.ToUTF8(raw, parameters["charset"])
		var e envelopeRead
		if err == nil {
			e, err = readEnvelope(text)
		}
		if err != nil {
			return noAnswer(status)
		}
		if fault := readFault(e.Body); fault != nil {
			return fault
		}
		if status != http.StatusOK {
			return noAnswer(status)
		}
		found = e.Body
		return nil
	})
	return found, err
}

// noAnswer is the error for an answer that isn't the directory's own.
func noAnswer(status int) error {
	if status >= 500 || status == http.StatusTooManyRequests {
		return ErrUnavailable
	}
	return &AnswerError{status}
}

// rest sends a GET whose parameters are segments of the path.
func (c *Client) rest(ctx context.Context, segments ...string) (list []Service, err error) {
	address := c.Base + restPath
	for _, s := range segments {
		address += "/" + url.PathEscape(s)
	}
	err = c.try(ctx, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth(c.Account.Username, c.Account.Password)
		req.Header.Set("Accept", "application/json")
		raw, _, status, err := c.send(req)
		if err != nil {
			return err
		}
		found, fault, err := parseREST(raw)
		switch {
		case fault != nil:
			return fault
		case err != nil || status != http.StatusOK:
			return noAnswer(status)
		}
		list = found
		return nil
	})
	return list, err
}

// send makes one request and reads a bounded answer.
func (c *Client) send(req *http.Request) (body []byte, head http.Header, status int, err error) {
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, 0, ErrUnavailable // its text holds the address asked for
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, 0, ErrUnavailable
	}
	if len(body) > maxAnswer {
		return nil, nil, 0, &AnswerError{res.StatusCode}
	}
	if res.StatusCode == http.StatusTooManyRequests {
		return nil, nil, 0, ErrUnavailable
	}
	return body, res.Header, res.StatusCode, nil
}

// try repeats what may succeed later, with pauses that grow and scatter.
func (c *Client) try(caller context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(caller, cmp.Or(c.Timeout, callTimeout))
	defer cancel()
	pause := firstPause
	for attempt := 0; ; attempt++ {
		if !c.Breaker.allow() {
			return ErrUnavailable
		}
		err := call(ctx)
		if caller.Err() != nil {
			return caller.Err() // who asked has gone, which says nothing of the directory
		}
		var fault *Fault
		temporary := errors.Is(err, ErrUnavailable) || errors.As(err, &fault) && fault.Temporary()
		c.Breaker.note(!temporary)
		if !temporary || attempt == maxRetries {
			return err
		}
		if c.pause(ctx, time.Duration(float64(pause)*(0.5+c.random()))) != nil {
			return err
		}
		pause *= 2
	}
}

func (c *Client) random() float64 {
	if c.Random != nil {
		return c.Random()
	}
	return rand.Float64()
}

func (c *Client) pause(ctx context.Context, d time.Duration) error {
	if c.Pause != nil {
		return c.Pause(ctx, d)
	}
	return wait.For(ctx, d)
}

// SafeBase checks a base address from the configuration: https, or http to this
// machine, for the password travels with each request.
func SafeBase(base string) (string, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the directory's address must be an absolute URL without user, query and fragment")
	}
	local := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", errors.New("the directory's address must be https")
	}
	return u.String(), nil
}
