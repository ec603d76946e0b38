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
// An error of the writer below means that the client has gone: the rest is dropped.
type stream struct {
	reply
	w    http.ResponseWriter
	typ  string // of Content-Type
	kept []byte
	out  io.Writer // nil until the answer has begun
	zip  *gzip.Writer
	// buffer is where kept comes from.
	buffer *[]byte
	// lost: a write failed. HTTP/2 may still be reading what that was given (a
	// stream that its client resets), so no other answer may have these buffers.
	lost bool
}

func (s *stream) Write(b []byte) (int, error) {
	if s.lost {
		return len(b), nil
	}
	s.kept = append(s.kept, b...)
	if len(s.kept) > maxKept {
		s.flush()
	}
	return len(b), nil
}

// WriteString spares io.WriteString a copy.
func (s *stream) WriteString(text string) (int, error) {
	if !s.lost {
		s.kept = append(s.kept, text...) // flushed by the next Write, or by finish
	}
	return len(text), nil
}

func (s *stream) flush() {
	if s.out == nil {
		s.begin()
	}
	if _, err := s.out.Write(s.kept); err != nil {
		s.lost = true
		return
	}
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
	switch {
	case s.out == nil:
		s.lost = s.trySend(s.w, http.StatusOK, content{s.typ, s.kept}) != nil
	case !s.lost:
		s.flush()
	}
	if s.zip != nil {
		if err := s.zip.Close(); err != nil {
			s.lost = true
		} else {
			zippers.Put(s.zip)
		}
	}
	if !s.lost && cap(s.kept) <= maxBuffer {
		*s.buffer = s.kept
		buffers.Put(s.buffer)
	}
}
