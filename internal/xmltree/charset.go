package xmltree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// charset is one of the encodings that the door reads.
type charset string

const (
	utf8Set    charset = "utf-8"
	utf16Set   charset = "utf-16"
	utf16LE    charset = "utf-16le"
	utf16BE    charset = "utf-16be"
	latin1     charset = "iso-8859-1"
	windows    charset = "windows-1252"
	unknownSet charset = ""
)

var (
	errCharset         = errors.New("the character encoding isn't supported; use UTF-8, UTF-16, ISO-8859-1 or windows-1252")
	errCharsetMismatch = errors.New("byte order mark, HTTP charset and XML declaration don't name the same character encoding")
	errEncoding        = errors.New("the text isn't valid in its character encoding")
)

// ToUTF8 finds the encoding by byte order mark, else HTTP charset parameter, else
// XML declaration (RFC 7303, section 3), and transcodes to UTF-8 without a mark.
// Mark and HTTP count for more than the declaration where that says UTF-16: senders
// write encoding="utf-16" into what they send as UTF-8. Other contradictions are refused, as is HTTP's word
// where bytes and declaration say UTF-8: one of them is wrong, and guessing would
// spoil names.
func ToUTF8(body []byte, httpCharset string) ([]byte, error) {
	set, rest := byteOrderMark(body)
	outer, ok := charsetNamed(httpCharset)
	if !ok {
		return nil, errCharset
	}
	if set == unknownSet {
		set = wideGuess(body)
	}
	marked := set != unknownSet
	if !marked {
		set = outer
	}
	if set == utf16Set {
		set = utf16BE // RFC 2781, section 4.3: without mark
	}
	declared, ok := charsetNamed(declaredCharset(rest, set))
	switch {
	case !ok:
		return nil, errCharset
	case set == unknownSet && isWide(declared): // it could be read as narrow characters
		return nil, errCharsetMismatch
	case set == unknownSet && declared != unknownSet:
		set = declared
	case set == unknownSet:
		set = utf8Set
	case marked && !(agrees(outer, set) && (agrees(declared, set) || set == utf8Set && isWide(declared))):
		return nil, errCharsetMismatch
	case !marked && !isWide(set) && set != utf8Set && declared == utf8Set && !ascii(rest) && utf8.Valid(rest):
		return nil, errCharsetMismatch
	}
	return transcode(rest, set)
}

func agrees(stated, used charset) bool {
	return stated == unknownSet || stated == used || stated == utf16Set && isWide(used)
}

func isWide(set charset) bool { return set == utf16Set || set == utf16LE || set == utf16BE }

func ascii(b []byte) bool {
	return bytes.IndexFunc(b, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func byteOrderMark(body []byte) (charset, []byte) {
	switch {
	case bytes.HasPrefix(body, []byte{0xEF, 0xBB, 0xBF}):
		return utf8Set, body[3:]
	case bytes.HasPrefix(body, []byte{0xFF, 0xFE}):
		return utf16LE, body[2:]
	case bytes.HasPrefix(body, []byte{0xFE, 0xFF}):
		return utf16BE, body[2:]
	}
	return unknownSet, body
}

// wideGuess sees UTF-16 without a mark by its first character "<".
func wideGuess(body []byte) charset {
	switch {
	case bytes.HasPrefix(body, []byte{'<', 0}):
		return utf16LE
	case bytes.HasPrefix(body, []byte{0, '<'}):
		return utf16BE
	}
	return unknownSet
}

func charsetNamed(name string) (charset, bool) {
	switch strings.ToLower(strings.Trim(strings.TrimSpace(name), `"'`)) {
	case "":
		return unknownSet, true
	case "utf-8", "utf8", "us-ascii", "ascii":
		return utf8Set, true
	case "utf-16":
		return utf16Set, true
	case "utf-16le":
		return utf16LE, true
	case "utf-16be":
		return utf16BE, true
	case "iso-8859-1", "latin1":
		return latin1, true
	case "windows-1252", "cp1252":
		return windows, true
	}
	return unknownSet, false
}

// declaredCharset reads the encoding of the XML declaration, "" without one.
func declaredCharset(body []byte, set charset) string {
	head := body[:min(len(body), 256)]
	if set == utf16LE || set == utf16BE {
		narrow := make([]byte, 0, len(head)/2)
		for i := 0; i+1 < len(head); i += 2 {
			narrow = append(narrow, head[i]|head[i+1])
		}
		head = narrow
	}
	if !bytes.HasPrefix(head, []byte("<?xml")) {
		return ""
	}
	declaration, _, found := bytes.Cut(head, []byte("?>"))
	if !found {
		return ""
	}
	_, value, found := bytes.Cut(declaration, []byte("encoding"))
	if !found {
		return ""
	}
	value = bytes.TrimLeft(value, " \t\r\n=")
	if len(value) == 0 {
		return ""
	}
	if end := bytes.IndexByte(value[1:], value[0]); end >= 0 {
		return string(value[1 : end+1])
	}
	return ""
}

func transcode(body []byte, set charset) ([]byte, error) {
	switch set {
	case utf8Set:
		if !utf8.Valid(body) {
			return nil, errEncoding
		}
		return body, nil
	case utf16LE:
		return fromUTF16(body, binary.LittleEndian)
	case utf16BE:
		return fromUTF16(body, binary.BigEndian)
	case latin1:
		return charmap.ISO8859_1.NewDecoder().Bytes(body)
	}
	return charmap.Windows1252.NewDecoder().Bytes(body)
}

// fromUTF16 refuses lone surrogates, which library decoders replace silently.
func fromUTF16(body []byte, order binary.ByteOrder) ([]byte, error) {
	if len(body)%2 != 0 {
		return nil, errEncoding
	}
	out := make([]byte, 0, len(body)/2)
	for i := 0; i < len(body); i += 2 {
		r := rune(order.Uint16(body[i:]))
		if utf16.IsSurrogate(r) {
			if i+3 >= len(body) {
				return nil, errEncoding
			}
			r = utf16.DecodeRune(r, rune(order.Uint16(body[i+2:])))
			if r == utf8.RuneError {
				return nil, errEncoding
			}
			i += 2
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}
