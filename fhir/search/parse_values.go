package search

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
)

// term is one parameter with its modifier, about to be compiled.
type term struct {
	p        *parser
	param    *Param
	name     string // as written, for messages
	modifier string
}

// compile makes one node of the alternatives of a value. They still hold their
// escapes.
func (t term) compile(values []string) (Node, *fhir.Outcome) {
	switch {
	case t.param.Name == "_id":
		return t.ids(values)
	case t.param.Type == TokenType:
		return t.tokens(values)
	case t.param.sounds:
		return t.phonetic(values)
	case t.param.Type == StringType:
		return t.strings(values)
	case t.param.Type == QuantityType:
		return t.quantities(values)
	case t.param.Type == CompositeType:
		return t.composites(values)
	case t.param.Type == ReferenceType && t.modifier == "identifier":
		return t.entries(values, t.referenceIdentifier)
	case t.param.Type == ReferenceType:
		return t.references(values)
	case t.param.Type == DateType:
		return t.dates(values)
	}
	return t.uris(values)
}

// entries compiles each alternative to entries, one of which must be there.
func (t term) entries(values []string, compile func(value string) ([]string, *fhir.Outcome)) (Node, *fhir.Outcome) {
	var list []string
	for _, value := range values {
		entries, err := compile(value)
		if err != nil {
			return nil, err
		}
		list = append(list, entries...)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	t.p.terms += len(list)
	if len(list) == 1 {
		return Has(list[0]), nil
	}
	return HasAny(list), nil
}

func (t term) prefixes(values []string, compile func(value string) (string, *fhir.Outcome)) (Node, *fhir.Outcome) {
	nodes := make([]Node, 0, len(values))
	for _, value := range values {
		prefix, err := compile(value)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, Prefix(prefix))
	}
	t.p.terms += len(nodes)
	return anyOf(nodes), nil
}

func (t term) ids(values []string) (Node, *fhir.Outcome) {
	if t.modifier != "" && t.modifier != "not" {
		return nil, badModifier(t.name, t.param)
	}
	for _, id := range values {
		if !fhir.ValidID(id) {
			return nil, badValue(t.name, "it must be a logical id: 1 to 64 letters, digits, hyphens and dots")
		}
	}
	t.p.terms += len(values)
	if t.modifier == "not" {
		return Not{IDs(values)}, nil
	}
	return IDs(values), nil
}

func (t term) tokens(values []string) (Node, *fhir.Outcome) {
	if t.modifier == "text" && t.param.labelled() {
		return t.prefixes(values, func(value string) (string, *fhir.Outcome) {
			needle, err := t.needle(value)
			return prefixEntry(t.param.Name, "~", needle), err
		})
	}
	if t.modifier != "" && t.modifier != "not" {
		return nil, badModifier(t.name, t.param)
	}
	node, err := t.entries(values, t.token)
	if err != nil || t.modifier == "" {
		return node, err
	}
	return Not{node}, nil
}

// token compiles "code", "system|code", "system|" and "|code".
func (t term) token(value string) ([]string, *fhir.Outcome) {
	system, code, bar, err := t.cutToken(value)
	name := t.param.Name
	switch {
	case err != nil:
		return nil, err
	case !bar:
		return []string{entry(name, ":", code)}, nil
	case t.param.system == "":
		return []string{entry(name, "=", t.p.o.canonical(system)+"|"+code)}, nil
	case system != "" && system != t.param.system:
		return nil, nil // the element's codes all have the one system
	case code == "":
		return []string{"!" + name}, nil
	}
	return []string{entry(name, ":", code)}, nil
}

// referenceIdentifier is token for Reference.identifier.
func (t term) referenceIdentifier(value string) ([]string, *fhir.Outcome) {
	system, code, bar, err := t.cutToken(value)
	if err != nil {
		return nil, err
	}
	if !bar {
		return []string{entry(t.param.Name, "~", code)}, nil
	}
	return []string{entry(t.param.Name, "=", t.p.o.canonical(system)+"|"+code)}, nil
}

