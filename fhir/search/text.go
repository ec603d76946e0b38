package search

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of an entry's value, in bytes.
const (
	maxValue = 512 // longer values are cut
	keptPart = 480 // what is left of them, and what a prefix search looks at
)

// Entries for :contains.
const (
	minNeedle   = 3 // letters
	maxSuffixes = 32
)

// cut shortens the value that starts at buf[from:] if it is too long.
func cut(buf []byte, from int) []byte {
	value := buf[from:]
	if len(value) <= maxValue {
		return buf
	}
	sum := sha256.Sum256(value)
	buf = append(buf[:from+wholeRunes(value, keptPart)], '#')
	return hex.AppendEncode(buf, sum[:8])
}

// wholeRunes is the largest length up to limit that splits no character.
func wholeRunes(value []byte, limit int) int {
	if len(value) <= limit {
		return len(value)
	}
	for limit > 0 && !utf8.RuneStart(value[limit]) {
		limit--
	}
	return limit
}

// Bounds of a part of an entry that other parts follow, in bytes.
const (
	maxPart    = 160
	keptOfPart = 128
)

// short is cut for such a part.
func short(s string) string {
	if len(s) <= maxPart {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return s[:wholeRunes([]byte(s), keptOfPart)] + "#" + hex.EncodeToString(sum[:8])
}

// entry joins a parameter's name, a separator and a value, cut if need be.
func entry(name, separator, value string) string {
	buf := make([]byte, 0, len(name)+len(separator)+len(value))
	buf = append(append(buf, name...), separator...)
	return string(cut(append(buf, value...), len(name)+1))
}

// prefixEntry is entry for a search by prefix.
func prefixEntry(name, separator, value string) string {
	return name + separator + value[:wholeRunes([]byte(value), keptPart)]
}

// normalise appends text in the form that strings are compared in: lower case,
// accents folded, runs of blanks as one, none at the ends.
func normalise(dst, text []byte) []byte {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			text = norm.NFD.Bytes(text)
			break
		}
	}
	start, blank := len(dst), false
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		i += size
		if unicode.IsSpace(r) {
			blank = true
			continue
		}
		if r >= 0x0300 && r <= 0x036F { // combining accents
			continue
		}
		if blank && len(dst) > start {
			dst = append(dst, ' ')
		}
		blank = false
		dst = appendFolded(dst, r)
	}
	return dst
}

// appendFolded writes a letter in lower case. Letters whose stroke isn't an
// accent to Unicode are folded to what people type for them.
func appendFolded(dst []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return append(dst, byte(r))
	}
	r = unicode.ToLower(r)
	switch r {
	case 'ß', 'ẞ':
		return append(dst, "ss"...)
	case 'æ':
		return append(dst, "ae"...)
	case 'œ':
		return append(dst, "oe"...)
	case 'ø':
		return append(dst, 'o')
	case 'ł':
		return append(dst, 'l')
	case 'đ', 'ð':
		return append(dst, 'd')
	case 'ς':
		r = 'σ'
	case 'ı':
		return append(dst, 'i')
	case '‘', '’', 'ʼ':
		return append(dst, '\'')
	case '‐', '‑', '–', '—':
		return append(dst, '-')
	}
	return utf8.AppendRune(dst, r)
}

// squeeze drops the blanks of normalised text.
func squeeze(text []byte) []byte {
	out := text[:0]
	for _, c := range text {
		if c != ' ' {
			out = append(out, c)
		}
	}
	return out
}

// isWordRune says whether a character belongs to a word of normalised text.
func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '\''
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}
