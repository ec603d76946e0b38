package sandbox

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/nhs"
)

func TestTheProxyPassesPathQueryAndBodyOnUnchanged(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t, routed(rec.url+"/base/FHIR/R4/"))
	h := with("Authorization:")
	got := sc.do("POST", "/$process-message?a=%2Bb&_include=Slot:schedule&start=ge1&start=le2", h, `{"resourceType":"Bundle"}`)
	require.Equal(t, 200, got.status, "%s", got.body)
	require.JSONEq(t, `{"resourceType":"Bundle","type":"message"}`, string(got.body))
	r, body := rec.seen()
	require.Equal(t, "/base/FHIR/R4/$process-message?a=%2Bb&_include=Slot:schedule&start=ge1&start=le2", r.RequestURI)
	require.Equal(t, "POST", r.Method)
	require.Equal(t, `{"resourceType":"Bundle"}`, body)
	for _, name := range []string{headerRequestID, headerCorrelation, headerTarget, headerOrganisation, "Accept"} {
		require.Equal(t, h.Get(name), r.Header.Get(name), name)
	}
	for _, name := range []string{headerRequestID, headerCorrelation} {
		require.Equal(t, h.Get(name), got.header.Get(name), "echoed")
	}
}

func TestTheProxyStripsOneClosingSlashOnly(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t, routed(rec.url+"/base//"))
	require.Equal(t, 200, sc.do("GET", "/Slot", headers(), "").status)
	r, _ := rec.seen()
	require.Equal(t, "/base//Slot", r.RequestURI)
}

func TestTheSendersCredentialsEndAtTheProxy(t *testing.T) {
	rec := newReceiver(t, ok)
	sc, client := registered(t, routed(rec.url))
	h := with("Authorization: Bearer "+client.token(sc), "apikey: x", "Cookie: x=y", "Connection: X-Hop", "X-Hop: 1")
	require.Equal(t, 200, sc.do("GET", "/Slot", h, "").status)
	r, _ := rec.seen()
	for _, name := range []string{"Authorization", "Apikey", "Cookie", "X-Hop", "Connection"} {
		require.Empty(t, r.Header.Get(name), name)
	}
}

// The rows of the live proxy's error repository.
func TestTheProxyRefusesAsTheNationalOneDoes(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t, routed(rec.url))
	for name, c := range map[string]struct {
		path        string
		headers     http.Header
		status      int
		code, issue string
		system      string
	}{
		"no request id":           {"/Slot", with("X-Request-Id:"), 400, "BAD_REQUEST", "invalid", systemErrors},
		"no correlation id":       {"/Slot", with("X-Correlation-Id:"), 400, "BAD_REQUEST", "invalid", systemErrors},
		"target absent":           {"/Slot", with(headerTarget + ":"), 400, "PROXY_BAD_REQUEST", "400", systemOperation},
		"target not Base64":       {"/Slot", with(headerTarget + ": %%%"), 400, "PROXY_BAD_REQUEST", "400", systemOperation},
		"target not JSON":         {"/Slot", with(headerTarget + ":" + base64JSON("x")), 400, "PROXY_BAD_REQUEST", "400", systemOperation},
		"target a text":           {"/Slot", with(headerTarget + ":" + base64JSON(`"x"`)), 400, "PROXY_BAD_REQUEST", "structure", systemOperation},
		"target without value":    {"/Slot", with(headerTarget + ":" + base64JSON(`{"system":"s"}`)), 400, "PROXY_BAD_REQUEST", "structure", systemOperation},
		"target without system":   {"/Slot", with(headerTarget + ":" + base64JSON(`{"value":"v","system":""}`)), 400, "PROXY_BAD_REQUEST", "structure", systemOperation},
		"target unknown":          {"/Slot", with(headerTarget + ":" + targetHeader(nhs.SystemDoS, "1")), 404, "PROXY_NOT_FOUND", "not-found", systemErrors},
		"metadata, wrong target":  {"/metadata", with(headerTarget + ":" + targetHeader(nhs.SystemDoS, "1")), 404, "PROXY_NOT_FOUND", "not-found", systemErrors},
		"pointers, no version":    {"/DocumentReference", with("Accept: application/fhir+json"), 406, "SEND_NOT_ACCEPTABLE", "processing", systemErrors},
		"pointers, version 1.0":   {"/DocumentReference/x", with("Accept: application/fhir+json; version=1.0.9"), 406, "SEND_NOT_ACCEPTABLE", "processing", systemErrors},
		"pointers, wrong version": {"/DocumentReference", with("Accept: application/fhir+json; version=new"), 406, "SEND_NOT_ACCEPTABLE", "processing", systemErrors},
		"bad token":               {"/Slot", with("Authorization: Bearer x"), 401, "SEND_UNAUTHORIZED", "security", systemErrors},
	} {
		t.Run(name, func(t *testing.T) {
			got := sc.do("GET", c.path, c.headers, "")
			require.Equal(t, c.status, got.status, "%s", got.body)
			code, issue := got.code(t)
			require.Equal(t, []string{c.code, c.issue}, []string{code, issue})
			coding := got.json(t).Get("issue", "details", "coding")
			require.Equal(t, c.system, coding.At(0).Get("system").Text())
			require.False(t, coding.At(0).Get("display").Exists())
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, c.headers.Get(headerRequestID), got.header.Get(headerRequestID))
			require.Equal(t, c.headers.Get(headerCorrelation), got.header.Get(headerCorrelation))
		})
	}
}

