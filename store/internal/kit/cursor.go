package kit

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/onward-health/onward/store"
)

// maxCursor bounds what a caller can make us decode. It has room for the longest
// values of as many sort parameters as a query may have, in base 64 twice.
const maxCursor = 64 << 10

// Mark is where a page ended: the last record's sort values and key. Query is
// the hash of what was asked, so that a cursor can't be used for another list.
type Mark struct {
	Query []byte  `json:"q"`
	Keys  []Value `json:"k,omitempty"`
	Type  string  `json:"t,omitempty"` // history only
	ID    string  `json:"i"`
	Ver   int64   `json:"v,omitempty"` // history only
	Seen  []byte  `json:"s,omitempty"` // positions of the change feed only
}

// Value is one sort value: a number, a text, or none.
type Value struct {
	N *int64 `json:"n,omitempty"`
	S []byte `json:"s"` // bytes, because a cut text need not be valid UTF-8; nil is none, "" isn't
}

// None says that there is no value.
func (v Value) None() bool { return v.N == nil && v.S == nil }

// Sealer makes cursors opaque: a sort value may be a name, and cursors travel in
// URLs. The HMAC of the content is both its seal and the start value of its
// encryption, so that equal pages have equal cursors.
type Sealer struct {
	mac   []byte
	block cipher.Block
}

// KeySize is the length of a Sealer's key in bytes.
const KeySize = 64

// NewSealer takes the key that the store keeps.
func NewSealer(key []byte) (Sealer, error) {
	if len(key) != KeySize {
		return Sealer{}, errors.New("store: the cursor key isn't one")
	}
	block, err := aes.NewCipher(key[32:])
	return Sealer{key[:32], block}, err
}

// Close makes the text of a mark.
func (s Sealer) Close(m Mark) string {
	plain, err := json.Marshal(m)
	if err != nil {
		return "" // numbers, bytes and ASCII ids always encode
	}
	tag := s.tag(plain)
	out := append([]byte{}, tag...)
	out = append(out, s.crypt(tag, plain)...)
	return base64.RawURLEncoding.EncodeToString(out)
}

// Open gives the mark back if the cursor is ours and for this query.
func (s Sealer) Open(cursor string, query []byte) (*Mark, error) {
	return s.OpenUpTo(maxCursor, cursor, query)
}

// OpenUpTo is Open for texts of more bytes.
func (s Sealer) OpenUpTo(most int, cursor string, query []byte) (*Mark, error) {
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
	var m Mark
	if err := json.Unmarshal(plain, &m); err != nil || !bytes.Equal(m.Query, query) {
		return nil, store.ErrCursor
	}
	return &m, nil
}

func (s Sealer) tag(plain []byte) []byte {
	h := hmac.New(sha256.New, s.mac)
	h.Write(plain)
	return h.Sum(nil)[:aes.BlockSize]
}

func (s Sealer) crypt(iv, in []byte) []byte {
	out := make([]byte, len(in))
	cipher.NewCTR(s.block, iv).XORKeyStream(out, in)
	return out
}
