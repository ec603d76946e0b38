package nhs111

import (
	"bytes"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	attributes = regexp.MustCompile(`="[^"]*"`)
	texts      = regexp.MustCompile(`>[^<>]+<`)
	oddValues  = []string{"", " ", " a ", "a  b", "ä/ö?", "2026-13-45", "-1", "x:y z"}
)

// A sender may write anything where the wire format only knows a string. The
// room keeps what is wrong with the mapping with a warning, so this is where it
// is found: each attribute and each text of a report is odd once.
func TestOddValuesNeverBecomeWrongFHIR(t *testing.T) {
	raw, err := os.ReadFile("testdata/report.xml")
	require.NoError(t, err)
	taken := 0
	seen := map[string]int{}
	for i, spot := range append(attributes.FindAllIndex(raw, -1), texts.FindAllIndex(raw, -1)...) {
		open, shut := spot[0]+1, spot[1]-1
		if raw[spot[0]] == '=' {
			open++
		}
		odd := oddValues[i%len(oddValues)]
		if bytes.HasSuffix(raw[:spot[0]], []byte("ode")) {
			odd = "a  b" // what a FHIR code can't be
		}
		mapped, _, err := through([]byte(string(raw[:open])+odd+string(raw[shut:])), "", compatRules())
		if err != nil {
			continue
		}
		taken++
		for _, f := range faults(mapped) {
			if seen[f]++; seen[f] == 1 {
				t.Errorf("%q for %s: %s", odd, raw[spot[0]:spot[1]], f)
			}
		}
	}
	require.Greater(t, taken, 200, "most are no reason to refuse")
}
