package barsapi

import (
	"encoding/json"
	"net/http"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// health answers /_ping and /_status, which need none of the standard's headers:
// _ping is open, _status asks for an apikey, as the API platform's do. While there
// are no keys, any will do.
func (s *server) health(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method == http.MethodOptions:
		answerOptions(w, r, []string{http.MethodGet, http.MethodHead, http.MethodOptions})
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		o := fhir.NewOutcome(fhir.KindMethod, "", "this path takes GET, HEAD only")
		o.Allow = []string{http.MethodGet, http.MethodHead}
		rest.WriteOutcomeTo(w, r, o, s.style())
		return
	case path == "/_status" && r.Header.Get("apikey") == "":
		rest.WriteOutcomeTo(w, r, fhir.NewOutcome(fhir.KindUnauthorized, "", "the header apikey is missing"), s.style())
		return
	}
	status, page := http.StatusOK, map[string]any{"version": s.o.Version, "revision": "", "releaseId": "", "commitId": ""}
	if path == "/_status" {
		page["status"] = "pass"
		if s.o.Healthy != nil && s.o.Healthy(r.Context()) != nil {
			status, page["status"] = http.StatusServiceUnavailable, "fail"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(page) // the caller may have gone
	}
}
