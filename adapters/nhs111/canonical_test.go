package nhs111

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/xmltree"
)

func TestTreesAreTheSameByWhatTheySay(t *testing.T) {
	tree := func(text string) *xmltree.Node {
		n, err := xmltree.Read([]byte(text), xmltree.Rules{Instructions: true})
		require.NoError(t, err)
		return n
	}
	const one = `<p:a xmlns:p="urn:x" b="1" p:c="2">text<d/>more</p:a>`
	for text, want := range map[string]bool{
		one: true,
		`<a xmlns="urn:x" xmlns:q="urn:x" q:c="2" b="1">te<!-- cut -->xt<d xmlns=""></d>m<![CDATA[ore]]></a>`: true,
		`<p:a xmlns:p="urn:y" b="1" p:c="2">text<d/>more</p:a>`:                                               false,
		`<p:a xmlns:p="urn:x" b="1" p:c="3">text<d/>more</p:a>`:                                               false,
		`<p:a xmlns:p="urn:x" b="1">text<d/>more</p:a>`:                                                       false,
		`<p:a xmlns:p="urn:x" b="1" c="2">text<d/>more</p:a>`:                                                 false,
		`<p:a xmlns:p="urn:x" b="1" p:c="2">text<d/>mor</p:a>`:                                                false,
		`<p:a xmlns:p="urn:x" b="1" p:c="2">textmore<d/></p:a>`:                                               false,
		`<p:a xmlns:p="urn:x" b="1" p:c="2">text<e/>more</p:a>`:                                               false,
		`<p:a xmlns:p="urn:x" b="1" p:c="2">text<d/>more<d/></p:a>`:                                           false,
	} {
		require.Equal(t, want, same(tree(one), tree(text)), text)
		require.Equal(t, want, same(tree(text), tree(one)), text)
	}
}
