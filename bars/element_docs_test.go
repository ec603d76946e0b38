package bars_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
)

const rulesPage = "../docs/doors/bars-rules.md"

// rulesTable writes the rules as the page has them.
func rulesTable() string {
	tried := map[string][]string{}
	for _, b := range breakings {
		tried[b.rule] = append(tried[b.rule], "`"+b.message+"`")
	}
	var out strings.Builder
	out.WriteString("| requirement | element | applications | messages | rule | broken in |\n|---|---|---|---|---|---|\n")
	for _, r := range bars.ElementRules() {
		element := r.Path
		if r.On != "*" {
			element = r.On + "." + r.Path
		}
		apps := "all"
		if len(r.Apps) > 0 {
			apps = strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Apps), " ", ", "), "[]")
		}
		messages := "all"
		if len(r.Messages) > 0 {
			messages = strings.Join(r.Messages, ", ")
		}
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s | `%s` | %s |\n", strings.ReplaceAll(r.Text, "|", "\\|"), element, apps, messages, r.ID, strings.Join(tried[r.ID], " "))
	}
	return out.String()
}

// The page's table is written from the rules and their tests: with
// ONWARD_WRITE_DOCS set this test writes it, else it only looks.
func TestThePageOfElementRulesIsTrue(t *testing.T) {
	text, err := os.ReadFile(rulesPage)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), "<!-- rules -->\n")
	require.True(t, found)
	table, after, found := strings.Cut(rest, "<!-- end -->\n")
	require.True(t, found)
	if os.Getenv("ONWARD_WRITE_DOCS") != "" {
		require.NoError(t, os.WriteFile(rulesPage, []byte(before+"<!-- rules -->\n"+rulesTable()+"<!-- end -->\n"+after), 0o644))
		return
	}
	require.Equal(t, rulesTable(), table, "write it anew: ONWARD_WRITE_DOCS=1 go test ./bars -run TestThePageOfElementRulesIsTrue")
}
