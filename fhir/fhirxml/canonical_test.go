package fhirxml

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// meaning decodes a resource so that two can be compared that differ only in
// the order of members, in null at the end of an array that is filled up, and in the line ends
// of the narrative. Numbers keep their spelling.
func meaning(t testing.TB, r *fhir.Resource) any {
	decoder := json.NewDecoder(bytes.NewReader(r.JSON()))
	decoder.UseNumber()
	var v any
	require.NoError(t, decoder.Decode(&v))
	return canonical("", v)
}

func canonical(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = canonical(name, member)
			if list, ok := v[name].([]any); ok && len(list) == 0 {
				delete(v, name) // nothing but null
			}
		}
	case []any:
		for len(v) > 0 && v[len(v)-1] == nil {
			v = v[:len(v)-1]
		}
		for i := range v {
			v[i] = canonical("", v[i])
		}
		return v
	case string:
		if name == "div" {
			return strings.ReplaceAll(strings.ReplaceAll(v, "\r\n", "\n"), "\r", "\n")
		}
	}
	return v
}
