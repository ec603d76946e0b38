package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/internal/httpx"
)

// serveCommand holds the flags; docs/operations.md explains each.
type serveCommand struct {
	configFile   `embed:""`
	Check        bool `help:"Say whether the settings are good, files that they name included, and start nothing."`
	ShowSettings bool `name:"show-settings" help:"Print every setting and where it comes from, without passwords, and start nothing."`

	Listen     string `env:"ONWARD_LISTEN" default:"127.0.0.1:8080" help:"Address to listen on; loopback only while there is no authentication."`
	Store      string `env:"ONWARD_STORE" default:"sqlite:data/onward.db" help:"Where records are kept: sqlite:PATH, sqlite::memory: or mongodb://…; give a URI that holds a password by the environment."`
	Sync       string `env:"ONWARD_SYNC" enum:"full,normal" default:"full" help:"When SQLite syncs: full, at every commit; normal, so that a power cut may lose the last seconds of acknowledged writes (a crash of the program never does)."`
	BaseURL    string `env:"ONWARD_BASE_URL" name:"base-url" help:"Absolute URL that links begin with; default from --listen."`
	Sandbox    *bool  `env:"ONWARD_SANDBOX" negatable:"" help:"Load the sample services and schedules; on by default where neither --config nor --auth is given."`
	Auth       string `env:"ONWARD_AUTH" enum:"none" default:"none" help:"Authentication: none (loopback only)."`
	Dialect    string `env:"ONWARD_DIALECT" enum:"auto,bars" default:"auto" help:"What requests at /FHIR/R4 are held to: auto, to BaRS or plain FHIR by their headers; bars, all of them to BaRS."`
	BarsMode   string `env:"ONWARD_BARS_MODE" name:"bars-mode" enum:"strict,lenient" default:"strict" help:"How strictly BaRS senders are held to the standard."`
	NHS111Mode string `env:"ONWARD_NHS111_MODE" name:"nhs111-mode" enum:"strict,compat" default:"strict" help:"How the SOAP door checks: by the standard, or as the reference adaptor does."`
	MaxBody    int64  `env:"ONWARD_MAX_BODY" name:"max-body" default:"5242880" help:"Largest request body in bytes, at every door that has none of its own."`
	FHIRBody   int64  `env:"ONWARD_FHIR_MAX_BODY" name:"fhir-max-body" help:"Largest request body at /FHIR/R4, in bytes; default --max-body."`
	NHS111Body int64  `env:"ONWARD_NHS111_MAX_BODY" name:"nhs111-max-body" help:"Largest request body at the SOAP door, in bytes; default --max-body."`
	Profiles   string `env:"ONWARD_PROFILES" help:"Folder of StructureDefinitions, ValueSets and CodeSystems that $validate checks against."`
	Enforce    bool   `env:"ONWARD_ENFORCE_PROFILES" name:"enforce-profiles" help:"Refuse a write that breaks a profile of --profiles which it claims in meta.profile."`
	LogLevel   string `env:"ONWARD_LOG_LEVEL" name:"log-level" enum:"debug,info,warn,error" default:"info" help:"What the log on standard error holds."`

	SandboxApplication []string          `env:"ONWARD_SANDBOX_APPLICATION" name:"sandbox-application" help:"Registration files of applications (from onward keys generate) that may ask the sandbox for tokens; with one, the sandbox proxy demands a token."`
	SandboxRoute       map[string]string `env:"ONWARD_SANDBOX_ROUTE" name:"sandbox-route" mapsep:"," help:"Targets of the sandbox proxy, as target=URL with the receiver's base URL; comma-separated."`

	BarsReceive barsReceiving `embed:"" prefix:"bars-"`
	BarsSend    barsSending   `embed:"" prefix:"bars-"`
	NHS111Send  nhs111Sending `embed:"" prefix:"nhs111-"`
	DoS         dosAsking     `embed:"" prefix:"dos-"`

	SubscriptionAllow []string `env:"ONWARD_SUBSCRIPTION_ALLOW" name:"subscription-allow" help:"Hosts, addresses and networks that Subscriptions may notify besides public addresses over https; comma-separated."`

	NHS111ODS        []string          `env:"ONWARD_NHS111_ODS" name:"nhs111-ods" help:"ODS codes that the SOAP door takes messages for; with --nhs111-dos empty too, all that are hosted."`
	NHS111DoS        []string          `env:"ONWARD_NHS111_DOS" name:"nhs111-dos" help:"DoS service ids that the SOAP door takes messages for."`
	NHS111SOAPChecks bool              `env:"ONWARD_NHS111_SOAP_CHECKS" name:"nhs111-soap-checks" help:"Ask for To, Timestamp and Username in SOAP headers."`
	NHS111SendTo     string            `env:"ONWARD_NHS111_SEND_TO" name:"nhs111-send-to" help:"What wsa:To must be under --nhs111-soap-checks; default the door's own address."`
	NHS111Signers    string            `env:"ONWARD_NHS111_SIGNERS" name:"nhs111-signers" help:"PEM file of the authorities whose certificates may sign SOAP messages."`
	NHS111Clients    map[string]string `env:"ONWARD_NHS111_CLIENTS" name:"nhs111-client" joined:"+" help:"Which organisations the holder of a client certificate may speak for: common name=ODS, or =ODS+ODS."`
	NHS111Endpoints  map[string]string `env:"ONWARD_NHS111_ENDPOINTS" name:"nhs111-endpoint" help:"Where ITK acknowledgements to an organisation are posted: ODS=URL."`
	TLSCert          string            `env:"ONWARD_TLS_CERT" name:"tls-cert" help:"PEM file of the server's certificate chain; with --tls-key the server speaks https."`
	TLSKey           string            `env:"ONWARD_TLS_KEY" name:"tls-key" help:"PEM file of the certificate's key."`
	TLSClientCA      string            `env:"ONWARD_TLS_CLIENT_CA" name:"tls-client-ca" help:"PEM file of the authorities of client certificates; the SOAP door then needs one."`
}

