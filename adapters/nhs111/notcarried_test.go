package nhs111

import (
	"strings"
	"testing"

	"github.com/onward-health/onward/internal/xmltree"
	"github.com/stretchr/testify/require"
)

// leaf is one value of the document: an attribute or an element's text.
type leaf struct{ path, value string }

func leaves(n *xmltree.Node, path string, out []leaf) []leaf {
	for _, a := range n.Attrs {
		out = append(out, leaf{path + "/@" + a.Local, a.Value})
	}
	for _, c := range n.Children {
		if c.Local != "" {
			out = leaves(c, path+"/"+c.Local, out)
		} else if text := oneLine(c.Text); text != "" {
			out = append(out, leaf{path, text})
		}
	}
	return out
}

func omitted(path string) bool { return matches(NotCarried, path) }

func matches(list []Omission, path string) bool {
	for _, o := range list {
		if suffix, any := strings.CutPrefix(o.Path, "//"); any {
			if strings.HasSuffix(path, "/"+suffix) || strings.Contains(path, "/"+suffix+"/") {
				return true
			}
		} else if path == o.Path || strings.HasPrefix(path, o.Path+"/") {
			return true
		}
	}
	return false
}

// carried looks for a value in the resources in the forms that the mapping
// gives it.
func carried(resources, value string) bool {
	uses := map[string]string{"H": "home", "HP": "home", "WP": "work", "MC": "mobile", "PHYS": "physical"}
	if word := uses[value]; word != "" {
		return strings.Contains(resources, `"use":"`+word) || strings.Contains(resources, `"type":"`+word)
	}
	if grid := gridForm.FindStringSubmatch(value); grid != nil {
		return strings.Contains(resources, grid[1]) && strings.Contains(resources, grid[2])
	}
	forms := []string{value, strings.ToLower(value), strings.ReplaceAll(value, " ", "")}
	if _, rest, ok := strings.Cut(value, ":"); ok {
		forms = append(forms, rest) // tel:, mailto:
	}
	if t, err := parseHL7Time(value); err == nil {
		forms = append(forms, t.dateTime())
	}
	if system, ok := systemOf(value); ok {
		forms = append(forms, system)
	}
	for _, form := range forms {
		if strings.Contains(resources, form) {
			return true
		}
	}
	return false
}

func TestEveryValueOfAReportIsCarriedOrListedAsNotCarried(t *testing.T) {
	body := compose(t)
	mapped, e, err := through(body, "", strictRules())
	require.NoError(t, err)
	var resources strings.Builder
	for _, entry := range entriesOf(mapped) {
		if entry.Resource.Type() != "Binary" {
			resources.Write(entry.Resource.JSON())
		}
	}
	document := payloadElement(e.Payloads[0])
	all := leaves(document, "ClinicalDocument", nil)
	require.Greater(t, len(all), 250)
	for _, l := range all {
		if !omitted(l.path) && !carried(resources.String(), l.value) {
			t.Errorf("%s (%s) is neither carried nor listed", l.path, l.value)
		}
	}
	for _, o := range NotCarried {
		require.NotEmpty(t, o.Why, o.Path)
		found := false
		for _, l := range all {
			if matches([]Omission{o}, l.path) {
				found = true
				if len(l.value) > 6 && strings.HasSuffix(l.value, "Marker") {
					require.NotContains(t, resources.String(), l.value, "%s is carried after all", o.Path)
				}
			}
		}
		require.True(t, found, "the composed report doesn't show %s", o.Path)
	}
}

func TestAMappingListsWhatOnlyTheDocumentHolds(t *testing.T) {
	paths := func(edits ...edit) []string {
		mapped, _, err := through(compose(t, edits...), "", strictRules())
		require.NoError(t, err)
		var out []string
		for _, o := range mapped.Omitted {
			require.False(t, o.Structure)
			out = append(out, o.Path)
		}
		provenance := resourcesOf(mapped)["Provenance"][0]
		for i, path := range out {
			issue := provenance.Get("contained").At(0).Get("issue").At(i)
			require.Equal(t, path, issue.Dig("expression").At(0).Text())
		}
		return out
	}
	all := paths()
	for _, path := range []string{"ClinicalDocument/dataEnterer", "ClinicalDocument/author/functionCode",
		"ClinicalDocument/component/structuredBody/component/section/entry[COCD_TP146091GB01]"} {
		require.Contains(t, all, path)
	}
	require.NotContains(t, all, "ClinicalDocument/typeId", "structure says nothing about the patient")
	text := string(compose(t))
	require.NotContains(t, paths(edit{cut(t, text, "<dataEnterer", "</dataEnterer>"), ""}), "ClinicalDocument/dataEnterer")
	require.Contains(t, paths(edit{"<dataEnterer ", "<newElement/><dataEnterer "}), "ClinicalDocument/newElement", "what no report has is listed too")
}
