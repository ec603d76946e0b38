package search

import (
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// resultParams are the parameters that shape the answer and filter nothing (R4
// search.html#return). "_format" and "_pretty" are the REST layer's; they are
// kept so that links keep them.
var resultParams = map[string]func(p *parser, typ, value string) *fhir.Outcome{
	"_count":    (*parser).count,
	"_cursor":   (*parser).cursor,
	"_sort":     (*parser).sort,
	"_total":    (*parser).total,
	"_summary":  (*parser).summary,
	"_elements": (*parser).elements,
	"_type":     (*parser).types,
	"_format":   func(p *parser, _, value string) *fhir.Outcome { p.apply("_format", value); return nil },
	"_pretty":   func(p *parser, _, value string) *fhir.Outcome { p.apply("_pretty", value); return nil },
}

func (p *parser) count(_, value string) *fhir.Outcome {
	if len(value) > 9 || strings.Trim(value, "0123456789") != "" {
		return badValue("_count", "it must be a whole number, 0 or more")
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return badValue("_count", "it must be a whole number, 0 or more")
	}
	n = min(n, MaxCount)
	p.out.Query.Count = n
	p.out.CountOnly = p.out.CountOnly || n == 0
	p.apply("_count", strconv.Itoa(n))
	return nil
}

func (p *parser) cursor(_, value string) *fhir.Outcome {
	if value == "" || len(value) > maxCursor {
		return badValue("_cursor", "it must be what the link to the page said")
	}
	p.out.Query.Cursor = value
	return nil
}

func (p *parser) total(_, value string) *fhir.Outcome {
	switch value {
	case "none", "estimate", "accurate":
		p.out.Total = value
		p.apply("_total", value)
		return nil
	}
	return badValue("_total", "it must be none, estimate or accurate")
}

// maxSort bounds the keys of one _sort.
const maxSort = 5

func (p *parser) sort(typ, value string) *fhir.Outcome {
	keys := strings.Split(value, ",")
	if typ == "" && strings.TrimPrefix(value, "-") != "_lastUpdated" {
		return refuse("_sort", "a search of several types is in order of type and id, or sorted by _lastUpdated alone")
	}
	if len(keys) > maxSort {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "parameter _sort has more than "+strconv.Itoa(maxSort)+" keys")
	}
	var sorts []Sort
	var applied []string
	for _, key := range keys {
		name, desc := strings.CutPrefix(key, "-")
		if name == "" {
			return badValue("_sort", "it is empty or a comma list with an empty member")
		}
		if param := paramOf(typ, name); param == nil || !canSort(param) {
			if p.o.Lenient {
				continue
			}
			return refuse("_sort", "one of its keys can't be sorted by; those of "+typeName(typ)+" are "+strings.Join(sortKeys(typ), ", "))
		}
		sorts = append(sorts, Sort{name, desc})
		applied = append(applied, key)
	}
	p.out.Query.Sort = sorts
	if len(applied) > 0 {
		p.apply("_sort", strings.Join(applied, ","))
	}
	return nil
}

// canSort leaves out composites and phonetic parameters, whose values have no
// order that means anything. A reference sorts by its text, "Type/id".
func canSort(p *Param) bool {
	return p.Name == "_id" || p.Type == DateType || p.Type == QuantityType || p.sortable && !p.sounds
}

func sortKeys(typ string) []string {
	var names []string
	for _, p := range ParamsOf(typ) {
		if canSort(&p) {
			names = append(names, p.Name)
		}
	}
	return names
}
