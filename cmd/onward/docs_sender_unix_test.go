//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Ensure that the two processes of the sender's page do what it says, through a
// kill and through the proxy.
func TestTheSendersPageRuns(t *testing.T) {
	page, err := os.ReadFile("../../docs/doors/bars-sender.md")
	require.NoError(t, err)
	script, expected := blocksOf(string(page))
	require.NotEmpty(t, expected)
	binary, err := builtOnce()
	require.NoError(t, err)
	path := t.TempDir()
	require.NoError(t, os.Symlink(binary, filepath.Join(path, "onward")))
	script = strings.NewReplacer("127.0.0.1:8080", freeAddress(t), "127.0.0.1:9090", freeAddress(t)).Replace(script)
	shell := exec.Command("sh", "-e", "-u", "-c", script)
	shell.Dir = "../.."
	shell.Env = append(os.Environ(), "PATH="+path+string(os.PathListSeparator)+os.Getenv("PATH"), "TMPDIR="+t.TempDir())
	// One group, so that the servers end too, wherever the script stopped.
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.Cleanup(func() { _ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) })
	var stderr strings.Builder
	shell.Stderr = &stderr
	shell.WaitDelay = 5 * time.Second
	out, err := shell.Output()
	require.NoError(t, err, "%s\n%s", out, stderr.String())
	require.Equal(t, expected, strings.Split(strings.TrimSpace(string(out)), "\n"))
}
