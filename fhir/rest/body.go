package rest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/onward-health/onward/fhir"
)

// firstBuffer is what is set aside for a body on the word of its Content-Length.
const firstBuffer = 64 << 10

// readBody reads a body of at most limit bytes and not a byte further.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(w)
	}
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(min(r.ContentLength, firstBuffer)) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(w)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fhir.NewOutcome(fhir.KindTimeout, "", "the body did not arrive in time").Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the body is shorter than its headers say").Because(err)
	case err != nil:
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the body could not be read to its end").Because(err)
	}
	return buffer.Bytes(), nil
}

// tooLarge also closes the connection, for else net/http would read on to reach
// the next request.
func tooLarge(w http.ResponseWriter) *fhir.Outcome {
	w.Header().Set("Connection", "close")
	return fhir.NewOutcome(fhir.KindTooLarge, "", "the body is larger than this server takes")
}

// resource reads the request's body as a resource of the type in the path.
func (h *Handler) resource(w http.ResponseWriter, r *http.Request, typ string) (*fhir.Resource, error) {
	if err := checkJSONBody(r.Header); err != nil {
		return nil, err
	}
	body, err := readBody(w, r, h.o.MaxBody)
	if err != nil {
		return nil, err
	}
	res, err := fhir.Parse(body)
	if err != nil {
		return nil, err
	}
	switch name := res.Root().Get("resourceType"); {
	case name.Kind() != fhir.StringKind:
		return nil, fhir.NewOutcome(fhir.KindStructure, "resourceType", "resourceType must be there and be a string")
	case name.Text() != typ:
		return nil, fhir.NewOutcome(fhir.KindInvalid, "resourceType", "resourceType must equal the type in the path")
	}
	return res, nil
}