// Bounds of the HTTP server.
const (
	maxUnderWay   = 512
	maxBodies     = 64 << 20 // bytes of request bodies in memory at once
	bodyWait      = 2 * time.Second
	headerTimeout = 10 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 30 * time.Second
	checkEvery    = time.Hour // and at the start
)

// gcBallast is how much garbage there may at least be before the collector runs,
// in bytes.
const gcBallast = 16 << 20

// Run serves until it is told to stop.
func (c *serveCommand) Run(given *settings) error {
	// What lives between requests is 3 MB, so the collector would run every few
	// hundred reads. This counts as living too, which makes it wait for as much
	// again. It is made first and never touched, so that the system gives no
	// memory for it.
	ballast := make([]byte, gcBallast)
	defer runtime.KeepAlive(ballast)
	if c.Sandbox == nil {
		on := sandboxByDefault(given.file != nil, given.isGiven("auth"), c.Listen)
		c.Sandbox = &on
	}
	if c.ShowSettings {
		given.show(os.Stdout)
		return nil
	}
	log := newLog(c.LogLevel)
	if given.file != nil {
		log.Info("a file of settings was read", "file", given.file.Name, "settings", given.file.Len())
	}
	set, err := c.prepare(log)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Check {
		_, err := fmt.Println("the settings are good")
		return err
	}
	ctx, stop := untilStopped()
	defer stop()

	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("can't listen on %s: %w", c.Listen, err)
	}
	defer listener.Close()
	kept, err := openStore(ctx, c.Store, opening{sync: c.Sync, log: log})
	if err != nil {
		return err
	}
	metrics := newMetrics()
	db := metrics.store(kept, log)
	if health, err := db.Health(ctx); err == nil {
		log.Info("the store is open", "engine", health.Engine, "schema", health.Schema, "survives", health.Durable)
		if health.Ahead.Abs() > clocksApart {
			log.Error("the clocks of this machine and of the database differ: Subscriptions may miss changes, and work that another process has be taken early; keep both by NTP", "ahead", health.Ahead)
		}
	}
	base := c.base(listener.Addr())
	soap, err := c.nhs111Options(base)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	national, err := c.standIns(db, base, set.stand, log)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	registry, err := c.registry(base, national)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	a, err := newApp(db, c, base, outside{soap: soap, profiles: set.profiles, reach: set.reach, sender: set.calls.patient, reports: set.reports,
		directory: set.directory, registry: registry, national: national, metrics: metrics}, log)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	a.tls = set.secure
	loaded := 0
	if c.sandbox() {
		if loaded, err = a.desk.Load(ctx, bars.Caller{Door: "sandbox"}, sandbox.Resources(time.Now())); err != nil {
			return errors.Join(fmt.Errorf("loading the sample services: %w", behind(err)), db.Close())
		}
	}
	a.banner(os.Stdout, storeName(c.Store), c.sandbox(), loaded)
	checked := make(chan struct{})
	go func() { defer close(checked); a.desk.Watch(ctx, checkEvery) }()
	beside := newWorkers(db, a.desk, set.reach, senders{messages: set.calls.once, registry: registry, reports: set.reports.sender, acks: c.ackSender()}, metrics, c.owner(), log)
	if a.testtool != nil {
		beside.more = append(beside.more, a.testtool.Run)
	}
	stopWorkers := beside.start()
	err = a.serve(ctx, listener)
	stopWorkers()
	stop()
	<-checked
	return errors.Join(err, db.Close())
}

