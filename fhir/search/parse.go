package search

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
)

// Bounds of what Parse takes; more is fhir.KindTooCostly.
const (
	MaxQueryBytes   = 32 << 10 // the query text
	MaxParams       = 100      // parameters in it
	MaxAlternatives = 500      // values in one comma list
	MaxTerms        = 5_000    // index entries that the whole query asks for
	maxCursor       = 4 << 10
)

// Parsed is a search request.
type Parsed struct {
	Query *Query
	// Queries are those of ParseTypes, one a type in the order of Types, without
	// sort, count and cursor, which Query has.
	Queries []*Query
	// Applied lists the parameters that were understood, as "name=value" in
	// percent-encoding and in request order: the self link. A next link adds
	// "_cursor", which is never in here.
	Applied []string
	// Total is what "_total" asked for: "none", "estimate", "accurate", or "".
	Total string
	// CountOnly: "_count=0" or "_summary=count"; no page is wanted.
	CountOnly bool
	// Shape is what "_summary" and "_elements" ask for.
	Shape Shape
	// Types are those of ParseTypes, sorted.
	Types []string
	// Includes lists what "_include" and "_revinclude" ask for; see Included.
	Includes []Include
	// Own holds the parameters that Options.Own names, in request order.
	Own []Pair
}

// Pair is one parameter, decoded.
type Pair struct{ Name, Value string }

// Parse reads the query text of a search for one resource type (R4
// search.html); see ParseTypes for several. Errors are *fhir.Outcome: KindNotSupported for a parameter or
// modifier that isn't offered (dropped instead when Options.Lenient is set),
// KindValue for a bad value, KindTooCostly over a bound. They name the
// parameter and never its value.
func Parse(typ, rawQuery string, o Options) (*Parsed, error) {
	pairs, err := split(rawQuery)
	if err != nil {
		return nil, err
	}
	p := parser{o: o, out: &Parsed{Query: &Query{Type: typ}}}
	var nodes []Node
	for i, pair := range pairs {
		node, err := p.pair(typ, pair, pairs[:i])
		if err != nil {
			if o.Lenient && err.Kind == fhir.KindNotSupported {
				continue
			}
			return nil, err
		}
		if node != nil && !slices.Contains(pairs[:i], pair) {
			nodes = append(nodes, node)
		}
	}
	if err := p.agree(); err != nil {
		return nil, err
	}
	p.out.Query.Where = all(nodes)
	return p.out, nil
}

// all joins conditions.
func all(nodes []Node) Node {
	switch len(nodes) {
	case 0:
		return nil
	case 1:
		return nodes[0]
	}
	return And(nodes)
}

// split decodes the query text.
func split(rawQuery string) ([]Pair, error) {
	if len(rawQuery) > MaxQueryBytes {
		return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "the search text is longer than "+strconv.Itoa(MaxQueryBytes)+" bytes")
	}
	var pairs []Pair
	for part := range strings.SplitSeq(rawQuery, "&") {
		if part == "" {
			continue
		}
		if len(pairs) == MaxParams {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "the search has more than "+strconv.Itoa(MaxParams)+" parameters")
		}
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || name == "" || !utf8.ValidString(name) {
			return nil, fhir.NewOutcome(fhir.KindInvalid, "", "search parameter "+strconv.Itoa(len(pairs)+1)+" has no valid name: it must be percent-encoded UTF-8")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(value) {
			return nil, badValue(name, "it must be percent-encoded UTF-8")
		}
		pairs = append(pairs, Pair{name, value})
	}
	return pairs, nil
}

// parser holds what has been read so far.
type parser struct {
	o     Options
	out   *Parsed
	terms int // entries asked for

	chains  int                // inner queries
	depth   int                // links before what is being read
	leading map[[2]string]bool // see leads

	// Of ParseTypes: the types that _type may name, the terms that each type's
	// query has, and what the parameter being read means for each type.
	served []string
	spent  []int
	across []Node
}

// pair reads one parameter, which stands behind others; the node is nil for one that filters nothing.
func (p *parser) pair(typ string, pair Pair, before []Pair) (Node, *fhir.Outcome) {
	base, _, _ := strings.Cut(pair.Name, ":")
	base, _, _ = strings.Cut(base, ".")
	if slices.Contains(p.o.Own, base) {
		p.out.Own = append(p.out.Own, pair)
		p.apply(pair.Name, pair.Value)
		return nil, nil
	}
	if base == "_include" || base == "_revinclude" {
		return nil, p.include(typ, pair.Name, pair.Value)
	}
	if read, ok := resultParams[pair.Name]; ok {
		if slices.ContainsFunc(before, func(b Pair) bool { return b.Name == pair.Name }) {
			return nil, badValue(pair.Name, "it may be given once only")
		}
		return nil, read(p, typ, pair.Value)
	}
	if typ == "" {
		if err := p.filterAll(pair.Name, pair.Value); err != nil {
			return nil, err
		}
		p.apply(pair.Name, pair.Value)
		return nil, nil
	}
	node, err := p.filter(typ, pair.Name, pair.Value)
	if err != nil {
		return nil, err
	}
	p.apply(pair.Name, pair.Value)
	return node, nil
}

func (p *parser) apply(name, value string) {
	p.out.Applied = append(p.out.Applied, escapeQuery(name)+"="+escapeQuery(value))
}

// filter compiles one condition: a parameter with or without a modifier, or a
// chain.
func (p *parser) filter(typ, name, value string) (Node, *fhir.Outcome) {
	if isHas(name) {
		return p.reverse(typ, name, value)
	}
	if left, right, chained := strings.Cut(name, "."); chained {
		return p.chain(typ, name, left, right, value)
	}
	base, modifier, _ := strings.Cut(name, ":")
	param := paramOf(typ, base)
	if param == nil {
		return nil, unknown(typ, name)
	}
	if strings.HasSuffix(name, ":") {
		return nil, badModifier(name, param)
	}
	if modifier == "missing" && param.canMiss() {
		return missing(param, value)
	}
	values, err := alternatives(name, value)
	if err != nil {
		return nil, err
	}
	t := term{p: p, param: param, name: name, modifier: modifier}
	node, err := t.compile(values)
	if err != nil {
		return nil, err
	}
	if p.terms > MaxTerms {
		return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "the search asks for more than "+strconv.Itoa(MaxTerms)+" values")
	}
	return node, nil
}

func missing(param *Param, value string) (Node, *fhir.Outcome) {
	present := Has("!" + param.Name)
	switch value {
	case "true":
		return Not{present}, nil
	case "false":
		return present, nil
	}
	return nil, badValue(param.Name+":missing", "it must be true or false")
}

// anyOf joins alternatives.
func anyOf(nodes []Node) Node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	return Or(nodes)
}

// alternatives divides a value at its commas and keeps escapes.
func alternatives(name, value string) ([]string, *fhir.Outcome) {
	var list []string
	start := 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) && value[i] == '\\' {
			if i+1 == len(value) || !strings.ContainsRune(`\,|$`, rune(value[i+1])) {
				return nil, badValue(name, `a backslash must stand before a comma, "|", "$" or another backslash`)
			}
			i++
			continue
		}
		if i < len(value) && value[i] != ',' {
			continue
		}
		if i == start {
			return nil, badValue(name, "it is empty or a comma list with an empty member")
		}
		if len(list) == MaxAlternatives {
			return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "parameter "+nameOf(name)+" lists more than "+strconv.Itoa(MaxAlternatives)+" values")
		}
		list = append(list, value[start:i])
		start = i + 1
	}
	return list, nil
}

// unescape takes the escapes out of a part of a value (R4
// search.html#escaping).
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}
