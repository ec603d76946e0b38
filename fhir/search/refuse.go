package search

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// notOffered says why parameters of R4 are refused.
var notOffered = map[string]string{
	"_content":       "text of whole resources isn't indexed",
	"_text":          "narrative isn't indexed",
	"_filter":        "filter expressions aren't offered",
	"_list":          "lists aren't offered",
	"_query":         "there is no named query",
	"_contained":     "contained resources aren't searched for",
	"_containedType": "contained resources aren't searched for",
	"near":           "distances aren't searched for; address-postalcode, address-city and the other address parameters are offered",
}

// unknown refuses a parameter that the type hasn't got.
func unknown(typ, name string) *fhir.Outcome {
	base, _, _ := strings.Cut(name, ":")
	if rule, known := notOffered[base]; known && (base != "near" || typ == "Location") {
		return refuse(base, rule)
	}
	list := ParamsOf(typ)
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return refuse(name, "it isn't known here; those of "+typeName(typ)+" are "+strings.Join(names, ", "))
}

// badModifier refuses a modifier that the parameter doesn't take.
func badModifier(name string, p *Param) *fhir.Outcome {
	return refuse(name, "the modifier isn't offered; those of "+p.Name+" are: "+modifiersOf(p))
}

func modifiersOf(p *Param) string {
	var list []string
	switch p.Type {
	case TokenType:
		list = []string{"not"}
		if p.labelled() {
			list = append(list, "text")
		}
	case StringType:
		if p.sounds {
			break
		}
		list = []string{"exact"}
		if p.suffixes {
			list = append(list, "contains")
		}
	case URIType:
		list = []string{"below"}
	case ReferenceType:
		list = append([]string{"identifier"}, p.Targets...)
		if p.Targets == nil {
			list = append(list, "a resource type")
		}
	}
	if p.canMiss() {
		list = append(list, "missing")
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func refuse(name, rule string) *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindNotSupported, "", "search parameter "+nameOf(name)+": "+rule)
}

func badValue(name, rule string) *fhir.Outcome {
	return fhir.NewOutcome(fhir.KindValue, "", "the value of search parameter "+nameOf(name)+" is refused: "+rule)
}

// nameOf is a parameter's name for a message. A name that no parameter could
// have may be a value in the wrong place, and values aren't repeated.
func nameOf(name string) string {
	if len(name) > 64 || !looksLikeName(name) {
		return "(unnamed)"
	}
	return name
}

func typeName(typ string) string {
	if len(typ) > 64 || !looksLikeName(typ) {
		return "this type"
	}
	return typ
}

func looksLikeName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == ':', c == '.':
		default:
			return false
		}
	}
	return s != ""
}

// escapeQuery percent-encodes a name or a value for a link. What R4's search
// syntax uses stays readable where a query may hold it.
func escapeQuery(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			strings.IndexByte("-._~:/,$@*", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
