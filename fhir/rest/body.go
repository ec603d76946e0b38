package rest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/fhirxml"
)

// firstBuffer is what is set aside for a body on the word of its Content-Length.
const firstBuffer = 64 << 10

// readBody reads a body of at most limit bytes and not a byte further. A body
// in gzip is decompressed, and the limit then holds for both of its sizes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	compressed, err := bodyGzip(w, r)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(w, limit)
	}
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(min(r.ContentLength, firstBuffer)) + bytes.MinRead)
	}
	wire := http.MaxBytesReader(w, r.Body, limit)
	if compressed {
		err = inflate(wire, &buffer, limit)
	} else {
		_, err = buffer.ReadFrom(wire)
	}
	if err != nil {
		return nil, readFault(w, limit, err)
	}
	return buffer.Bytes(), nil
}

// readFault says why a body could not be read.
func readFault(w http.ResponseWriter, limit int64, err error) *fhir.Outcome {
	var over *http.MaxBytesError
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &over):
		return tooLarge(w, limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fhir.NewOutcome(fhir.KindTimeout, "", "the body did not arrive in time").Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fhir.NewOutcome(fhir.KindInvalid, "", "the body is shorter than its headers say").Because(err)
	case errors.As(err, &corrupt), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.EOF):
		return fhir.NewOutcome(fhir.KindInvalid, "", "the body is not valid gzip, as its Content-Encoding says it is").Because(err)
	}
	return fhir.NewOutcome(fhir.KindInvalid, "", "the body could not be read to its end").Because(err)
}

// tooLarge also closes the connection, for else net/http would read on to reach
// the next request.
func tooLarge(w http.ResponseWriter, limit int64) *fhir.Outcome {
	w.Header().Set("Connection", "close")
	return fhir.NewOutcome(fhir.KindTooLarge, "", "the body is larger than "+strconv.FormatInt(limit, 10)+" bytes, the most that this server takes")
}

// ReadResource reads a request's body, JSON or XML by its Content-Type and
// perhaps in gzip, as a resource. max bounds its bytes, both as sent and
// decompressed. raw is the body as it was written, after decompression and
// before any conversion: what a hash of the request should cover. The error is
// an Outcome: KindMediaType, KindTooLarge, or what is wrong with the body,
// with the element's path.
func ReadResource(w http.ResponseWriter, r *http.Request, max int64) (res *fhir.Resource, raw []byte, err error) {
	return readResource(w, r, max, replyOf(w, r).tables)
}

// ReadResourceInAnyOrder is ReadResource for callers that take XML whose elements
// aren't in the order of their definition. misplaced are the paths of those.
func ReadResourceInAnyOrder(w http.ResponseWriter, r *http.Request, max int64) (res *fhir.Resource, raw []byte, misplaced []string, err error) {
	res, raw, err = readBodyAs(w, r, max, func(xml []byte) (read *fhir.Resource, err error) {
		read, misplaced, err = fhirxml.ToJSONInAnyOrder(xml, replyOf(w, r).tables)
		return read, err
	})
	return res, raw, misplaced, err
}

func readResource(w http.ResponseWriter, r *http.Request, limit int64, tables *def.Tables) (*fhir.Resource, []byte, error) {
	return readBodyAs(w, r, limit, func(xml []byte) (*fhir.Resource, error) { return fhirxml.ToJSON(xml, tables) })
}

func readBodyAs(w http.ResponseWriter, r *http.Request, limit int64, toJSON func([]byte) (*fhir.Resource, error)) (*fhir.Resource, []byte, error) {
	format, err := bodyFormat(r.Header)
	if err != nil {
		return nil, nil, err
	}
	raw, err := readBody(w, r, limit)
	if err != nil {
		return nil, nil, err
	}
	if format == inJSON {
		res, err := fhir.Parse(raw)
		return res, raw, err
	}
	res, err := toJSON(raw)
	if err != nil {
		return nil, raw, err
	}
	if int64(len(res.JSON())) > limit { // escapes and null make JSON the longer one
		return nil, raw, tooLarge(w, limit)
	}
	return res, raw, nil
}

// resource reads the request's body as a resource of the type in the path.
func (h *Handler) resource(w http.ResponseWriter, r *http.Request, typ string) (*fhir.Resource, error) {
	res, _, err := readResource(w, r, h.o.MaxBody, h.o.Tables)
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
