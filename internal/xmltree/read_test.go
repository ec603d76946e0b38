package xmltree

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

func TestReaderRefusesWhatEncodingXMLLetsPass(t *testing.T) {
	cases := []struct{ name, text, reason string }{
		{"a document type declaration", `<!DOCTYPE a><a/>`, "document type"},
		{"an internal entity", `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, "document type"},
		{"an external entity", `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>`, "document type"},
		{"a parameter entity", `<!DOCTYPE a [<!ENTITY % p SYSTEM "http://x.test/p">%p;]><a/>`, "document type"},
		{"an undeclared entity", `<a>&e;</a>`, "well-formed"},
		{"an unbound element prefix", `<p:a/>`, "prefix isn't declared"},
		{"an unbound attribute prefix", `<a p:b="1"/>`, "prefix isn't declared"},
		{"a name with two colons", `<a:b:c xmlns:a="x"/>`, "well-formed"},
		{"a prefix bound to nothing", `<p:a xmlns:p=""/>`, "declared wrongly"},
		{"the xml prefix bound elsewhere", `<a xmlns:xml="x"/>`, "declared wrongly"},
		{"the xml namespace on another prefix", `<a xmlns:p="` + xmlNamespace + `"/>`, "declared wrongly"},
		{"an attribute twice", `<a b="1" b="2"/>`, "given twice"},
		{"an attribute twice by two prefixes", `<a xmlns:p="x" xmlns:q="x" p:b="1" q:b="2"/>`, "given twice"},
		{"a declaration twice", `<a xmlns:p="x" xmlns:p="y"/>`, "given twice"},
		{"xml:base", `<a xml:base="http://x.test/"/>`, "xml:base"},
		{"a second root", `<a/><b/>`, "second root"},
		{"text behind the root", `<a/>text`, "outside the root"},
		{"text before the root", `text<a/>`, "outside the root"},
		{"a missing end tag", `<a><b></a>`, "doesn't match"},
		{"an end tag of another prefix", `<p:a xmlns:p="x" xmlns:q="x"></q:a>`, "doesn't match"},
		{"an open root", `<a>`, "too early"},
		{"nothing", ``, "too early"},
		{"an instruction", `<?php x?><a/>`, "processing instruction"},
		{"a late declaration", ` <?xml version="1.0"?><a/>`, "declaration"},
		{"a null character", "<a>&#0;</a>", "well-formed"},
		{"depth", strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), "deeper than 64"},
		{"depth without end", strings.Repeat("<a>", 100_000), "deeper than 64"},
		{"many attributes", "<a" + manyAttributes(65) + "/>", "more than 64 attributes"},
		{"many namespaces", "<a" + strings.ReplaceAll(manyAttributes(50), " a", " xmlns:a") + "><b" + strings.ReplaceAll(manyAttributes(50), " a", " xmlns:b") + "><c" +
			strings.ReplaceAll(manyAttributes(50), " a", " xmlns:c") + "/></b></a>", "more than 128 namespaces"},
		{"many elements", "<a>" + strings.Repeat("<b/>", MaxElements) + "</a>", "more than 100000 elements"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read([]byte(c.text), Rules{})
			require.ErrorContains(t, err, c.reason)
			require.NotContains(t, err.Error(), "passwd")
		})
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d="x"`, i)
	}
	return b.String()
}

func TestReaderResolvesNamesTextAndLines(t *testing.T) {
	root, err := Read([]byte("<?xml version=\"1.0\"?>\n<!-- c --><p:a xmlns:p='one' xmlns='two' x='1' p:x='2'>\n<b xml:lang='en'>t<!-- c -->u<![CDATA[<v>]]></b><c xmlns=''/></p:a>"), Rules{})
	require.NoError(t, err)
	require.True(t, root.Is("one", "a"))
	require.Equal(t, "1", root.Attr("x"))
	v, _ := root.AttrIn("one", "x")
	require.Equal(t, "2", v)
	b := root.AllIn("two", "b")[0]
	require.Equal(t, "tu<v>", b.Content())
	require.Equal(t, 3, b.Line)
	require.Len(t, root.AllIn("", "c"), 1)
	require.Len(t, root.Elements(), 2)
}