func TestTheHighestVersionInAcceptCounts(t *testing.T) {
	for accept, want := range map[string]int{
		"": 10000, "application/fhir+json": 10000, "application/fhir+json; version=1.1.0": 10100, "application/fhir+json;VERSION=1.4": 10400,
		"a/b; version=1.0.0, a/b; version=2.3.4": 20304, "a/b; version=x": 10000, "a/b; version=1.2.3.4": 10000, "a/b; version=-1": 10000,
		"application/fhir+json;": 10000,
	} {
		require.Equal(t, want, acceptVersion(http.Header{"Accept": {accept}}), accept)
	}
}

func TestTheProxyWordsWhatAReceiverFailsAt(t *testing.T) {
	outcome := func(issue string) string {
		return `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + issue + `"}]}`
	}
	rows := map[string]struct {
		status      int
		body        string
		want        int
		code, issue string // "" : passed through
	}{
		"403":                      {403, outcome("security"), 403, "REC_FORBIDDEN", "forbidden"},
		"503 with an outcome":      {503, outcome("exception"), 503, "REC_SERVICE_UNAVAILABLE", "transient"},
		"503 without":              {503, "", 503, "REC_SERVICE_UNAVAILABLE", "transient"},
		"500 without an outcome":   {500, "oh", 500, "REC_SERVER_ERROR", "exception"},
		"500 without a body":       {500, "", 500, "REC_SERVER_ERROR", "exception"},
		"500 that could not store": {500, outcome("no-store"), 500, "REC_SERVER_ERROR", "no-store"},
		"500 with an outcome":      {500, outcome("transient"), 500, "", "transient"},
		"504":                      {504, "", 408, "REC_TIMEOUT", "timeout"},
		"400":                      {400, outcome("invariant"), 400, "", "invariant"},
		"409":                      {409, outcome("duplicate"), 409, "", "duplicate"},
		"425":                      {425, outcome("duplicate"), 425, "", "duplicate"},
	}
	rec := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		c := rows[r.Header.Get("X-Row")]
		w.Header().Set("Content-Type", "application/fhir+json")
		w.WriteHeader(c.status)
		_, _ = io.WriteString(w, c.body)
	})
	sc := newScene(t, routed(rec.url))
	for name, c := range rows {
		t.Run(name, func(t *testing.T) {
			got := sc.do("GET", "/Slot", with("X-Row: "+name), "")
			require.Equal(t, c.want, got.status)
			code, issue := got.code(t)
			require.Equal(t, []string{c.code, c.issue}, []string{code, issue})
			if c.code == "" {
				require.Equal(t, c.body, string(got.body))
			}
		})
	}
}

func TestAnOutcomeInXMLIsKnownAsOne(t *testing.T) {
	h := http.Header{"Content-Type": {"application/fhir+xml; charset=utf-8"}}
	issue, found := firstIssue(h, []byte(`<OperationOutcome xmlns="http://hl7.org/fhir"><issue><code value="no-store"/></issue></OperationOutcome>`))
	require.True(t, found)
	require.Equal(t, "no-store", issue)
	_, found = firstIssue(h, []byte(`<html/>`))
	require.False(t, found)
}

func TestAReceiverThatIsNotThereIsUnavailable(t *testing.T) {
	sc := newScene(t, routed("http://127.0.0.1:1"))
	got := sc.do("GET", "/Slot", headers(), "")
	require.Equal(t, 503, got.status)
	code, issue := got.code(t)
	require.Equal(t, "REC_SERVICE_UNAVAILABLE transient", code+" "+issue)
	require.NotContains(t, string(got.body), "127.0.0.1")
}

func TestAReceiverThatTakesTooLongIs408(t *testing.T) {
	gate := make(chan struct{})
	rec := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-gate })
	defer close(gate)
	sc := newScene(t, routed(rec.url), func(o *Options) { o.Timeout = 50 * time.Millisecond })
	got := sc.do("GET", "/Slot", headers(), "")
	require.Equal(t, 408, got.status)
	code, issue := got.code(t)
	require.Equal(t, "REC_TIMEOUT timeout", code+" "+issue)
}

