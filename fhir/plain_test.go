package fhir

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each byte, at each place of a run and with neighbours that could carry into it.
func TestAPlainRunEndsWhereAByteNeedsALook(t *testing.T) {
	for c := range 256 {
		needs := c < 0x20 || c >= 0x80 || c == '"' || c == '\\'
		for place := range 20 {
			for _, filler := range []byte{' ', '!', '#', '[', ']', 'a', 0x7f} {
				in := bytes.Repeat([]byte{filler}, 20)
				in[place] = byte(c)
				want := len(in)
				if needs {
					want = place
				}
				require.Equal(t, want, plainRun(in, 0), "%q at %d", c, place)
			}
		}
	}
}