func TestReaderPassesOverInstructionsOnlyWhenAllowed(t *testing.T) {
	_, err := Read([]byte(`<?xml-stylesheet href="x.xsl"?><a/>`), Rules{Instructions: true})
	require.NoError(t, err)
}

func TestStandaloneElementKeepsItsBytesAndNamespaces(t *testing.T) {
	text := []byte(`<o:w xmlns:o="outer" xmlns="def" xmlns:u="a&amp;b"><d attr='xmlns="no"' ><o:e u:f="1"/> x </d><e/></o:w>`)
	root, err := Read(text, Rules{})
	require.NoError(t, err)
	alone := root.Elements()[0].Standalone(text)
	require.True(t, strings.HasSuffix(string(alone), ` attr='xmlns="no"' ><o:e u:f="1"/> x </d>`))
	again, err := Read(alone, Rules{})
	require.NoError(t, err)
	require.True(t, again.Is("def", "d"))
	require.True(t, again.Elements()[0].Is("outer", "e"))
	value, _ := again.Elements()[0].AttrIn("a&b", "f")
	require.Equal(t, "1", value)
	require.Equal(t, `<e xmlns:u="a&amp;b" xmlns="def" xmlns:o="outer"/>`, string(root.Elements()[1].Standalone(text)))
}

func wide(s string, little bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if little {
			out = append(out, byte(u), byte(u>>8))
		} else {
			out = append(out, byte(u>>8), byte(u))
		}
	}
	return out
}

func TestCharacterEncodingsAreFoundAndContradictionsRefused(t *testing.T) {
	const name = `<?xml version="1.0" encoding="%s"?><a>Béla €</a>`
	with := func(encoding string) string { return fmt.Sprintf(name, encoding) }
	latin := strings.ReplaceAll(with("ISO-8859-1"), "Béla €", "B\xe9la")
	cases := []struct {
		name, body, http string
		want             string
		wrong            error
	}{
		{"UTF-8 declared", with("UTF-8"), "", "Béla €", nil},
		{"UTF-8 by mark", "\xef\xbb\xbf" + with("utf-8"), "utf-8", "Béla €", nil},
		{"nothing stated", "<a>Béla</a>", "", "Béla", nil},
		{"Latin 1 declared", latin, "", "Béla", nil},
		{"Latin 1 by HTTP", "<a>B\xe9la</a>", "iso-8859-1", "Béla", nil},
		{"windows-1252", strings.ReplaceAll(with("windows-1252"), "Béla €", "B\xe9la \x80"), `"windows-1252"`, "Béla €", nil},
		{"UTF-16 little with mark", "\xff\xfe" + string(wide(with("UTF-16"), true)), "", "Béla €", nil},
		{"UTF-16 big with mark", "\xfe\xff" + string(wide(with("UTF-16"), false)), "utf-16", "Béla €", nil},
		{"UTF-16 without mark", string(wide(with("UTF-16"), true)), "", "Béla €", nil},
		{"UTF-16 by HTTP only", string(wide("<a>Béla</a>", false)), "utf-16", "Béla", nil},
		{"HTTP against declaration", with("UTF-8"), "iso-8859-1", "", errCharsetMismatch},
		{"mark against declaration", "\xef\xbb\xbf" + with("ISO-8859-1"), "", "", errCharsetMismatch},
		{"mark against HTTP", "\xff\xfe" + string(wide("<a/>", true)), "utf-8", "", errCharsetMismatch},
		{"declared UTF-16, sent UTF-8", with("UTF-16"), "utf-8", "Béla €", nil},
		{"declared UTF-16, sent UTF-8 with its mark", "\xef\xbb\xbf" + with("UTF-16"), "utf-8", "Béla €", nil},
		{"declared UTF-16, UTF-8 by mark alone", "\xef\xbb\xbf" + with("utf-16"), "", "Béla €", nil},
		{"declared and by HTTP UTF-16, UTF-8 by mark", "\xef\xbb\xbf" + with("utf-16"), "utf-16", "", errCharsetMismatch},
		{"declared Latin 1, UTF-8 by HTTP", with("ISO-8859-1"), "utf-8", "Béla €", nil},
		{"declared UTF-8, Latin 1 by HTTP and bytes", strings.ReplaceAll(with("UTF-8"), "Béla €", "B\xe9la"), "iso-8859-1", "Béla", nil},
		{"declared UTF-8, Latin 1 by HTTP, ASCII by bytes", strings.ReplaceAll(with("UTF-8"), "Béla €", "Bela"), "iso-8859-1", "Bela", nil},
		{"declared UTF-16 only", with("UTF-16"), "", "", errCharsetMismatch},
		{"UTF-7", with("UTF-7"), "", "", errCharset},
		{"EBCDIC by HTTP", "<a/>", "ebcdic-cp-us", "", errCharset},
		{"broken UTF-8", "<a>\xff\xff</a>", "utf-8", "", errEncoding},
		{"half a UTF-16 unit", "\xff\xfe<\x00a", "", "", errEncoding},
		{"a lone surrogate", "\xff\xfe<\x00a\x00>\x00\x00\xd8", "", "", errEncoding},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text, err := ToUTF8([]byte(c.body), c.http)
			require.ErrorIs(t, err, c.wrong)
			if c.wrong != nil {
				return
			}
			root, err := Read(text, Rules{})
			require.NoError(t, err)
			require.Equal(t, c.want, root.Content())
		})
	}
}

