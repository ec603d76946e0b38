package search

import (
	"strconv"
	"strings"
)

// masked stands for a value, which a description must not show: queries hold
// NHS numbers and names.
const masked = "•"

// Describe says what a condition asks for, by parameter and kind, with every
// value masked. It is what a plan shows (store.Plan) and may go to logs.
func Describe(n Node) string {
	switch n := n.(type) {
	case nil:
		return "everything"
	case Has:
		return describeEntry(string(n))
	case HasAny:
		if len(n) == 0 {
			return "nothing"
		}
		return describeEntry(n[0]) + " (one of " + strconv.Itoa(len(n)) + ")"
	case Prefix:
		return describeEntry(string(n)) + " (prefix)"
	case Date:
		param, _, _ := strings.Cut(n.Param, "$")
		return param + " " + string(n.Op) + " " + masked
	case IDs:
		return "_id (one of " + strconv.Itoa(len(n)) + ")"
	case Updated:
		return "_lastUpdated " + string(n.Op) + " " + masked
	case And:
		return describeAll(n, " and ", "everything")
	case Or:
		return describeAll(n, " or ", "nothing")
	case Not:
		return "not " + Describe(n.Node)
	case Chain:
		return n.Param + " of " + n.Query.Type + " by " + Describe(n.Query.Where)
	case ReverseChain:
		return "_has " + n.Query.Type + " " + n.Param + " by " + Describe(n.Query.Where)
	}
	return "unknown"
}

func describeAll(nodes []Node, by, none string) string {
	if len(nodes) == 0 {
		return none
	}
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = Describe(n)
	}
	return "(" + strings.Join(parts, by) + ")"
}

// describeEntry keeps what stands before the value; an entry that says that a
// parameter is present has none.
func describeEntry(e string) string {
	if strings.HasPrefix(e, "!") {
		return e
	}
	i := strings.IndexAny(e, ":=~")
	if i < 0 {
		return masked
	}
	return e[:i+1] + masked
}
