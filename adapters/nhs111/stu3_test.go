package nhs111

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/internal/xmltree"
)

// stu3Of reads a message as the door does and maps it to STU3.
func stu3Of(t testing.TB, body []byte) *fhir.Resource {
	t.Helper()
	text, err := xmltree.ToUTF8(body, "")
	require.NoError(t, err)
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: true})
	require.NoError(t, err)
	e, f := readEnvelope(root)
	require.Nil(t, f)
	documents, f := e.documents(text)
	require.Nil(t, f)
	bundle, err := mapSTU3(source{Envelope: e, Documents: documents, Message: body, Now: testNow, NewID: counter()},
		"http://localhost:8080/report", "1.0.3")
	require.NoError(t, err)
	return bundle
}

// referenceDefects are the entries that only our output has, by pair, and why
// the reference's output without them is broken.
var referenceDefects = map[string]map[string]string{
	"primary-emergency": {
		"Appointment":               "Encounter.appointment names it; a reference in a message must resolve",
		"Location (of appointment)": "Appointment.participant names it",
	},
}

func TestSTU3OutputEqualsTheReferenceAdaptors(t *testing.T) {
	for _, path := range sampleFiles(t, "adaptor-pairs", "*.request.xml") {
		pair := strings.TrimSuffix(filepath.Base(path), ".request.xml")
		t.Run(pair, func(t *testing.T) {
			raw, err := os.ReadFile(strings.TrimSuffix(path, ".request.xml") + ".expected-stu3.json")
			require.NoError(t, err)
			theirs, ours := readBundle(t, raw), readBundle(t, stu3Of(t, readSample(t, path)).JSON())
			require.Empty(t, ours.dangling, "every reference resolves")
			left := ours.without(referenceDefects[pair])
			require.Len(t, left, len(referenceDefects[pair]), "each listed entry is there")
			if len(left) > 0 {
				require.Equal(t, []string{"Encounter.appointment"}, theirs.dangling, "the reference still has the defect")
			}
			for _, line := range differences(theirs.flat(left), ours.flat(left)) {
				t.Error(line)
			}
		})
	}
}

func TestEveryReferenceOfTheComposedReportResolvesInSTU3(t *testing.T) {
	for _, interaction := range []string{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "copyRecipientNHS111CDADocument-v2-0"} {
		bundle := readBundle(t, stu3Of(t, compose(t, edit{"primaryOutofHourRecipientNHS111CDADocument-v2-0", interaction})).JSON())
		require.Empty(t, bundle.dangling)
	}
}

func TestSTU3NarrativeHoldsNoMarkupOfTheSendersOwn(t *testing.T) {
	text := `<text><content onclick="x()" styleCode="Bold">bold</content><script>run()</script>` +
		`<linkHtml href="javascript:x()">odd</linkHtml><linkHtml href="https://onward.test/a">good</linkHtml></text>`
	body := compose(t,
		edit{`<code code="886891000000102" codeSystem="2.16.840.1.113883.2.1.3.2.4.15" displayName="SectionCodeMarker"/>`,
			`<code code="887031000000108" codeSystem="2.16.840.1.113883.2.1.3.2.4.15"/>`},
		edit{`<text><content styleCode="Bold">Itching rash &amp; fever</content></text>`, text})
	bundle := readBundle(t, stu3Of(t, body).JSON())
	found := 0
	for _, e := range bundle.entries {
		switch e.resource["resourceType"] {
		case "Consent":
			found++
			div := e.resource["text"].(map[string]any)["div"].(string)
			require.Contains(t, div, `styleCode="Bold">bold</content>run() <linkHtml`)
			require.Contains(t, div, `href="https://onward.test/a">good`)
			require.NotContains(t, div, "javascript")
			require.NotContains(t, div, "onclick")
		case "Composition":
			found++
			raw, err := json.Marshal(e.resource["section"])
			require.NoError(t, err)
			require.NotContains(t, string(raw), "<script", "sections show markup as text")
		}
	}
	require.Equal(t, 2, found)
}

// plainBundle is a bundle as encoding/json reads it.
type plainBundle struct {
	typed    bool // name entries by type and number within it, not by place
	entries  []plainEntry
	rest     map[string]any
	dangling []string // paths of references that no entry has
}

type plainEntry struct {
	url      string
	resource map[string]any
}

func readBundle(t testing.TB, raw []byte) *plainBundle {
	t.Helper()
	b := &plainBundle{}
	require.NoError(t, json.Unmarshal(raw, &b.rest))
	urls := map[string]bool{}
	for _, e := range b.rest["entry"].([]any) {
		e := e.(map[string]any)
		b.entries = append(b.entries, plainEntry{e["fullUrl"].(string), e["resource"].(map[string]any)})
		urls[e["fullUrl"].(string)] = true
	}
	delete(b.rest, "entry")
	for _, e := range b.entries {
		var lines []string
		flatten(e.resource["resourceType"].(string), e.resource, func(url string) string { return "->" + url }, &lines)
		for _, line := range lines {
			if path, url, found := strings.Cut(line, ".reference = ->"); found && !urls[url] {
				b.dangling = append(b.dangling, path)
			}
		}
	}
	return b
}

