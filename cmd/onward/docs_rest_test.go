package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

const restPages = "../../docs/doors/fhir-rest"

var (
	wantedStatus = regexp.MustCompile(`(?m)^# (\d{3})$`)
	statusLine   = regexp.MustCompile(`HTTP/1\.1 (\d{3}) `) // a body ends without a line break
	quoted       = regexp.MustCompile("`([^`]+)`")
	leads        = regexp.MustCompile(`(?m)(Interactions|Operations): ([^.]*)`)
	links        = regexp.MustCompile(`\]\(([^)#]+)`)
)

// pagesOf reads the pages of the REST door, by name.
func pagesOf(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(restPages + "/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	pages := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		pages[filepath.Base(name)] = string(text)
	}
	return pages
}

// Ensure that each example of the REST pages is answered as the page says.
func TestTheExamplesOfTheRESTPagesAreAnsweredAsTheySay(t *testing.T) {
	s := start(t)
	for name, page := range pagesOf(t) {
		t.Run(name, func(t *testing.T) {
			for _, block := range shellBlock.FindAllStringSubmatch(page, -1) {
				script := strings.ReplaceAll(block[1], "http://127.0.0.1:8080", s.url)
				require.NotEqual(t, block[1], script)
				out, err := exec.Command("sh", "-ec", script).CombinedOutput()
				require.NoError(t, err, "%s", out)
				require.Equal(t, found(wantedStatus, block[1]), found(statusLine, string(out)), "%s\n%s", script, out)
			}
		})
	}
}

func found(pattern *regexp.Regexp, text string) (all []string) {
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

// Ensure that each advertised interaction has a page, with an example and with
// what isn't supported, and that no page names one that isn't advertised.
func TestTheRESTPagesNameWhatIsAdvertisedAndNothingElse(t *testing.T) {
	s := start(t, "--store", "sqlite::memory:", "--no-sandbox")
	advertised := advertisedBy(s.do("GET", "/FHIR/R4/metadata", nil, nil).resource(t))
	index, err := os.ReadFile("../../docs/doors/fhir-rest.md")
	require.NoError(t, err)
	named := []string{}
	for name, page := range pagesOf(t) {
		require.Contains(t, string(index), "(fhir-rest/"+name+")", "the index links no page %s", name)
		require.Contains(t, page, "\nSince: ", name)
		require.Contains(t, page, "\n## Not supported\n", name)
		require.NotEmpty(t, shellBlock.FindString(page), "%s has no example", name)
		for _, lead := range leads.FindAllStringSubmatch(page, -1) {
			for _, code := range quoted.FindAllStringSubmatch(lead[2], -1) {
				if strings.HasPrefix(code[1], "conditional") || code[1] == "single" {
					continue // a property of a type
				}
				require.Contains(t, advertised, code[1], name)
				named = append(named, code[1])
			}
		}
		for _, link := range links.FindAllStringSubmatch(page, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			_, err := os.Stat(filepath.Join(restPages, link[1]))
			require.NoError(t, err, "%s links a page that isn't there", name)
		}
	}
	for _, code := range advertised {
		if code == "search-type" && pagesOf(t)["search.md"] == "" {
			continue // the index itself describes it
		}
		require.Contains(t, named, code, "no page for an advertised interaction")
	}
}

// advertisedBy lists the interactions and the operations on types.
func advertisedBy(statement *fhir.Resource) (all []string) {
	add := func(code string) {
		if !slices.Contains(all, code) {
			all = append(all, code)
		}
	}
	rest := statement.Get("rest").At(0)
	for interaction := range rest.Get("interaction").Items() {
		add(interaction.Get("code").Text())
	}
	for resource := range rest.Get("resource").Items() {
		for interaction := range resource.Get("interaction").Items() {
			add(interaction.Get("code").Text())
		}
		for operation := range resource.Get("operation").Items() {
			add(operation.Get("name").Text())
		}
	}
	return all
}
