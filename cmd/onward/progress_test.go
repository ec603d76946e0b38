package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ensure that a task which is over stands at where it came to, not at where it was
// last looked at.
func TestProgressEndsWhereTheTaskDid(t *testing.T) {
	for _, row := range []struct {
		terminal bool
		want     string
	}{
		{false, "checking\ncopying:   0 %, 0 of 40\ncopying:  98 %, 39 of 40\n"},
		{true, "\r\033[Kchecking\n\r\033[K[..............................] copying:   0 %, 0 of 40\r\033[K[#############################.] copying:  98 %, 39 of 40\n"},
	} {
		var out bytes.Buffer
		p := &progress{out: &out, terminal: row.terminal}
		p.show("checking", 0, 0)
		p.show("copying", 0, 40)
		p.show("copying", 39, 40)
		p.end()
		p.end()
		require.Equal(t, row.want, out.String())
	}
}
