package validate

import (
	"bytes"
	"strings"
)

// decimal is a JSON number taken apart, so that numbers of any size compare
// exactly and a huge exponent costs nothing.
type decimal struct {
	negative bool
	digits   string // without zeros in front or behind; "" is zero
	point    int    // the number is 0.digits times 10 to this power
}

// maxExponent is where exponents stop counting, far beyond any quantity.
const maxExponent = 1 << 30

func parseDecimal(raw []byte) decimal {
	mantissa, exponent, _ := bytes.Cut(bytes.ToLower(raw), []byte{'e'})
	mantissa, negative := bytes.CutPrefix(mantissa, []byte{'-'})
	whole, fraction, _ := bytes.Cut(mantissa, []byte{'.'})
	digits := string(whole) + string(fraction)
	point := len(whole) + parseExponent(exponent)
	trimmed := strings.TrimLeft(digits, "0")
	point -= len(digits) - len(trimmed)
	return decimal{negative, strings.TrimRight(trimmed, "0"), point}
}

func parseExponent(text []byte) int {
	text = bytes.TrimPrefix(text, []byte{'+'})
	text, negative := bytes.CutPrefix(text, []byte{'-'})
	n := 0
	for _, b := range text {
		n = min(n*10+int(b-'0'), maxExponent)
	}
	if negative {
		return -n
	}
	return n
}

// sign is -1, 0 or 1 for a JSON number below, at or above zero.
func sign(raw []byte) int {
	for _, b := range raw {
		switch {
		case b >= '1' && b <= '9':
			if raw[0] == '-' {
				return -1
			}
			return 1
		case b == 'e' || b == 'E':
			return 0
		}
	}
	return 0
}

// hasPoint says whether a number is written with a decimal point.
func hasPoint(raw []byte) bool { return bytes.IndexByte(raw, '.') >= 0 }

// compareDecimals is negative, zero or positive for a below, at or above b.
func compareDecimals(a, b []byte) int {
	if d := sign(a) - sign(b); d != 0 {
		return d
	}
	x, y := parseDecimal(a), parseDecimal(b)
	if x.digits == "" {
		return 0
	}
	d := x.point - y.point
	if d == 0 {
		d = strings.Compare(x.digits, y.digits)
	}
	if x.negative {
		return -d
	}
	return d
}
