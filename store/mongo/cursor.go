package mongo

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/onward-health/onward/store"
)

// maxCursor bounds what a caller can make us decode.
const maxCursor = 16 << 10

// mark is where a page ended: the last record's sort values and key. Query is
// the hash of what was asked, so that a cursor can't be used for another list.
type mark struct {
	Query []byte  `json:"q"`
	Keys  []value `json:"k,omitempty"`
	Type  string  `json:"t,omitempty"` // history only
	ID    string  `json:"i"`
	Ver   int64   `json:"v,omitempty"` // history only
	Seen  []byte  `json:"s,omitempty"` // positions of the change feed only
}

// value is one sort value: a number, a text, or none.
type value struct {
	N *int64 `json:"n,omitempty"`
	S []byte `json:"s"` // bytes, because a cut text need not be valid UTF-8; nil is none, "" isn't
}

// sealer makes cursors opaque: a sort value may be a name, and cursors travel in
// URLs. The HMAC of the content is both its seal and the start value of its
// encryption, so that equal pages have equal cursors.
type sealer struct {
	mac   []byte
	block cipher.Block
}

func newSealer(key []byte) (sealer, error) {
	if len(key) != 64 {
		return sealer{}, &DriverError{Doing: "read the cursor key"}
	}
	block, err := aes.NewCipher(key[32:])
	return sealer{key[:32], block}, err
}

func (s sealer) close(m mark) string {
	plain, err := json.Marshal(m)
	if err != nil {
		return "" // numbers, bytes and ASCII ids always encode
	}
	tag := s.tag(plain)
	out := append([]byte{}, tag...)
	out = append(out, s.crypt(tag, plain)...)
	return base64.RawURLEncoding.EncodeToString(out)
}

// open gives the mark back if the cursor is ours and for this query.
func (s sealer) open(cursor string, query []byte) (*mark, error) {
	return s.openUpTo(maxCursor, cursor, query)
}

func (s sealer) openUpTo(most int, cursor string, query []byte) (*mark, error) {
	if len(cursor) > most {
		return nil, store.ErrCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(sealed) < aes.BlockSize {
		return nil, store.ErrCursor
	}
	tag := sealed[:aes.BlockSize]
	plain := s.crypt(tag, sealed[aes.BlockSize:])
	if !hmac.Equal(tag, s.tag(plain)) {
		return nil, store.ErrCursor
	}
	var m mark
	if err := json.Unmarshal(plain, &m); err != nil || !bytes.Equal(m.Query, query) {
		return nil, store.ErrCursor
	}
	return &m, nil
}

func (s sealer) tag(plain []byte) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write(plain)
	return h.Sum(nil)[:aes.BlockSize]
}

func (s sealer) crypt(iv, in []byte) []byte {
	out := make([]byte, len(in))
	cipher.NewCTR(s.block, iv).XORKeyStream(out, in)
	return out
}
