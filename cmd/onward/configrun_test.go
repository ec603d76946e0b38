package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/conformance/sandbox"
	"github.com/onward-health/onward/internal/config"
)

func TestAServerTakesItsSettingsFromAFile(t *testing.T) {
	file := fileOf(t, "store: \"sqlite::memory:\"\ndialect: bars\nlisten: 127.0.0.1:1\n")
	s := start(t, "--config", file) // and --listen, which goes before
	require.Contains(t, s.log(), "a file of settings was read")
	require.Contains(t, s.log(), file)
	require.NotContains(t, s.log(), "Sandbox: sample services", "somebody has set this server up")
	require.Contains(t, s.log(), "sqlite::memory:")

	// What plain FHIR answers is no path of BaRS.
	a := s.do("GET", "/FHIR/R4/Patient", nil, nil)
	require.Equal(t, 404, a.status)
	_, word, _ := a.issue(t)
	require.Equal(t, "REC_NOT_FOUND", word)

	t.Setenv("ONWARD_DIALECT", "auto")
	t.Setenv("ONWARD_CONFIG", file)
	s = start(t, "--sandbox")
	require.Equal(t, 200, s.do("GET", "/FHIR/R4/Patient", nil, nil).status, "the environment goes before the file")
	require.Contains(t, s.log(), "Sandbox: sample services")
}

