package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes are answered at once.
const maxScrapes = 4

// Page answers GET and HEAD with the metrics, in the form that the Accept header
// asks for. It answers peers on this machine only, whatever the headers say: refuse
// answers the others (403). What can't be collected is logged and left out.
func (r *Registry) Page(log *slog.Logger, refuse func(w http.ResponseWriter, r *http.Request, status int, reason string)) http.Handler {
	page := promhttp.HandlerFor(r.all, promhttp.HandlerOpts{
		ErrorLog: faults{log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackPeer(r.RemoteAddr) {
			refuse(w, r, http.StatusForbidden, "metrics are for this machine only")
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, r, http.StatusMethodNotAllowed, "metrics take GET and HEAD only")
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		page.ServeHTTP(w, r)
	})
}

// loopbackPeer says whether the other end of the connection, as net/http gives
// it, is on this machine.
func loopbackPeer(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// faults hands the page's faults, which name metrics and the connection, to the
// log.
type faults struct{ log *slog.Logger }

// maxFault bounds such a line in bytes.
const maxFault = 300

func (f faults) Println(v ...any) {
	text := fmt.Sprint(v...)
	f.log.Warn("the metrics could not all be written", "error", text[:min(len(text), maxFault)])
}
