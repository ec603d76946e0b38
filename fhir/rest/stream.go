package rest

import (
	"compress/gzip"
	"io"
	"net/http"
	"sync"
)

// maxKept is how many bytes of a stream are gathered before they go out.
const maxKept = 32 << 10

// buffers keeps what streams gather in for the next answer.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, maxKept+4<<10)
	return &b
}}

// maxBuffer is the largest that is kept, in bytes: one large entry makes it grow.
const maxBuffer = 4 * maxKept

// newStream starts an answer. Its end gives the buffer back.
func newStream(p reply, w http.ResponseWriter, typ string) *stream {
	b := buffers.Get().(*[]byte)
	return &stream{reply: p, w: w, typ: typ, kept: (*b)[:0], buffer: b}
}

// stream is an answer whose length isn't known beforehand. Nothing goes out
// before maxKept bytes are there, so that a short answer is sent as any other.
// Errors of the writer below mean that the client has gone; they are dropped.
type stream struct {
	reply
	w    http.ResponseWriter
	typ  string // of Content-Type
	kept []byte
	out  io.Writer // nil until the answer has begun
	zip  *gzip.Writer
	// buffer is where kept comes from.
	buffer *[]byte
}

func (s *stream) Write(b []byte) (int, error) {
	s.kept = append(s.kept, b...)
	if len(s.kept) > maxKept {
		s.flush()
	}
	return len(b), nil
}

// WriteString spares io.WriteString a copy.
func (s *stream) WriteString(text string) (int, error) {
	s.kept = append(s.kept, text...) // flushed by the next Write, or by finish
	return len(text), nil
}

func (s *stream) flush() {
	if s.out == nil {
		s.begin()
	}
	_, _ = s.out.Write(s.kept)
	s.kept = s.kept[:0]
}

func (s *stream) begin() {
	head := s.w.Header()
	head.Set("Content-Type", s.typ)
	vary(s.w)
	if s.gzip {
		head.Set("Content-Encoding", "gzip")
	}
	s.w.WriteHeader(http.StatusOK)
	switch {
	case s.head:
		s.out = io.Discard
	case s.gzip:
		s.zip = zip(s.w)
		s.out = s.zip
	default:
		s.out = s.w
	}
}

// finish sends what is left.
func (s *stream) finish() {
	if s.out == nil {
		s.send(s.w, http.StatusOK, content{s.typ, s.kept})
	} else {
		s.flush()
	}
	if s.zip != nil {
		_ = s.zip.Close()
		zippers.Put(s.zip)
	}
	if cap(s.kept) <= maxBuffer {
		*s.buffer = s.kept
		buffers.Put(s.buffer)
	}
}