func TestTheLargestBodyIsADoorsOwn(t *testing.T) {
	s := start(t, "--config", fileOf(t, "max-body: 2000\nnhs111: {max-body: 3000}\nfhir: {max-body: 4000}\n"))
	for _, row := range []struct {
		path   string
		header http.Header
		most   int
	}{{"/FHIR/R4/Patient", plain(), 4000}, {messagePath, speaking(sandbox.UrgentTreatment), 4000}, {"/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, 3000}} {
		for size, want := range map[int]bool{row.most: false, row.most + 1: true} {
			a := s.do("POST", row.path, row.header, bytes.Repeat([]byte(" "), size))
			require.Equal(t, want, a.status == 413, "%s with %d bytes: %d", row.path, size, a.status)
		}
	}
	for _, flag := range []string{"--max-body", "--fhir-max-body", "--nhs111-max-body"} {
		require.Contains(t, refusedStart(t, flag+"=-1"), "must be above 0")
	}
}

func TestAWrongFileOfSettingsIsRefused(t *testing.T) {
	uri := "mongodb://user:swordfish@host/"
	open := fileOf(t, "store: "+uri)
	require.NoError(t, os.Chmod(open, 0o644))
	for name, row := range map[string]struct{ file, says string }{
		"unknown key":         {fileOf(t, "store: "+uri+"\n\nbars:\n  mdoe: strict\n"), ":4:3: bars.mdoe: there is no such setting; is bars.mode meant?"},
		"wrong type":          {fileOf(t, "max-body: "+uri), ":1:11: max-body: must be a whole number"},
		"wrong word":          {fileOf(t, "bars: {mode: '"+uri+"'}"), ":1:14: bars.mode: must be one of strict, lenient"},
		"duplicate key":       {fileOf(t, "store: "+uri+"\nstore: "+uri), ":2:1: store: is there twice, first in line 1"},
		"no YAML":             {fileOf(t, "store: |"+uri), ":1:8: isn't YAML"},
		"mountain of aliases": {fileOf(t, "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"), ":1:4: anchors, aliases and merge keys aren't taken"},
		"huge":                {fileOf(t, strings.Repeat("#", config.MaxSize+1)), "is larger than"},
		"for everybody":       {open, ":1: store: holds a password, and everybody on this machine may read the file"},
		"none":                {filepath.Join(t.TempDir(), "none.yaml"), "can't be read"},
		"folder":              {t.TempDir(), "is no regular file"},
	} {
		for _, command := range []string{"serve", "serve --check", "serve --show-settings", "outbox list", "store check", "seed --scale 1"} {
			got := onward(t, append(strings.Fields(command), "--config", row.file)...)
			require.Equal(t, exitUsage, got.code, "%s, %s: %s", name, command, got.err)
			require.Contains(t, got.err, row.says, name)
			require.Contains(t, got.err, row.file, name)
			require.NotContains(t, got.err+got.out, "swordfish", name)
			require.NotContains(t, got.out, "Usage", name)
		}
	}
}

func TestCheckFindsWhatAStartWouldWithoutOne(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x", "onward.db")
	good := fmt.Sprintf("store: 'sqlite:%s'\nlisten: 127.0.0.1:1\n", db) // root alone could listen there
	got := onward(t, "serve", "--check", "--config", fileOf(t, good))
	require.Zero(t, got.code, got.err)
	require.Equal(t, "the settings are good\n", got.out)
	require.NoDirExists(t, filepath.Dir(db))
	for text, says := range map[string]string{
		"tls: {cert: none.pem, key: none.pem}":                                    "--tls-cert",
		"base-url: http://other.example":                                          "--base-url",
		"bars: {service-mode: {1: loose}}":                                        "--bars-service-mode",
		"bars: {organisation: {1: ['?']}}":                                        "--bars-organisation",
		"bars: {registry: nowhere}":                                               "--bars-registry",
		"bars: {send-ca: none.pem}":                                               "--bars-send-ca",
		"nhs111: {signers: none.pem}":                                             "--nhs111-signers",
		"nhs111: {route: {1: nowhere}}":                                           "--nhs111-route",
		"dos: {url: 'http://127.0.0.1:1', username: me, password-file: none.txt}": "--dos-password-file",
		"profiles: none":                                                          "--profiles",
		"subscription-allow: ['a b']":                                             "--subscription-allow",
		"sandbox-route: {1: 'http://127.0.0.1:1'}":                                "need the sandbox",
		"sandbox: true\nsandbox-application: [none.json]":                         "--sandbox-application",
	} {
		got := onward(t, "serve", "--check", "--config", fileOf(t, good+text))
		require.Equal(t, exitUsage, got.code, "%s: %s", text, got.err+got.out)
		require.Contains(t, got.err, says, text)
		require.NoDirExists(t, filepath.Dir(db))
	}
	got = onward(t, "serve", "--check", "--config", fileOf(t, strings.Replace(good, "sqlite:", "sqlte:", 1)))
	require.Equal(t, exitUsage, got.code, got.err)
}

func TestAWrongMongoDBAddressIsAWrongCommand(t *testing.T) {
	for uri, says := range map[string]string{
		"mongodb://user:hunter2@db.example/?tsl=true":                 "the MongoDB driver for Go doesn't know, number 1",
		"mongodb://user:hunter%@db.example/":                          "can't be read",
		"mongodb://user:hunter2@db.example/?tlsCAFile=/no/hunter.pem": "names a file that can't be read",
	} {
		t.Setenv("ONWARD_STORE", uri)
		t.Setenv("ONWARD_COPY_FROM", uri)
		t.Setenv("ONWARD_COPY_TO", uri+"&appName=x")
		for _, command := range []string{"serve --check", "serve", "store check", "store copy", "seed --scale 1", "outbox list"} {
			got := onward(t, strings.Fields(command)...)
			require.Equal(t, exitUsage, got.code, "%s: %s", command, got.err)
			require.Contains(t, got.err, says, command)
			require.NotContains(t, got.err+got.out, "hunter", command)
		}
	}
}

func TestSettingsAreShownWithTheirOriginAndWithoutPasswords(t *testing.T) {
	file := fileOf(t, "store: mongodb://user:swordfish@db.example/x?a=b\nbars:\n  mode: lenient\n")
	t.Setenv("ONWARD_LOG_LEVEL", "warn")
	t.Setenv(passwordVariable, "swordfish")
	got := onward(t, "--config", file, "--show-settings", "--nhs111-mode", "compat")
	require.Zero(t, got.code, got.err)
	for _, line := range []string{
		`store: "mongodb://***@db.example"  # file ` + file + ":1",
		"  mode: lenient  # file " + file + ":3",
		"log-level: warn  # environment ONWARD_LOG_LEVEL",
		"  mode: compat  # flag --nhs111-mode",
		"sync: full  # default",
		"sandbox: false  # default",
		"# base-url:",
		"# The password of the Directory of Services is set: environment ONWARD_DOS_PASSWORD",
	} {
		require.Contains(t, got.out, line+"\n")
	}
	require.NotContains(t, got.out+got.err, "swordfish")
}

func TestAPasswordOnTheCommandLineIsRefused(t *testing.T) {
	uri := "mongodb://user:swordfish@127.0.0.1:1/?serverSelectionTimeoutMS=1"
	for _, args := range [][]string{{"serve", "--store", uri}, {"outbox", "list", "--store=" + uri}, {"store", "copy", "--from", "sqlite:a", "--to", uri}, {"seed", "--scale", "1", "--store", uri}} {
		got := onward(t, args...)
		require.Equal(t, exitUsage, got.code, got.err)
		require.Contains(t, got.err, "everybody on this machine can see")
		require.NotContains(t, got.err+got.out, "swordfish")
	}
	t.Setenv("ONWARD_COPY_FROM", "sqlite:none.db")
	t.Setenv("ONWARD_COPY_TO", uri)
	got := onward(t, "store", "copy")
	require.Equal(t, exitStore, got.code, got.err)
	require.NotContains(t, got.err+got.out, "swordfish")
}

func TestOtherCommandsFindTheStoreInTheFile(t *testing.T) {
	file := fileOf(t, fmt.Sprintf("store: 'sqlite:%s'\n", filepath.Join(t.TempDir(), "onward.db")))
	for _, command := range []string{"seed --scale 10", "store check", "outbox list", "store reindex", "store backup --to copy.db"} {
		got := onward(t, append(strings.Fields(command), "--config", file)...)
		require.Zero(t, got.code, "%s: %s", command, got.err)
	}
}
