package fhirxml

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/r4"
)

// FuzzToJSON checks that what is taken is well-formed for the standard
// library's parser too, and that nothing of it is lost on the way back.
func FuzzToJSON(f *testing.F) {
	for _, pair := range pairs {
		f.Add([]byte(pair.xml))
	}
	f.Add([]byte("\uFEFF" + xmlHead + `<f:Slot xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text><h:div h='a'/></f:text></f:Slot>`))
	f.Add([]byte(openDiv + "&#10;<![CDATA[\r\n]]>" + closeDiv))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := ToJSON(text, r4.Tables)
		if err != nil {
			require.Nil(t, first)
			return
		}
		requireWellFormed(t, text)
		back, err := FromJSON(first, r4.Tables)
		if err != nil { // both bound the depth, but JSON's counts arrays too
			require.Equal(t, fhir.KindTooComplex, fhir.AsOutcome(err).Kind, err)
			return
		}
		requireWellFormed(t, back)
		again, err := ToJSON(back, r4.Tables)
		require.NoError(t, err)
		require.Equal(t, string(first.JSON()), string(again.JSON()))
	})
}

// FuzzFromJSON checks that XML which is written can be read and means the
// same.
func FuzzFromJSON(f *testing.F) {
	for _, pair := range pairs {
		f.Add([]byte(pair.json))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := fhir.Parse(text)
		if err != nil {
			return
		}
		back, err := FromJSON(first, r4.Tables)
		if err != nil {
			require.Nil(t, back)
			return
		}
		requireWellFormed(t, back)
		again, err := ToJSON(back, r4.Tables)
		require.NoError(t, err)
		if !strings.Contains(string(back), ":div") { // a prefix in the narrative is written anew
			require.Equal(t, meaning(t, first), meaning(t, again))
		}
	})
}

func requireWellFormed(t *testing.T, text []byte) {
	decoder := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\uFEFF"))))
	for {
		_, err := decoder.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
	}
}
