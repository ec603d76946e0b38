package nhs111

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDump(t *testing.T) {
	m, _, err := through(compose(t), "", strictRules())
	require.NoError(t, err)
	var b bytes.Buffer
	json.Indent(&b, m.Bundle.JSON(), "", " ")
	t.Log(b.String())
}
