package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// Ensure that the README's tour prints what it says, pasted as it stands.
func TestTheTourOfTheReadmeRuns(t *testing.T) { runPage(t, "README.md") }

// Ensure that a patient gets from the directory to a booked slot and a referral
// as the directory's page says.
func TestTheRunFromDirectoryToReferralRuns(t *testing.T) { runPage(t, "docs/doors/dos.md") }

// Ensure that the page of the BaRS sandbox prints what it says.
func TestTheBaRSSandboxPageRuns(t *testing.T) { runPage(t, "docs/doors/bars-sandbox.md") }

// blocksOf joins the shell blocks of a page and lists what they say they print.
func blocksOf(page string) (script string, expected []string) {
	for _, block := range shellBlock.FindAllStringSubmatch(page, -1) {
		script += block[1]
		for _, line := range strings.Split(block[1], "\n") {
			if text, found := strings.CutPrefix(line, "# => "); found {
				expected = append(expected, text)
			}
		}
	}
	return script, expected
}

// runPage pastes the shell blocks of a page into a shell beside a fresh server.
func runPage(t *testing.T, path string) {
	t.Helper()
	page, err := os.ReadFile("../../" + path)
	require.NoError(t, err)
	script, expected := blocksOf(string(page))
	require.NotEmpty(t, expected)
	s := start(t)
	shell := exec.Command("sh", "-e", "-u", "-c", strings.ReplaceAll(script, "http://127.0.0.1:8080", s.url))
	shell.Dir = "../.."
	var stderr strings.Builder
	shell.Stderr = &stderr
	out, err := shell.Output()
	require.NoError(t, err, "%s\n%s\n%s", out, stderr.String(), s.log())
	require.Equal(t, expected, strings.Split(strings.TrimSpace(string(out)), "\n"))
}
