package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/adapters/barsapi"
	barssandbox "github.com/onward-health/onward/adapters/barsapi/sandbox"
	"github.com/onward-health/onward/adapters/dos"
	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/conformance/testtool"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/fhir/validate/profile"
	"github.com/onward-health/onward/internal/egress"
	"github.com/onward-health/onward/internal/httpx"
	"github.com/onward-health/onward/internal/outbox"
	"github.com/onward-health/onward/store"
)

// fhirPath is where the FHIR door stands.
const fhirPath = "/FHIR/R4"

// dosPath is where the stand-in of the Directory of Services stands.
const dosPath = "/sandbox/dos"

// app is the wired program.
type app struct {
	log     *slog.Logger
	root    string // base URL without path
	maxBody int64  // the largest that any door takes
	desk    *bars.Desk
	health  *httpx.Health
	fhir    *barsapi.Door
	soap    http.Handler
	// The stand-ins; nil: none.
	dos      http.Handler   // of the directory
	national http.Handler   // of the BaRS proxy and what belongs to it
	testtool *testtool.Tool // of the BaRS test tool
	tls      *tls.Config    // nil: the server speaks http
	api      *rest.Handler
	metrics  *metrics
}

// outside is what the rooms need of other systems.
type outside struct {
	soap      nhs111.Options
	profiles  *profile.Set
	reach     *egress.Policy
	sender    *barsapi.Client
	reports   *soapSending
	directory *dos.Client          // nil: none but the sandbox's
	registry  *barsapi.Client      // of pointers; nil: none is told
	national  *barssandbox.Sandbox // nil where the sandbox is off
	metrics   *metrics
}

// recordsOf reads records through a desk that is opened later.
type recordsOf struct{ *bars.Records }

// newApp wires the rooms together.
func newApp(db store.Store, c *serveCommand, root string, out outside, log *slog.Logger) (*app, error) {
	soap, profiles, reach, sender, national := out.soap, out.profiles, out.reach, out.sender, out.national
	base := root + fhirPath
	room := bars.Options{Base: base, Endpoint: reach.Check, Outbox: barsapi.Outbox{}, Log: log,
		Checked: out.metrics.checked, Repeated: out.metrics.repeated}
	var err error
	if room.Mode, room.Modes, err = c.modes(); err != nil {
		return nil, err
	}
	if room.Access, err = c.BarsReceive.access(); err != nil {
		return nil, err
	}
	if out.registry != nil {
		room.Registry, room.PointReferrals = barsapi.Pointers{Product: c.BarsReceive.ProductID}, c.BarsReceive.Referrals
	}
	room.Forwarder = out.reports.forwarder
	var stand *dos.Sandbox
	records := &recordsOf{}
	if c.sandbox() {
		stand = dos.NewSandbox(dos.SandboxOptions{Records: records, Root: root, Path: dosPath, NewID: uuid.NewString, Log: log})
	}
	switch {
	case out.directory != nil:
		room.Directory, room.SendByDirectory = dos.Room{Source: out.directory}, true
	case stand != nil:
		room.Directory = dos.Room{Source: stand} // invented: nothing is sent because of it
	}
	if c.Enforce {
		room.Profiles = profiles
	}
	desk := bars.NewDesk(db, room)
	records.Records = desk.Records()
	options := bars.SearchOptions(base, time.Now)
	facts := conformance.Facts{BaseURL: base, Version: version, Started: time.Now(), Types: search.Types(), Profiles: profiles.Supported, Directory: room.Directory != nil}
	statement := conformance.Statement(facts)
	facts.BaRS, facts.Certificates = true, c.BarsReceive.Certificate
	facts.Registry, facts.Catalogue = out.registry != nil, c.BarsSend.Catalogue != ""
	facts.Token, facts.OurCertificate = c.BarsSend.TokenURL != "", c.BarsSend.SendCert != ""
	barsStatement := conformance.Statement(facts)
	doorOptions := barsapi.Options{
		BaseURL: base, BasePath: fhirPath, MaxBody: c.fhirBody(), Search: options, Log: log, Always: c.Dialect == "bars",
		Statement: func() *fhir.Resource { return barsStatement }, Version: version, Client: sender,
		NeedCertificate: c.BarsReceive.Certificate, ServiceUnavailable: c.BarsReceive.Unavailable,
		Healthy: func(ctx context.Context) error {
			_, err := db.Health(ctx)
			return err
		},
	}
	if national != nil {
		doorOptions.National = national.National(base, fhirPath)
	}
	door := barsapi.New(desk, doorOptions)
	api := rest.New(desk.Records(), rest.Options{
		BaseURL: base, Types: search.Types(), MaxBody: c.fhirBody(), Search: options, Render: door.Render, Profiles: profiles,
		Explain: c.Auth == "none", // then every caller sits at this machine
		Metadata: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", rest.ContentType)
			_, _ = w.Write(statement.JSON())
		}),
		OnPanic: func(_ *http.Request, value any, stack []byte) {
			log.Error("panic in a handler", "value", fmt.Sprintf("%T", value), "stack", string(stack))
		},
	})
	door.SetFHIR(plainFHIR(api))
	soap.Reports, soap.Log = desk.Records(), log
	a := &app{
		log: log, root: root, maxBody: max(c.fhirBody(), c.soapBody()), desk: desk, fhir: door, api: api, metrics: out.metrics,
		soap: nhs111.New(desk, soap),
		health: &httpx.Health{Check: func(ctx context.Context) (any, error) {
			return db.Health(ctx)
		}, Outbox: func(ctx context.Context) (any, error) {
			return outbox.Stats(ctx, db, time.Now())
		}, Degraded: func() map[string]any { return out.metrics.degraded(c.BarsSend.degraded()) }},
	}
	if stand != nil {
		a.dos = http.StripPrefix(dosPath, stand.Handler())
	}
	if national != nil {
		a.national = national.Handler()
		a.testtool = testtool.New(testtool.Options{BaseURL: root + testtool.Path, MaxBody: c.fhirBody(), Log: log, Send: toolSender(national)})
	}
	return a, nil
}

