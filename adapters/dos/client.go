package dos

import (
	"bytes"
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

	"github.com/onward-health/onward/internal/xmltree"
)

// Account is what the directory knows a consumer by. It comes from the
// environment or a file and is never logged.
type Account struct{ Username, Password string }

// ErrUnavailable: the directory can't be reached or failed for a reason of its
// own; later may be better.
var ErrUnavailable = errors.New("dos: the directory is not available")

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
	// HTTP makes the requests; nil: a client without redirects. The time of a
	// call is bounded by the context and ten seconds.
	HTTP *http.Client
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

// ByClinicalTerm asks the REST service. Its distance is in miles and its age a
// group; a case in other units is an error.
func (c *Client) ByClinicalTerm(ctx context.Context, r *Case, perType int) ([]Service, error) {
	if r.AgeFormat != AgeGroup || len(r.Discriminators) != 1 {
		return nil, errors.New("dos: the REST search takes an age group and one discriminator")
	}
	miles := "0"
	if r.Distance > 0 {
		miles = strconv.FormatFloat(kilometresToMiles(float64(r.Distance)), 'f', 1, 64)
	}
	return c.rest(ctx, "byClinicalTerm", or(r.ID, "0"), r.Postcode, miles, or(r.Surgery, "0"), strconv.Itoa(r.Age), r.Gender,
		strconv.Itoa(r.Disposition), strconv.Itoa(r.SymptomGroup)+"="+strconv.Itoa(r.Discriminators[0]), strconv.Itoa(perType))
}

func or(a, b string) string {
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
		if err == nil {
			_, found, err = readBody(text)
		}
		if err != nil {
			if status >= 500 {
				return ErrUnavailable
			}
			return errAnswer
		}
		if fault := readFault(found); fault != nil {
			return fault
		}
		return nil
	})
	return found, err
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
		case err != nil && status >= 500:
			return ErrUnavailable
		case fault != nil:
			return fault
		}
		list = found
		return err
	})
	return list, err
}

// send makes one request and reads a bounded answer.
func (c *Client) send(req *http.Request) (body []byte, head http.Header, status int, err error) {
	client := c.HTTP
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
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
		return nil, nil, 0, errAnswer
	}
	if res.StatusCode == http.StatusTooManyRequests {
		return nil, nil, 0, ErrUnavailable
	}
	return body, res.Header, res.StatusCode, nil
}

// try repeats what may succeed later, with pauses that grow and scatter.
func (c *Client) try(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	pause := firstPause
	for attempt := 0; ; attempt++ {
		if !c.Breaker.allow() {
			return ErrUnavailable
		}
		err := call(ctx)
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
