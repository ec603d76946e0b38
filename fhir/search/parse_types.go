package search

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// ParseTypes reads the query text of a search of several resource types at once
// (R4 http.html#search): those that "_type" names, or all of types. It takes the
// parameters that each of them has, each compiled for each type, and fills
// Parsed.Queries; Parsed.Query holds only what concerns the whole list, which is
// in order of type and id, or sorted by _lastUpdated. Errors are those of Parse;
// a parameter that one of the types hasn't got is KindNotSupported.
func ParseTypes(types []string, rawQuery string, o Options) (*Parsed, error) {
	pairs, err := split(rawQuery)
	if err != nil {
		return nil, err
	}
	p := parser{o: o, out: &Parsed{Query: &Query{}, Types: slices.Sorted(slices.Values(types))}, served: types}
	// The other parameters mean what the types make of them, wherever _type stands.
	for _, pair := range pairs {
		if pair.Name == "_type" {
			if p.out.Types, err = p.named(pair.Value); err != nil {
				return nil, err
			}
		}
	}
	p.spent = make([]int, len(p.out.Types))
	nodes := make([][]Node, len(p.out.Types))
	for i, pair := range pairs {
		p.across = nil
		if _, err := p.pair("", pair, pairs[:i]); err != nil {
			if o.Lenient && err.Kind == fhir.KindNotSupported {
				continue
			}
			return nil, err
		}
		for at, node := range p.across {
			if !slices.Contains(pairs[:i], pair) {
				nodes[at] = append(nodes[at], node)
			}
		}
	}
	if err := p.agree(); err != nil {
		return nil, err
	}
	for i, typ := range p.out.Types {
		p.out.Queries = append(p.out.Queries, &Query{Type: typ, Where: all(nodes[i])})
	}
	return p.out, nil
}

// named reads the value of "_type".
func (p *parser) named(value string) ([]string, error) {
	list := strings.Split(value, ",")
	if len(list) > len(p.served) {
		return nil, fhir.NewOutcome(fhir.KindTooCostly, "", "parameter _type names more than "+strconv.Itoa(len(p.served))+" types")
	}
	for _, name := range list {
		if !slices.Contains(p.served, name) {
			return nil, badValue("_type", "it must be a comma list of resource types that can be searched here")
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// filterAll compiles one condition for each of the types.
func (p *parser) filterAll(name, value string) *fhir.Outcome {
	across := make([]Node, len(p.out.Types))
	for i, typ := range p.out.Types {
		p.terms = p.spent[i] // the bound is that of one query
		node, err := p.filter(typ, name, value)
		if err != nil {
			return p.ofSeveral(typ, name, err)
		}
		across[i], p.spent[i] = node, p.terms
	}
	p.across = across
	return nil
}

// ofSeveral says which type hasn't got a parameter that others may have.
func (p *parser) ofSeveral(typ, name string, err *fhir.Outcome) *fhir.Outcome {
	base, _, _ := strings.Cut(name, ":")
	base, _, _ = strings.Cut(base, ".")
	if err.Kind != fhir.KindNotSupported || len(p.out.Types) == 1 || notOffered[base] != "" || base == "_has" || paramOf(typ, base) != nil {
		return err
	}
	return refuse(name, typeName(typ)+" hasn't got it, and a search of several types takes what all of them have; name types by _type")
}
