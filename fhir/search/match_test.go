package search

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatchWalksTheWholeTree(t *testing.T) {
	x := Index{X: []string{"!status", "name:smith", "status:free"}, D: []Span{{"start", 10, 20}, {"start", 50, 60}}}
	yes, no := Has("status:free"), Has("status:busy")
	for _, c := range []struct {
		name string
		node Node
		want bool
	}{
		{"nothing asked", nil, true},
		{"an entry", yes, true},
		{"another entry", no, false},
		{"one of several", HasAny{"status:busy", "status:free"}, true},
		{"none of several", HasAny{"status:busy"}, false},
		{"one of none", HasAny{}, false},
		{"a prefix", Prefix("name:smi"), true},
		{"another prefix", Prefix("name:mi"), false},
		{"own id", IDs{"a", "b"}, true},
		{"another id", IDs{"c"}, false},
		{"and of none", And{}, true},
		{"and of all", And{yes, IDs{"b"}}, true},
		{"and of some", And{yes, no}, false},
		{"or of none", Or{}, false},
		{"or of some", Or{no, yes}, true},
		{"or of none true", Or{no, no}, false},
		{"not", Not{no}, true},
		{"not true", Not{yes}, false},
		{"one date of two", Date{"start", Eq, 45, 65}, true},
		{"no date of two, though their hull would", Date{"start", Eq, 30, 40}, false},
		{"the other parameter's date", Date{"date", Eq, 0, 100}, false},
		{"ne where one date isn't equal", Date{"start", Ne, 10, 20}, true},
		{"ne without a date", Date{"date", Ne, 10, 20}, false},
		{"own time", Updated{Ge, 7, 7}, true},
		{"own time later", Updated{Gt, 7, 7}, false},
		{"an unknown prefix", Date{"start", "xx", 0, 100}, false},
		{"a chain that nobody resolved", Chain{"patient", &Query{}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Match(&Query{Where: c.node}, "b", 7, x))
		})
	}
}

func TestNotFindsRecordsWithoutTheElement(t *testing.T) {
	p, err := Parse("Slot", "status:not=busy", testOptions)
	require.NoError(t, err)
	require.True(t, Match(p.Query, "a", 0, Index{}))
}

func TestCompareOrdersAndPutsRecordsWithoutValueLast(t *testing.T) {
	docs := []Doc{
		{ID: "a", Updated: 3, Index: Index{D: []Span{{"start", 20, 20}, {"start", 5, 5}}, S: []SortKey{{"status", "b"}}}},
		{ID: "b", Updated: 1, Index: Index{D: []Span{{"start", 10, 30}}, S: []SortKey{{"status", "a"}}}},
		{ID: "c", Updated: 2},
		{ID: "d", Updated: 2, Index: Index{D: []Span{{"start", MinTime, 1}}, S: []SortKey{{"status", "b"}}}},
	}
	for _, c := range []struct {
		sorts []Sort
		want  string
	}{
		{nil, "abcd"},
		{[]Sort{{"_lastUpdated", false}}, "bcda"},
		{[]Sort{{"_lastUpdated", true}}, "acdb"},
		{[]Sort{{"start", false}}, "dabc"},
		{[]Sort{{"start", true}}, "badc"},
		{[]Sort{{"status", false}}, "badc"},
		{[]Sort{{"status", true}}, "adbc"},
		{[]Sort{{"status", false}, {"start", false}}, "bdac"},
	} {
		got := ""
		for _, d := range slices.SortedFunc(slices.Values(docs), func(a, b Doc) int { return Compare(c.sorts, a, b) }) {
			got += d.ID
		}
		require.Equal(t, c.want, got, "%v", c.sorts)
	}
}

// Each prefix at its edges: the asked span is [10,20].
func TestEachPrefixAtItsEdges(t *testing.T) {
	for _, c := range []struct {
		lo, hi int64
		holds  string
	}{
		{10, 20, "eq ge le ap"},
		{10, 21, "ne gt ge le ap"},
		{9, 20, "ne lt ge le ap"},
		{9, 21, "ne gt lt ge le ap"},
		{20, 20, "eq ge le ap"},
		{10, 10, "eq ge le ap"},
		{20, 21, "ne gt ge le ap"},
		{21, 21, "ne gt ge sa"},
		{9, 9, "ne lt le eb"},
		{9, 10, "ne lt ge le ap"},
		{MinTime, MaxTime, "ne gt lt ge le ap"},
	} {
		var got []string
		for _, op := range ops {
			if op.holds(c.lo, c.hi, 10, 20) {
				got = append(got, string(op))
			}
		}
		require.Equal(t, c.holds, strings.Join(got, " "), "[%d,%d]", c.lo, c.hi)
	}
}