// check refuses settings that would be unsafe.
func (c *serveCommand) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen must be host:port: %w", err)
	}
	if !httpx.LoopbackHost(host) {
		return errors.New("--listen: without authentication the server listens on a loopback address only, such as 127.0.0.1:8080")
	}
	if c.MaxBody < 1 || c.FHIRBody < 0 || c.NHS111Body < 0 {
		return errors.New("--max-body, --fhir-max-body and --nhs111-max-body must be above 0")
	}
	if c.BaseURL == "" {
		return nil
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("--base-url must be an absolute http or https URL")
	}
	if !httpx.LoopbackHost(u.Host) {
		return errors.New("--base-url: without authentication the server is for loopback only")
	}
	return nil
}

// sandbox says whether the sandbox is on; Run has decided it where nobody said.
func (c *serveCommand) sandbox() bool { return c.Sandbox == nil || *c.Sandbox }

// fhirBody and soapBody are the largest request bodies of the two doors, in bytes.
func (c *serveCommand) fhirBody() int64 { return cmp.Or(c.FHIRBody, c.MaxBody) }
func (c *serveCommand) soapBody() int64 { return cmp.Or(c.NHS111Body, c.MaxBody) }

func (c *serveCommand) base(addr net.Addr) string {
	if c.BaseURL != "" {
		return strings.TrimRight(c.BaseURL, "/")
	}
	if c.TLSCert != "" {
		return "https://" + addr.String()
	}
	return "http://" + addr.String()
}

// clocksApart is more than a process's clock may differ from the database's, so that
// those of two differ by less than the five seconds that the change feed allows.
const clocksApart = 2 * time.Second

// owner names this process among those that share the store. A file has one at
// a time, so the next takes over at once what a killed one held.
func (c *serveCommand) owner() string {
	if isMongo(c.Store) {
		return uuid.NewString()
	}
	return "the file's only process"
}

func newLog(level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // the flag's values are all levels
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}

// serve answers requests until ctx ends, then finishes those under way.
func (a *app) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() {
		if a.tls == nil {
			failed <- server.Serve(listener)
			return
		}
		server.TLSConfig = a.tls
		failed <- server.ServeTLS(listener, "", "")
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.log.Info("stopping: finishing the requests under way")
	a.health.Stop()
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	return server.Shutdown(drain)
}