// cutToken divides a token at its bar; bar is false where there is none.
func (t term) cutToken(value string) (system, code string, bar bool, err *fhir.Outcome) {
	at := -1
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' {
			i++
			continue
		}
		if value[i] != '|' {
			continue
		}
		if at >= 0 {
			return "", "", false, badValue(t.name, `it has more than one "|"; inside a value it is written "\|"`)
		}
		at = i
	}
	if at < 0 {
		return "", unescape(value), false, nil
	}
	if len(value) == 1 {
		return "", "", false, badValue(t.name, `it has neither a system nor a code beside its "|"`)
	}
	return unescape(value[:at]), unescape(value[at+1:]), true, nil
}

func (t term) strings(values []string) (Node, *fhir.Outcome) {
	switch t.modifier {
	case "":
		return t.prefixes(values, func(value string) (string, *fhir.Outcome) {
			needle, err := t.needle(value)
			return prefixEntry(t.param.Name, ":", needle), err
		})
	case "exact":
		return t.entries(values, func(value string) ([]string, *fhir.Outcome) {
			return []string{entry(t.param.Name, "=", "|"+unescape(value))}, nil
		})
	case "contains":
		if !t.param.suffixes {
			break
		}
		return t.prefixes(values, func(value string) (string, *fhir.Outcome) {
			needle, err := t.needle(value)
			if err == nil && utf8.RuneCountInString(needle) < minNeedle {
				err = fhir.NewOutcome(fhir.KindTooCostly, "", "parameter "+nameOf(t.name)+" needs at least three letters")
			}
			return prefixEntry(t.param.Name, "~", needle), err
		})
	}
	return nil, badModifier(t.name, t.param)
}

// needle is the normalised form of what is looked for.
func (t term) needle(value string) (string, *fhir.Outcome) {
	needle := normalise(nil, []byte(unescape(value)))
	if t.param.compact {
		needle = squeeze(needle)
	}
	if len(needle) == 0 {
		return "", badValue(t.name, "it holds blanks only")
	}
	return string(needle), nil
}

func (t term) uris(values []string) (Node, *fhir.Outcome) {
	switch t.modifier {
	case "":
		return t.entries(values, func(value string) ([]string, *fhir.Outcome) {
			return []string{entry(t.param.Name, ":", unescape(value))}, nil
		})
	case "below":
		return t.prefixes(values, func(value string) (string, *fhir.Outcome) {
			return prefixEntry(t.param.Name, ":", unescape(value)), nil
		})
	}
	return nil, badModifier(t.name, t.param)
}

// dates compiles values with their prefixes.
func (t term) dates(values []string) (Node, *fhir.Outcome) {
	if t.modifier != "" {
		return nil, badModifier(t.name, t.param)
	}
	nodes := make([]Node, 0, len(values))
	for _, value := range values {
		op, lo, hi, err := t.date(unescape(value))
		if err != nil {
			return nil, err
		}
		if t.param.Name == "_lastUpdated" {
			nodes = append(nodes, Updated{op, lo, hi})
		} else {
			nodes = append(nodes, Date{t.param.Name, op, lo, hi})
		}
	}
	t.p.terms += len(nodes)
	return anyOf(nodes), nil
}

var ops = []Op{Eq, Ne, Gt, Lt, Ge, Le, Sa, Eb, Ap}

func (t term) date(value string) (op Op, lo, hi int64, err *fhir.Outcome) {
	op = Eq
	if len(value) > 2 && slices.Contains(ops, Op(value[:2])) {
		op, value = Op(value[:2]), value[2:]
	}
	lo, hi, ok := t.p.o.searchSpan(value)
	switch {
	case !ok && strings.Contains(value, " "):
		return "", 0, 0, badValue(t.name, "it has a blank; the + of a time zone offset must be percent-encoded as %2B")
	case !ok:
		return "", 0, 0, badValue(t.name, "it must be a FHIR date or dateTime, with one of the prefixes eq ne gt lt ge le sa eb ap or none")
	}
	if op == Ap {
		// By the hour, so that the pages of one list ask the same.
		lo, hi = widen(lo, hi, t.p.o.now().Truncate(time.Hour))
	}
	return op, lo, hi, nil
}

// widen moves both ends of a span out by a tenth of its distance from now (R4
// search.html#prefix).
func widen(lo, hi int64, now time.Time) (int64, int64) {
	var gap int64
	switch at := now.UnixMilli(); {
	case at < lo:
		gap = lo - at
	case at > hi:
		gap = at - hi
	}
	return lo - gap/10, hi + gap/10
}
