package validate

import "bytes"

// The functions of this file say whether a text is of a primitive's form. They
// follow the regular expressions of R4 datatypes.html, and the sentences beside
// them where those say more.

// isSpace is the white space of R4's regular expressions.
func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

func validURI(s []byte) bool {
	for _, b := range s {
		if b <= ' ' || b == 0x7F {
			return false
		}
	}
	return true
}

func validCode(s []byte) bool {
	if isSpace(s[0]) || isSpace(s[len(s)-1]) {
		return false
	}
	for i, b := range s {
		if b < ' ' || b == ' ' && s[i+1] == ' ' {
			return false
		}
	}
	return true
}

func validID(s []byte) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, b := range s {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		if !letter && !isDigit(b) && b != '-' && b != '.' {
			return false
		}
	}
	return true
}

func validUUID(s []byte) bool {
	digits, ok := bytes.CutPrefix(s, []byte("urn:uuid:"))
	if !ok || len(digits) != 36 {
		return false
	}
	for i, b := range digits {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if b != '-' {
				return false
			}
		} else if !isDigit(b) && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}

func validOID(s []byte) bool {
	rest, ok := bytes.CutPrefix(s, []byte("urn:oid:"))
	if !ok || len(rest) < 3 || rest[0] > '2' || rest[0] < '0' || rest[1] != '.' {
		return false
	}
	for rest = rest[1:]; len(rest) > 0; {
		end := 1
		for end < len(rest) && isDigit(rest[end]) {
			end++
		}
		if rest[0] != '.' || end == 1 || rest[1] == '0' && end > 2 {
			return false
		}
		rest = rest[end:]
	}
	return true
}

func validTime(s []byte) bool {
	var m moment
	return m.clock(s) == len(s)
}

func validDate(s []byte) bool {
	m, ok := parseMoment(s)
	return ok && m.precision <= dayPrecision
}

func validDateTime(s []byte) bool {
	_, ok := parseMoment(s)
	return ok
}

func validInstant(s []byte) bool {
	m, ok := parseMoment(s)
	return ok && m.precision == secondPrecision
}

// base64Digit holds 1 for the 64 characters of base64.
var base64Digit = func() (table [256]uint8) {
	for _, b := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		table[b] = 1
	}
	return table
}()

// validBase64 takes white space between groups of four.
func validBase64(s []byte) bool {
	count, padding := 0, 0
	for _, b := range s {
		switch {
		case base64Digit[b] == 1 && padding == 0:
			count++
		case b == '=' && count > 0:
			padding++
		case isSpace(b) && (count+padding)%4 == 0:
		default:
			return false
		}
	}
	return count > 0 && padding <= 2 && (count+padding)%4 == 0
}