func TestTheProxyFollowsNoRedirect(t *testing.T) {
	rec := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
	})
	require.Equal(t, 302, newScene(t, routed(rec.url)).do("GET", "/Slot", headers(), "").status)
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t, routed(rec.url), func(o *Options) { o.MaxBody = 100 })
	require.Equal(t, 413, sc.do("POST", "/$process-message", headers(), strings.Repeat("x", 200)).status)
}

func TestAProxyThatIsItsOwnReceiverIsStopped(t *testing.T) {
	rec := newReceiver(t, ok)
	require.Equal(t, 503, newScene(t, routed(rec.url)).do("GET", "/Slot", with("Via: "+via), "").status)
	r, _ := rec.seen()
	require.Nil(t, r)
}

func TestMetadataWithoutATargetIsTheProxysOwnAndNeedsNothing(t *testing.T) {
	rec := newReceiver(t, ok)
	sc, _ := registered(t, routed(rec.url))
	got := sc.do("GET", "/metadata", nil, "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	statement := got.json(t)
	require.Equal(t, "CapabilityStatement 1.5.0", statement.Type()+" "+statement.Get("version").Text())
	require.Contains(t, statement.Get("title").Text(), "Sandbox")
	require.True(t, validate.Resource(statement, validate.Options{}).OK(), "%s", got.body)
	require.Equal(t, "OAuth", statement.Get("rest", "security", "service", "coding", "code").Text())
	require.Equal(t, root+ProxyPath, statement.Get("implementation", "url").Text())
	require.Equal(t, 2*len(bars.Definitions()), statement.Get("messaging", "supportedMessage").Len(), "each message, sent and received")
	for resource := range statement.Get("rest", "resource").Items() {
		require.Equal(t, resource.Get("type").Text() != "CapabilityStatement", resource.Get("searchParam").Exists(), resource.Get("type").Text())
	}
}

func TestMetadataWithATargetIsTheReceivers(t *testing.T) {
	rec := newReceiver(t, ok)
	require.JSONEq(t, `{"resourceType":"Bundle","type":"message"}`, string(newScene(t, routed(rec.url)).do("GET", "/metadata", headers(), "").body))
}

func TestLimitsAreOneForTheMinuteAndOneForTheSecond(t *testing.T) {
	rec := newReceiver(t, ok)
	sc := newScene(t, routed(rec.url), func(o *Options) { o.Quota, o.Spike = 3, 2 })
	ask := func() int { return sc.do("GET", "/Slot", headers(), "").status }
	require.Equal(t, []int{200, 200, 429}, []int{ask(), ask(), ask()}, "two a second")
	sc.at.add(time.Second)
	require.Equal(t, []int{200, 429}, []int{ask(), ask()}, "three a minute")
	got := sc.do("GET", "/Slot", headers(), "")
	code, issue := got.code(t)
	require.Equal(t, "PROXY_TOO_MANY_REQUESTS 429", code+" "+issue)
	require.Equal(t, "59", got.header.Get("Retry-After"), "the minute is full")
	sc.at.add(time.Minute)
	require.Equal(t, 200, ask())
}

func TestOneApplicationsQuotaIsNotAnothers(t *testing.T) {
	l := newLimiter(1, -1, func() time.Time { return time.Unix(0, 0) })
	require.Zero(t, l.take("a"))
	require.Equal(t, time.Minute, l.take("a"))
	require.Zero(t, l.take("b"))
}

func TestPingIsOpenAndStatusWantsAKey(t *testing.T) {
	sc := newScene(t)
	got := sc.do("GET", "/_ping", nil, "")
	require.Equal(t, 200, got.status)
	for _, name := range []string{"version", "revision", "releaseId", "commitId"} {
		require.NotEmpty(t, got.json(t).Get(name).Text(), name)
	}
	require.Equal(t, 401, sc.do("GET", "/_status", nil, "").status)
	require.Equal(t, 200, sc.do("GET", "/_status", with("apikey: x"), "").status)
	require.Equal(t, 405, sc.do("POST", "/_status", with("apikey: x"), "{}").status)
	sc, client := registered(t)
	require.Equal(t, 401, sc.do("GET", "/_status", with("apikey: x"), "").status)
	require.Equal(t, 200, sc.do("HEAD", "/_status", with("apikey: "+client.id), "").status)
}

func TestABrowserMayAsk(t *testing.T) {
	got := newScene(t).do("OPTIONS", "/Slot", with("Origin: http://localhost:3000", "Access-Control-Request-Method: GET"), "")
	require.Equal(t, 200, got.status)
	require.Equal(t, "http://localhost:3000", got.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "3628800", got.header.Get("Access-Control-Max-Age"))
}

func FuzzTargetHeader(f *testing.F) {
	for _, seed := range []string{"", "%%%", base64JSON(`{"system":"s","value":"v"}`), base64JSON(`[]`), base64JSON(`{"system":{}}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := readTarget(text)
		require.Equal(t, err == nil, id.System != "" && id.Value != "")
	})
}
