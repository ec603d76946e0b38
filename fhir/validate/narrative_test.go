package validate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestNarrativeIsBasicXHTML(t *testing.T) {
	const (
		malformed = "value Patient.text.div"
		txt1      = "rule Patient.text.div txt-1"
		txt2      = "rule Patient.text.div txt-2"
	)
	div := func(inside string) string { return `<div xmlns="http://www.w3.org/1999/xhtml">` + inside + `</div>` }
	cases := []struct{ name, div, want string }{
		{"text", div(`a`), ""},
		{"all sorts of formatting", div(`<p class="a" style='b'>a<br/><b>b</b> <em>c</em></p><table border="1"><thead><tr><th colspan="2">d</th></tr></thead><tbody><tr><td>e</td></tr></tbody></table><hr /><ul><li>f</li></ul>`), ""},
		{"a link and an image", div(`<a href="https://a.example?a=1&amp;b=2">a</a><img src="#b" alt="c"/>`), ""},
		{"an image alone", div(`<img src="#b"/>`), ""},
		{"characters and entities", div(`&lt;&#160;&#xE9;é&amp;&quot;&apos;`), ""},
		{"one character by its number", div(`&#65;`), ""},
		{"a comment", div(`a<!-- b - c -->`), ""},
		{"a language", div(`<p xml:lang="cy" lang="cy">a</p>`), ""},
		{"a namespace in single quotes", `<div xmlns='http://www.w3.org/1999/xhtml' >a</div >`, ""},
		{"the namespace again", div(`<p xmlns="http://www.w3.org/1999/xhtml">a</p>`), ""},
		{"line ends and tabs", div("\n\t<p\n class='a'>\r\na</p>"), ""},

		{"a script", div(`<script>a</script>`), txt1},
		{"a form", div(`<form>a</form>`), txt1},
		{"a style sheet", div(`<style>a</style>`), txt1},
		{"an iframe", div(`<iframe src="a"/>`), txt1},
		{"deleted text", div(`<del>a</del>`), txt1},
		{"an event", div(`<p onclick="a">a</p>`), txt1},
		{"an element in capitals", div(`<P>a</P>`), txt1},
		{"an element with a prefix", div(`<h:p>a</h:p>`), txt1},
		{"an unknown long name", div(`<` + strings.Repeat("a", 100) + `>a`), txt1},
		{"a link that runs a script", div(`<a href="javascript:a()">a</a>`), txt1},
		{"one that hides it", div(`<a href=" Java&#115;cript&#x3a;a()">a</a>`), txt1},
		{"an image that runs a script", div(`<img src="vbscript:a"/>`), txt1},

		{"nothing", div(``), txt2},
		{"only white space", div(" \n<p> &#10;</p>"), txt2},
		{"only a comment", div(`<!-- a -->`), txt2},
		{"an image without a source", div(`<img alt="a"/>`), txt2},
		{"an empty div", `<div xmlns="http://www.w3.org/1999/xhtml"/>`, txt2},

		{"no namespace", `<div>a</div>`, malformed},
		{"another namespace", `<div xmlns="http://a.example">a</div>`, malformed},
		{"another element", `<p xmlns="http://www.w3.org/1999/xhtml">a</p>`, malformed},
		{"no element", `a`, malformed},
		{"text in front", ` ` + div(`a`), malformed},
		{"text behind", div(`a`) + "\n", malformed},
		{"two divs", div(`a`) + div(`b`), malformed},
		{"a comment in front", `<!-- a -->` + div(`a`), malformed},
		{"not closed", `<div xmlns="http://www.w3.org/1999/xhtml">a`, malformed},
		{"closed wrongly", div(`<p><b>a</p></b>`), malformed},
		{"closed too often", div(`a</p>`), malformed},
		{"an end tag first", `</div>`, malformed},
		{"an entity of HTML", div(`&nbsp;`), malformed},
		{"an entity that isn't closed", div(`a & b`), malformed},
		{"a character that XML doesn't have", div(`&#0;`), malformed},
		{"half a surrogate", div(`&#xD800;`), malformed},
		{"a character beyond Unicode", div(`&#x110000;`), malformed},
		{"a number that would overflow", div(`&#x10000000000000041;`), malformed},
		{"an empty character reference", div(`&#;`), malformed},
		{"an attribute without quotes", div(`<p class=a>b</p>`), malformed},
		{"an attribute without value", div(`<td nowrap>b</td>`), malformed},
		{"an attribute twice", div(`<p class="a" class="b">b</p>`), malformed},
		{"attributes without a space", div(`<p class="a"id="b">b</p>`), malformed},
		{"a tag in an attribute", div(`<p class="<">b</p>`), malformed},
		{"an instruction", div(`<?a b?>c`), malformed},
		{"CDATA", div(`<![CDATA[a]]>`), malformed},
		{"a document type", `<!DOCTYPE div>` + div(`a`), malformed},
		{"a comment that isn't closed", `<div xmlns="http://www.w3.org/1999/xhtml">a<!-- b`, malformed},
		{"two hyphens in a comment", div(`a<!-- b -- c -->`), malformed},
		{"a control character", div("a\x01"), malformed},
		{"too deep", div(strings.Repeat("<b>", 100) + "a" + strings.Repeat("</b>", 100)), malformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := []string{}
			if c.want != "" {
				want = append(want, c.want)
			}
			text := `{"resourceType":"Patient","text":{"status":"generated","div":` + string(fhir.Quote(c.div)) + `}}`
			require.Equal(t, want, issues(t, text))
			escaped := strings.ReplaceAll(strings.ReplaceAll(text, "<", `\u003c`), "é", `\u00E9`)
			require.Equal(t, want, issues(t, escaped), "escapes make no difference")
		})
	}
	require.Equal(t, []string{"structure Patient.text.div"}, issues(t, patient(`"text":{"status":"empty","div":{"p":1}}`)))
	require.Equal(t, []string{"value Patient.text.div"}, issues(t, patient(`"text":{"status":"empty","div":""}`)))
}
