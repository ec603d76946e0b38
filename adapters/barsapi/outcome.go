package barsapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
)

// systemErrors is printed with a small s in nearly all published outcomes
// (design D6).
const (
	systemErrors   = "https://fhir.nhs.uk/Codesystem/http-error-codes"
	profileOutcome = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"
)

// style writes an Outcome as the standard's OperationOutcome; the prefix is REC
// because we are the receiver.
func (s *server) style() rest.Style {
	return rest.Style{
		Row: func(row fhir.KindRow) (int, string) { return row.BaRSStatus, row.BaRSIssue },
		Details: func(row fhir.KindRow) *fhir.Object {
			code := "REC_" + row.Word
			if row.BaRSStatus == http.StatusServiceUnavailable && s.o.ServiceUnavailable {
				code = "REC_SERVICE_UNAVAILABLE"
			}
			return fhir.Obj("coding", []*fhir.Object{fhir.Obj(
				"system", systemErrors, "code", code, "display", strconv.Itoa(row.BaRSStatus)+" - "+code)})
		},
		Head: func(o *fhir.Object) {
			o.Set("id", s.o.NewID()).Set("meta", fhir.Obj("profile", []string{profileOutcome}))
		},
	}
}

// refuse renders an error in the standard's dialect.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.refuseAs(w, r, err, s.style())
}

// refusePlain renders an error in plain FHIR.
func (s *server) refusePlain(w http.ResponseWriter, r *http.Request, err error) {
	s.refuseAs(w, r, err, rest.Plain)
}

func (s *server) refuseAs(w http.ResponseWriter, r *http.Request, err error, style rest.Style) {
	o := fhir.AsOutcome(err)
	if o.Kind == fhir.KindException {
		s.o.Log.Error("unexpected fault", "door", "bars", "request", r.Header.Get(headerRequestID), "error", o.Cause)
	}
	echo(w.Header(), r)
	w.Header().Set("Cache-Control", "no-store")
	rest.WriteOutcomeTo(w, r, o, style)
}

// write sends a resource, JSON or XML as the request asks, with both transaction
// ids echoed; version is what the Content-Type of JSON says of the API's version.
// An error means that nothing was written.
func (s *server) write(w http.ResponseWriter, r *http.Request, status int, res *fhir.Resource, version string) error {
	echo(w.Header(), r)
	w.Header().Set("Cache-Control", "no-store")
	return rest.WriteResourceAs(w, r, status, res, version)
}

func (s *server) writeJSON(w http.ResponseWriter, status int, res *fhir.Resource) {
	w.Header().Set("Content-Type", rest.ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(res.JSON())))
	w.WriteHeader(status)
	_, _ = w.Write(res.JSON()) // a caller that has gone can't be told
}

// EchoIDs sends both transaction ids back with whatever is answered below a path,
// so that a refusal by what stands before the door has them too.
func EchoIDs(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path) {
			echo(w.Header(), r)
		}
		next.ServeHTTP(w, r)
	})
}

// echo returns the transaction ids verbatim, where they can be a header.
func echo(h http.Header, r *http.Request) {
	for _, name := range []string{headerRequestID, headerCorrelation} {
		if v := r.Header.Get(name); v != "" && len(v) <= 256 {
			h.Set(name, v)
		}
	}
}
