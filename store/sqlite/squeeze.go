package sqlite

import (
	"bytes"
	"compress/flate"
	"io"
)

// Documents of aux repeat member names and addresses, and several of them come
// with every message, so longer ones are kept deflated. What is kept begins with
// squeezed where it is, with plain where the value itself begins with either, and
// is the value otherwise. Documents of kind meta are kept as they are.
const (
	plain    = 0x00
	squeezed = 0x01

	squeezeFrom = 512      // bytes: shorter ones gain little
	squeezeTo   = 64 << 10 // longer ones would hold up the writer
)

const errSqueezed = ownError("a document can't be read")

// squeezer makes values short and long again; one goroutine at a time.
type squeezer struct {
	out bytes.Buffer
	w   *flate.Writer
	r   io.ReadCloser
}

func (s *squeezer) short(val []byte) []byte {
	if len(val) >= squeezeFrom && len(val) <= squeezeTo {
		s.out.Reset()
		s.out.WriteByte(squeezed)
		if s.w == nil {
			s.w, _ = flate.NewWriter(&s.out, flate.BestSpeed) // fails at no known level
		} else {
			s.w.Reset(&s.out)
		}
		_, err := s.w.Write(val)
		if err == nil && s.w.Close() == nil && s.out.Len() < len(val) {
			return bytes.Clone(s.out.Bytes())
		}
	}
	if len(val) > 0 && (val[0] == plain || val[0] == squeezed) {
		return append([]byte{plain}, val...)
	}
	return val
}

func (s *squeezer) long(kept []byte) ([]byte, error) {
	if len(kept) == 0 || kept[0] != plain && kept[0] != squeezed {
		return kept, nil
	}
	if kept[0] == plain {
		return kept[1:], nil
	}
	in := bytes.NewReader(kept[1:])
	if s.r == nil {
		s.r = flate.NewReader(in)
	} else if err := s.r.(flate.Resetter).Reset(in, nil); err != nil {
		return nil, errSqueezed
	}
	val, err := io.ReadAll(io.LimitReader(s.r, squeezeTo+1))
	if err != nil || len(val) > squeezeTo {
		return nil, errSqueezed
	}
	return val, nil
}
