package patch

import (
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// same is the comparison of a test (RFC 6902, 4.6): members in any order,
// numbers by what they are worth. It looks no further than v reaches.
func same(n *node, v fhir.Value) bool {
	if n.kind != v.Kind() {
		return false
	}
	switch n.kind {
	case fhir.StringKind:
		return n.value.Text() == v.Text()
	case fhir.NumberKind:
		return sameNumber(string(n.value.Raw()), string(v.Raw()))
	case fhir.BoolKind:
		return n.value.Bool() == v.Bool()
	case fhir.NullKind:
		return true
	}
	n.expand()
	if len(n.items) != v.Len() {
		return false
	}
	i := 0
	for item := range v.Items() {
		if !same(n.items[i], item) {
			return false
		}
		i++
	}
	for name, item := range v.Members() {
		at := n.member(name)
		if at < 0 || !same(n.items[at], item) {
			return false
		}
	}
	return true
}

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	signA, digitsA, powerA, okA := scientific(a)
	signB, digitsB, powerB, okB := scientific(b)
	return okA && okB && digitsA == digitsB && (digitsA == "" || signA == signB && powerA == powerB)
}

// scientific takes a JSON number apart into digits without zeros at either end
// and the power of ten that they are multiplied with; no digits are zero. ok is
// false where the exponent is beyond all measure.
func scientific(text string) (negative bool, digits string, power int, ok bool) {
	text, negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, "0"
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
	}
	power, err := strconv.Atoi(exponent)
	if err != nil || len(exponent) > 9 {
		return negative, "", 0, false
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	power -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	return negative, trimmed, power + len(digits) - len(trimmed), true
}
