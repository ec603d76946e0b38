package mongo_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// proofCommand runs what `make mongo-proof` does.
func proofCommand(t *testing.T, uri string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command("../../.ci/mongo-proof", args...)
	cmd.Env = append(os.Environ(), "ONWARD_TEST_MONGODB="+uri)
	text, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	require.True(t, err == nil || errors.As(err, &ended), "%v", err)
	return cmd.ProcessState.ExitCode(), string(text)
}

func TestTheProofSaysThatItNeedsAServer(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash here, which the command needs")
	}
	code, out := proofCommand(t, "")
	require.Equal(t, 2, code, out)
	require.Contains(t, out, "set ONWARD_TEST_MONGODB")
}

func TestTheProofCountsWhatWasProven(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash here, which the command needs")
	}
	fake := serve(t, fakereplset.Options{})
	code, out := proofCommand(t, fake.URI(), "^TestRealServerHasTheIndexes$")
	require.Equal(t, 0, code, out)
	require.Regexp(t, `(?m)^HasTheIndexes +PASS`, out)
	require.Contains(t, out, "1 proven, 0 not")

	code, out = proofCommand(t, fake.URI(), "^TestRealServer(HasTheIndexes|SearchesByIndex)$")
	require.Equal(t, 1, code, "the fake explains nothing: %s", out)
	require.Regexp(t, `(?m)^SearchesByIndex +FAIL`, out)
	require.Contains(t, out, "1 proven, 1 not")

	code, out = proofCommand(t, fake.URI(), "^TestNothing$")
	require.Equal(t, 1, code, "no test is no proof: %s", out)
}