// without finds the listed entries: resources by type, or the locations that an
// appointment names.
func (b *plainBundle) without(listed map[string]string) map[string]bool {
	left := map[string]bool{}
	for _, e := range b.entries {
		if e.resource["resourceType"] != "Appointment" || listed["Appointment"] == "" {
			continue
		}
		left[e.url] = true
		for _, p := range e.resource["participant"].([]any) {
			url := p.(map[string]any)["actor"].(map[string]any)["reference"].(string)
			for _, other := range b.entries {
				if other.url == url && other.resource["resourceType"] == "Location" {
					left[url] = true
				}
			}
		}
	}
	return left
}

// byType makes flat name entries by their type.
func (b *plainBundle) byType() *plainBundle {
	b.typed = true
	return b
}

// flat lists the values of a bundle by path, without what differs from run to
// run. References are compared by which entry they name. The order of arrays
// counts, except in List.entry.
func (b *plainBundle) flat(left map[string]bool) []string {
	position, count := map[string]string{}, map[any]int{}
	var kept []plainEntry
	for _, e := range b.entries {
		if left[e.url] {
			continue
		}
		typ := e.resource["resourceType"]
		position[e.url] = fmt.Sprintf("%03d %s", len(kept), typ)
		if b.typed {
			position[e.url] = fmt.Sprintf("%s %d", typ, count[typ])
			if ids, _ := e.resource["identifier"].([]any); typ == "Organization" && len(ids) > 0 {
				position[e.url] = fmt.Sprintf("%s %s", typ, ids[0].(map[string]any)["value"])
			}
			count[typ]++
		}
		kept = append(kept, e)
	}
	naming := func(url string) string {
		if at := position[url]; at != "" || url == "" && b.typed {
			return at
		}
		return "no entry"
	}
	var out []string
	for _, e := range kept {
		flatten(position[e.url], e.resource, naming, &out)
	}
	flatten("Bundle", b.rest, naming, &out)
	if b.typed { // written and read again, a time is in another spelling
		for i, line := range out {
			out[i] = strings.Replace(line, `+00:00"`, `Z"`, 1)
		}
	}
	return out
}

func flatten(path string, v any, naming func(string) string, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			switch url, text := member.(string); {
			case name == "id" && !strings.Contains(path, "MessageHeader") && path != "Bundle", name == "lastUpdated":
				*out = append(*out, path+"."+name+" is there")
			case name == "reference" && text:
				*out = append(*out, path+".reference = "+naming(url))
			default:
				flatten(path+"."+name, member, naming, out)
			}
		}
	case []any:
		for i, item := range v {
			place := fmt.Sprintf("%s[%d]", path, i)
			if strings.HasSuffix(path, " List.entry") || naming("") == "" && strings.HasSuffix(path, ".supportingInfo") {
				place = path + "[*]"
			}
			flatten(place, item, naming, out)
		}
	default:
		*out = append(*out, fmt.Sprintf("%s = %q", path, fmt.Sprint(v)))
	}
}

func differences(theirs, ours []string) []string {
	count := map[string]int{}
	for _, line := range theirs {
		count[line]++
	}
	var out []string
	for _, line := range ours {
		if count[line]--; count[line] < 0 {
			out = append(out, "only ours:   "+line)
		}
	}
	for _, line := range theirs {
		if count[line] > 0 {
			out = append(out, "only theirs: "+line)
			count[line]--
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i][13:] < out[j][13:] })
	return out
}

func TestSTU3CodesOfUsesFollowTheReferenceAdaptor(t *testing.T) {
	read := func(text string) *xmltree.Node {
		root, err := xmltree.Read([]byte(text), xmltree.Rules{})
		require.NoError(t, err)
		return root
	}
	for use, want := range map[string]string{"H": `{"use":"home","city":"x"}`, "HP": `{"use":"home","city":"x"}`, "WP": `{"use":"work","city":"x"}`,
		"TMP": `{"use":"temp","city":"x"}`, "PHYS": `{"type":"physical","city":"x"}`, "XX": `{"city":"x"}`} {
		require.Equal(t, want, string(stu3Address(read(`<addr use="`+use+`"><city>x</city></addr>`)).JSON()), use)
	}
	for use, want := range map[string]string{"H": "home", "HV": "home", "HP": "", "MC": "mobile", "WP": "work", "EC": ""} {
		got := stu3Telecoms([]*xmltree.Node{read(`<telecom use="` + use + `" value="fax:1"/>`)})[0]
		require.Equal(t, string(fhir.Obj("system", "other", "value", "fax:1", "use", want).JSON()), string(got.JSON()), use)
	}
}
