package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
)

// A read allocates what the store does and a bounded number of pieces beside
// it: a copy of the request with its URL and caller, three wrapped writers, the
// stamped body, the values of headers.
func TestAReadAllocatesLittleBesideTheStore(t *testing.T) {
	in := startInside(t)
	slot := in.firstSlot(t)
	a := &nowhere{header: http.Header{}}
	read := insideRequest(t, "GET", "/FHIR/R4/Slot/"+slot, nil)
	require.Equal(t, http.StatusOK, in.asked(read, a))
	require.Positive(t, a.n)
	whole := testing.AllocsPerRun(500, func() { in.asked(read, a) })
	alone := testing.AllocsPerRun(500, func() { _, _ = in.db.Get(t.Context(), store.Ref{Type: "Slot", ID: slot}) })
	require.LessOrEqual(t, whole-alone, 16.0, "of %v", whole)
}

// What goes by the mux must be what the mux would have handed on unchanged.
func TestOnlyCleanPathsBelowTheFHIRDoorGoByTheMux(t *testing.T) {
	var handed string
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc(fhirPath+"/", func(_ http.ResponseWriter, r *http.Request) { handed = r.URL.EscapedPath() })
	for path, by := range map[string]bool{
		"/": true, "/Slot/1": true, "/Slot/": true, "/Patient/1/$everything": true, "/Slot/a.b": true, "/Slot/a%20b": true,
		"": false, "//Slot": false, "/Slot//1": false, "/./Slot": false, "/../Slot": false, "/Slot/..": false, "/Slot/a%2Fb": false, "/%2e%2e/Slot": false,
	} {
		r := httptest.NewRequest("GET", fhirPath+path, nil)
		require.Equal(t, by, belowFHIR(r), path)
		if handed = ""; by {
			mux.ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, fhirPath+path, handed)
		}
	}
	require.False(t, belowFHIR(httptest.NewRequest("GET", "/FHIR/R4x/Slot", nil)))
	require.False(t, belowFHIR(httptest.NewRequest("GET", "/healthz", nil)))
}

func TestADoubledSlashIsStillRedirected(t *testing.T) {
	in := startInside(t)
	w := httptest.NewRecorder()
	in.handler.ServeHTTP(w, insideRequest(t, "GET", fhirPath+"//Slot/1?_format=json", nil))
	require.Equal(t, http.StatusTemporaryRedirect, w.Code)
	require.Equal(t, fhirPath+"/Slot/1?_format=json", w.Header().Get("Location"))
}
