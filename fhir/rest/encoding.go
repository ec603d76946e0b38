package rest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

// minGzip is the size in bytes from which on compressing pays.
const minGzip = 1 << 10

// zippers keeps compressors for the next answer: making one costs more memory
// than most answers.
var zippers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}}

// zip starts compressing into w. The caller closes it and gives it back with
// zippers.Put.
func zip(w io.Writer) *gzip.Writer {
	z := zippers.Get().(*gzip.Writer)
	z.Reset(w)
	return z
}

func zipped(body []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(body) / 4) // what FHIR comes to, about
	z := zip(&out)
	_, _ = z.Write(body) // a Buffer takes everything
	_ = z.Close()
	zippers.Put(z)
	return out.Bytes()
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3). A coding that is named
// goes before "*", and gzip is used unless no coding at all is liked better.
// Where nothing fits, the answer goes out plain, as the RFC says.
func takesGzip(values []string) bool {
	text := strings.Join(values, ",")
	if len(text) > maxAccept {
		return false
	}
	if text == "gzip" { // most clients
		return true
	}
	var gzipQ, identityQ, anyQ float64
	named := false
	for _, item := range splitList(text) {
		name, params, _ := strings.Cut(item, ";")
		q, ok := 1.0, true
		if strings.Trim(params, " \t") != "" {
			key, value, _ := strings.Cut(params, "=")
			q, ok = quality(strings.Trim(value, " \t"))
			ok = ok && strings.EqualFold(strings.Trim(key, " \t"), "q")
		}
		if !ok {
			continue
		}
		switch codingName(name) {
		case "gzip":
			gzipQ, named = q, true
		case "identity":
			identityQ = q
		case "*":
			anyQ = q
		}
	}
	if !named {
		gzipQ = anyQ
	}
	return gzipQ > 0 && gzipQ >= identityQ
}

// codingName knows the old name of gzip (RFC 9110, 8.4.1.3).
func codingName(text string) string {
	name := strings.ToLower(strings.Trim(text, " \t"))
	if name == "x-gzip" {
		return "gzip"
	}
	return name
}

// bodyGzip says whether the request's body is compressed. Any coding other than
// gzip, and gzip more than once, is refused; the header Accept-Encoding of the
// answer says what is taken (RFC 9110, 15.5.16).
func bodyGzip(w http.ResponseWriter, r *http.Request) (bool, error) {
	codings := splitList(strings.Join(r.Header.Values("Content-Encoding"), ","))
	compressed := false
	for _, item := range codings {
		switch name := codingName(item); {
		case name == "identity":
		case name == "gzip" && !compressed:
			compressed = true
		default:
			w.Header().Set("Accept-Encoding", "gzip")
			return false, mediaType("the body's Content-Encoding must be gzip, once, or none")
		}
	}
	return compressed, nil
}

// inflate reads a compressed body of at most limit bytes, compressed and
// decompressed.
func inflate(from io.Reader, into *bytes.Buffer, limit int64) error {
	z, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	n, err := into.ReadFrom(io.LimitReader(z, limit+1))
	if n > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	return err
}
