package search

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// quantity enters a Quantity (also Age, Duration) or a Range: its span, and the
// span again for each way of naming its unit. A SampledData has many values and
// counts as present only.
func (x *extractor) quantity(v fhir.Value) {
	if v.Kind() != fhir.ObjectKind {
		return
	}
	x.present = true
	low, high := v.Get("low"), v.Get("high")
	switch {
	case v.Get("value").Exists():
		x.measured(v, v)
	case low.Exists() || high.Exists():
		x.measured(low, high)
	}
}

// measured enters what lies between two quantities; one that is missing leaves
// its end open. Both have the unit of the first that is there (R4 rng-2).
func (x *extractor) measured(low, high fhir.Value) {
	lo, hi := ordered(math.Inf(-1)), ordered(math.Inf(1))
	unit := high
	if low.Exists() {
		unit = low
		first, _, ok := quantityBounds(low)
		if !ok {
			return
		}
		lo = first
	}
	if high.Exists() {
		_, last, ok := quantityBounds(high)
		if !ok {
			return
		}
		hi = last
	}
	x.span(lo, hi)
	code, shown := unit.Get("code").Text(), unit.Get("unit").Text()
	if system := unit.Get("system").Text(); code != "" && system != "" {
		x.spanOf(unitKey(x.o.canonical(system), code), lo, hi)
	}
	if code != "" {
		x.spanOf(unitKey("", code), lo, hi)
	}
	if shown != "" && shown != code {
		x.spanOf(unitKey("", shown), lo, hi)
	}
}

func (x *extractor) spanOf(key string, lo, hi int64) {
	if x.room() {
		x.d = append(x.d, Span{x.p.Name + "$" + key, lo, hi})
	}
}

// unitKey is what stands behind the "$" of a Span's Param.
func unitKey(system, code string) string { return short(system + "|" + code) }

// quantityBounds are a Quantity's value, or all values that its comparator
// leaves open.
func quantityBounds(v fhir.Value) (lo, hi int64, ok bool) {
	number := v.Get("value")
	if number.Kind() != fhir.NumberKind {
		return 0, 0, false
	}
	f, _ := strconv.ParseFloat(string(number.Raw()), 64) // beyond the range: infinite
	at := ordered(f)
	lo, hi = at, at
	switch v.Get("comparator").Text() {
	case "<":
		lo, hi = ordered(math.Inf(-1)), at-1
	case "<=":
		lo = ordered(math.Inf(-1))
	case ">=":
		hi = ordered(math.Inf(1))
	case ">":
		lo, hi = at+1, ordered(math.Inf(1))
	}
	return lo, hi, true
}

// ordered maps a number to an integer so that order is kept.
func ordered(f float64) int64 {
	if f == 0 {
		return 0 // -0 too
	}
	n := int64(math.Float64bits(f))
	if n < 0 {
		n ^= math.MaxInt64
	}
	return n
}

// quantities compiles "5.4", "ge5.4|system|code" and "5.4||code".
func (t term) quantities(values []string) (Node, *fhir.Outcome) {
	if t.modifier != "" {
		return nil, badModifier(t.name, t.param)
	}
	nodes := make([]Node, 0, len(values))
	for _, value := range values {
		node, err := t.quantity(value)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	t.p.terms += len(nodes)
	return anyOf(nodes), nil
}

func (t term) quantity(value string) (Node, *fhir.Outcome) {
	parts := cutUnescaped(value, '|')
	number := unescape(parts[0])
	param := t.param.Name
	switch {
	case len(parts) == 1:
	case len(parts) != 3 || parts[2] == "":
		return nil, badValue(t.name, "it must be number, number|system|code or number||code")
	default:
		param += "$" + unitKey(t.p.o.canonical(unescape(parts[1])), unescape(parts[2]))
	}
	op := Eq
	if len(number) > 2 && slices.Contains(ops, Op(number[:2])) {
		op, number = Op(number[:2]), number[2:]
	}
	lo, hi, ok := asked(op, number)
	if !ok {
		return nil, badValue(t.name, "it must be a decimal number, with one of the prefixes eq ne gt lt ge le sa eb ap or none")
	}
	return Date{param, op, lo, hi}, nil
}

// Bounds of a number asked for.
const (
	maxNumber   = 64  // characters
	maxExponent = 400 // more is beyond float64 anyway
)

// asked is the span that a number stands for: eq and ne go by its precision, ap
// by a tenth of it, the others by its exact value (R4 search.html#number,
// #prefix). R4 reads 100 as [99.5, 100.5) and 1e2 as [95, 105).
func asked(op Op, number string) (lo, hi int64, ok bool) {
	mantissa, exponent, ok := cutNumber(number)
	if !ok {
		return 0, 0, false
	}
	value, _ := strconv.ParseFloat(number, 64)
	switch op {
	case Eq, Ne:
		width := int64(5)
		digits := new(big.Int).Mul(mantissa, big.NewInt(10))
		exponent--
		if strings.ContainsAny(number, "eE") {
			digits.Mul(digits, big.NewInt(10))
			exponent--
		}
		bound := func(delta int64) float64 {
			n := new(big.Int).Add(digits, big.NewInt(delta))
			f, _ := strconv.ParseFloat(n.String()+"e"+strconv.Itoa(exponent), 64)
			return f
		}
		return ordered(bound(-width)), max(ordered(bound(width))-1, ordered(value)), true
	case Ap:
		tenth := math.Abs(value) / 10
		return ordered(value - tenth), ordered(value + tenth), true
	}
	return ordered(value), ordered(value), true
}

// cutNumber reads a decimal as mantissa and exponent of ten.
func cutNumber(s string) (mantissa *big.Int, exponent int, ok bool) {
	if len(s) > maxNumber {
		return nil, 0, false
	}
	rest, power, exponential := s, "", false
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		rest, power, exponential = s[:at], s[at+1:], true
	}
	if exponential {
		n, err := strconv.Atoi(power)
		if err != nil || n > maxExponent || n < -maxExponent {
			return nil, 0, false
		}
		exponent = n
	}
	whole, fraction, point := strings.Cut(rest, ".")
	digits := strings.TrimPrefix(strings.TrimPrefix(whole, "-"), "+")
	if digits == "" || point && fraction == "" || strings.Trim(digits+fraction, "0123456789") != "" ||
		len(whole)-len(digits) > 1 {
		return nil, 0, false
	}
	mantissa, ok = new(big.Int).SetString(whole+fraction, 10)
	return mantissa, exponent - len(fraction), ok
}