func FuzzReadXML(f *testing.F) {
	f.Add([]byte(`<p:a xmlns:p="x" p:b="1">t<c/><![CDATA[x]]></p:a>`), "")
	f.Add([]byte("\xff\xfe<\x00a\x00/\x00>\x00"), "utf-16")
	f.Add([]byte(`<!DOCTYPE a><a/>`), "utf-8")
	f.Add([]byte(`<a xmlns="" xml:lang="en" b='>'><b c="&lt;"/></a>`), "iso-8859-1")
	f.Fuzz(func(t *testing.T, body []byte, charset string) {
		text, err := ToUTF8(body, charset)
		if err != nil {
			return
		}
		root, err := Read(text, Rules{})
		if err != nil {
			return
		}
		// What was read must stand on its own and mean the same.
		again, err := Read(root.Standalone(text), Rules{})
		if err != nil || again.Space != root.Space || again.Local != root.Local || len(again.Children) != len(root.Children) {
			t.Fatalf("the element doesn't stand on its own: %v", err)
		}
	})
}

// What Read takes, encoding/xml takes too, and finds the same elements,
// attributes and text in it.
func FuzzReadAgreesWithEncodingXML(f *testing.F) {
	for _, seed := range []string{
		`<p:a xmlns:p="x" p:b="1">t<c/><![CDATA[x]]></p:a>`,
		"<?xml version='1.0' encoding='utf-8' ?>\r\n<a\tb = \"&#x41;&amp;\">\r\nx\ry<!-- c -->z&lt;</a >\n",
		`<a xmlns="u"><b xmlns="" é="1"/><?pi x?></a>`,
		"<a b='\u00e9 ]]> >'>]] ></a>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, err := Read([]byte(text), Rules{Instructions: true})
		if err != nil {
			return
		}
		var want strings.Builder
		d := xml.NewDecoder(strings.NewReader(text))
		d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil && strings.Contains(err.Error(), "invalid XML name") {
				return // it knows the names of XML 1.0's fourth edition, we those of the fifth
			}
			require.NoError(t, err)
			switch token := token.(type) {
			case xml.StartElement:
				want.WriteString("<" + token.Name.Local)
				for _, a := range token.Attr {
					if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
						want.WriteString(" " + a.Name.Local)
					}
				}
				want.WriteString(">")
			case xml.EndElement:
				want.WriteString("</>")
			case xml.CharData:
				want.Write(token)
			}
		}
		var got strings.Builder
		flatten(&got, root)
		require.Equal(t, strings.TrimSpace(want.String()), got.String())
	})
}

func flatten(b *strings.Builder, n *Node) {
	if n.Local == "" {
		b.WriteString(n.Text)
		return
	}
	b.WriteString("<" + n.Local)
	for _, a := range n.Attrs {
		b.WriteString(" " + a.Local)
	}
	b.WriteString(">")
	for _, c := range n.Children {
		flatten(b, c)
	}
	b.WriteString("</>")
}
