package search

import (
	"strconv"
	"strings"
)

// Mask writes a condition with its parameters and operators, and with numbers of
// values in the place of the values, which may be patient data (design D21).
func Mask(n Node) string {
	switch n := n.(type) {
	case nil:
		return "all"
	case Has:
		return maskEntry(string(n))
	case HasAny:
		return maskList(n)
	case Prefix:
		return maskEntry(string(n)) + " as a prefix"
	case Date:
		return maskName(n.Param) + " " + string(n.Op) + " a value"
	case IDs:
		return "_id one of " + strconv.Itoa(len(n))
	case Updated:
		return "_lastUpdated " + string(n.Op) + " a time"
	case And:
		return maskAll(n, " and ")
	case Or:
		return maskAll(n, " or ")
	case Not:
		return "not (" + Mask(n.Node) + ")"
	case Chain:
		return n.Param + " leads to " + n.Query.Type + " (" + Mask(n.Query.Where) + ")"
	case ReverseChain:
		return n.Query.Type + "." + n.Param + " leads here from (" + Mask(n.Query.Where) + ")"
	}
	return "a condition"
}

func maskAll(nodes []Node, by string) string {
	if len(nodes) == 0 {
		return map[string]string{" and ": "all", " or ": "none"}[by]
	}
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = Mask(n)
	}
	return "(" + strings.Join(parts, by) + ")"
}

func maskList(entries HasAny) string {
	if len(entries) == 0 {
		return "none"
	}
	return maskEntry(entries[0]) + " or another of " + strconv.Itoa(len(entries))
}

// maskEntry keeps an entry's name and form; see the package comment. The names
// of the room's own entries stay as well.
func maskEntry(e string) string {
	if name, present := strings.CutPrefix(e, "!"); present {
		return maskName(name) + " there"
	}
	at := strings.IndexAny(e, ":=~")
	if at < 0 {
		return "an entry"
	}
	return e[:at+1] + "*"
}

// maskName cuts off what the records put behind a quantity's name.
func maskName(param string) string {
	name, _, _ := strings.Cut(param, "$")
	return name
}