// plainFHIR hands requests to the REST API: with a path relative to the base and
// with the name of the door, in one copy of the request.
func plainFHIR(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		var below, rawBelow bool
		u.Path, below = strings.CutPrefix(u.Path, fhirPath)
		u.RawPath, rawBelow = strings.CutPrefix(u.RawPath, fhirPath)
		if !below || u.RawPath != "" && !rawBelow {
			http.NotFound(w, r)
			return
		}
		caller := bars.Caller{Door: "fhir", RequestID: clipHeader(r, "X-Request-Id"), Correlation: clipHeader(r, "X-Correlation-Id")}
		r = r.WithContext(bars.WithCaller(r.Context(), caller))
		r.URL = &u
		next.ServeHTTP(w, r)
	})
}

func clipHeader(r *http.Request, name string) string {
	if v := r.Header.Get(name); fhir.ValidUUID(v) {
		return v
	}
	return ""
}

// handler is the whole server.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(fhirPath, a.fhir)
	mux.Handle(fhirPath+"/", a.fhir)
	mux.Handle(nhs111Path, a.soap)
	mux.Handle(nhs111Path+"/", a.soap)
	mux.Handle("/report", a.soap)
	if a.dos != nil {
		mux.Handle(dosPath+"/", a.dos)
	}
	if a.national != nil {
		mux.Handle("/sandbox/bars/", a.national)
		mux.Handle(barssandbox.OAuthPath+"/", a.national)
		mux.Handle(testtool.Path+"/", a.testtool)
	}
	mux.HandleFunc("GET /healthz", a.health.Live)
	mux.HandleFunc("GET /readyz", a.health.Ready)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		a.urls(w)
	})
	routed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if belowFHIR(r) {
			a.fhir.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	bounded := httpx.LimitBodies(max(maxBodies, a.maxBody), a.maxBody, bodyWait, a.full("bodies"), routed)
	limited := httpx.Limit(maxUnderWay, a.full("requests"), httpx.Guard(a.refuse, bounded))
	return httpx.Log(a.log, a.routeOf(mux), a.metrics.http, a.beside(barsapi.EchoIDs(fhirPath, limited)))
}

// belowFHIR says whether the mux would hand a request to the FHIR door as it is:
// most are for it, and the mux takes its time. A path that the mux would clean,
// or with an escape that may hide a slash, is left to it.
func belowFHIR(r *http.Request) bool {
	path := r.URL.Path
	return strings.HasPrefix(path, fhirPath+"/") && r.URL.RawPath == "" && r.Method != http.MethodConnect &&
		!strings.Contains(path, "//") && !strings.Contains(path, "/.")
}

// refuse answers what never reaches its door: below the FHIR path with an
// OperationOutcome of the dialect that the request speaks.
func (a *app) refuse(w http.ResponseWriter, r *http.Request, status int, reason string) {
	if r.URL.Path != fhirPath && !strings.HasPrefix(r.URL.Path, fhirPath+"/") {
		httpx.Plainly(w, r, status, reason)
		return
	}
	kind := fhir.KindForbidden
	if status == http.StatusServiceUnavailable {
		kind = fhir.KindUnavailable
	}
	a.fhir.Refuse(w, r, fhir.NewOutcome(kind, "", reason))
}

// doorOf names the door of a path for log and metrics.
func doorOf(path string) string {
	switch {
	case strings.HasPrefix(path, fhirPath):
		return "fhir"
	case path == nhs111Path, strings.HasPrefix(path, nhs111Path+"/"), path == "/report":
		return "nhs111"
	case strings.HasPrefix(path, "/sandbox/"):
		return "sandbox"
	case path == "/healthz", path == "/readyz", path == metricsPath:
		return "health"
	}
	return "other"
}

// banner tells a newcomer what to try.
func (a *app) banner(w io.Writer, uri string, sample bool, loaded int) {
	fmt.Fprintf(w, "Onward %s is ready. Records are kept in %s.\n", version, uri)
	if sample {
		fmt.Fprintf(w, "Sandbox: sample services and schedules for %d days (%d resources new). Not for real patients.\n", sandbox.Days, loaded)
	}
	fmt.Fprintln(w)
	a.urls(w)
}

func (a *app) urls(w io.Writer) {
	base := a.root + fhirPath
	fmt.Fprintf(w, "What it can do        %s/metadata\n", base)
	fmt.Fprintf(w, "Free slots            %s/Slot?status=free&_count=3\n", base)
	fmt.Fprintf(w, "Sample services       %s/HealthcareService\n", base)
	fmt.Fprintf(w, "BaRS messages         POST %s/$process-message\n", base)
	fmt.Fprintf(w, "NHS 111 SOAP reports  POST %s/nhs111/report\n", a.root)
	fmt.Fprintf(w, "Their description     %s/nhs111/?wsdl\n", a.root)
	if a.national != nil {
		fmt.Fprintf(w, "Sandbox BaRS proxy    %s%s\n", a.root, barssandbox.ProxyPath)
		fmt.Fprintf(w, "Sandbox test tool     %s%s\n", a.root, testtool.Path)
	}
	fmt.Fprintf(w, "Health                %s/readyz\n", a.root)
}
