package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/internal/config"
)

// noSettings are the flags of serve that are orders for one run.
var noSettings = []string{"config", "check", "show-settings"}

// parsed reads a command line as main does.
func parsed(t testing.TB, args ...string) *settings {
	t.Helper()
	var c cli
	_, err := newParser(&c).Parse(args)
	require.NoError(t, err)
	return c.given
}

// flagOf finds a flag of the command that was read.
func (s *settings) flagOf(t testing.TB, name string) *kong.Flag {
	t.Helper()
	for _, flag := range s.ctx.Flags() {
		if flag.Name == name {
			return flag
		}
	}
	require.FailNow(t, "no flag", name)
	return nil
}

// fileWith writes a file with one setting, as JSON, which is YAML.
func fileWith(t testing.TB, key string, value any) string {
	t.Helper()
	if group, name, found := strings.Cut(key, "."); found {
		key, value = group, map[string]any{name: value}
	}
	text, err := json.Marshal(map[string]any{key: value})
	require.NoError(t, err)
	return fileOf(t, string(text))
}

func fileOf(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "onward.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// samples are three values of a flag, each as a file has it and as a command line
// and the environment do.
func samples(flag *kong.Flag) (plain [3]any, text [3]string) {
	choices := []string{"one", "two", "three"}
	if flag.Enum != "" {
		choices = flag.EnumSlice()
	}
	for i := range plain {
		one := choices[i%len(choices)]
		switch kindOf(flag.Target.Type()) {
		case config.Bool:
			plain[i], text[i] = i != 1, []string{"true", "false", "true"}[i]
		case config.Number:
			plain[i], text[i] = int64(i+41), []string{"41", "42", "43"}[i]
		case config.List:
			plain[i], text[i] = []any{one}, one
		case config.Map:
			plain[i], text[i] = map[string]any{one: "x"}, one+"=x"
		default:
			plain[i], text[i] = one, one
		}
	}
	return plain, text
}

func TestEverySettingIsTakenFromFlagEnvironmentAndFileInThisOrder(t *testing.T) {
	operations, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	serve := parsed(t, "serve").ctx.Selected()
	tried := 0
	for _, flag := range serve.Flags {
		name := flag.Name
		if strings.Contains(" "+strings.Join(noSettings, " ")+" ", " "+name+" ") {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			require.Len(t, flag.Envs, 1, "a setting has one variable")
			for _, name := range []string{"`--" + name + "`", "`" + flag.Envs[0] + "`"} {
				require.True(t, bytes.Contains(operations, []byte(name)), "docs/operations.md lacks %s", name)
			}
			plain, text := samples(flag)
			is := func(want any, by source, args ...string) {
				t.Helper()
				s := parsed(t, append([]string{"serve"}, args...)...)
				got := s.flagOf(t, name)
				require.Equal(t, want, plainValue(got))
				require.Equal(t, by, s.origin(got).by)
			}
			given := []string{"--config", fileWith(t, settingKey(name), plain[0])}
			is(plain[0], byFile, given...)
			onLine := append(given, "--"+name+"="+text[2])
			is(plain[2], byFlag, onLine...)
			t.Setenv(flag.Envs[0], text[1])
			is(plain[1], byEnvironment, given...)
			is(plain[1], byEnvironment)
			is(plain[2], byFlag, onLine...)
			t.Setenv("ONWARD_CONFIG", given[1])
			is(plain[1], byEnvironment)
			require.NoError(t, os.Unsetenv(flag.Envs[0])) // t.Setenv puts back what was
			is(plain[0], byFile)
		})
	}
	require.Greater(t, tried, 50)
}

// A command that takes a setting of the server takes its file too.
func TestEveryCommandWithASettingTakesTheFile(t *testing.T) {
	s := parsed(t, "serve")
	var walk func(node *kong.Node, above []string, file bool)
	shared := 0
	walk = func(node *kong.Node, above []string, file bool) {
		for _, flag := range node.Flags {
			file = file || flag.Name == configFlag
		}
		for _, flag := range node.Flags {
			if len(flag.Envs) > 0 && s.keys[flag.Envs[0]] != "" {
				shared++
				require.True(t, file, "%v takes --%s and no --config", above, flag.Name)
			}
		}
		for _, child := range node.Children {
			walk(child, append(above, child.Name), file)
		}
	}
	walk(s.ctx.Model.Node, nil, false)
	require.Greater(t, shared, 70)

	message := fileOf(t, "{}") // any file
	file := fileOf(t, "store: sqlite:from-file.db\nbase-url: http://127.0.0.1:7\nbars: {proxy: 'https://p.example'}\nnhs111: {sender: A1001}")
	for _, row := range []struct{ command, flag, want string }{
		{"outbox", "store", "sqlite:from-file.db"}, {"outbox drop 1", "store", "sqlite:from-file.db"}, {"store check", "store", "sqlite:from-file.db"},
		{"store check", "base-url", "http://127.0.0.1:7"}, {"store backup --to x", "store", "sqlite:from-file.db"}, {"store reindex", "base-url", "http://127.0.0.1:7"},
		{"store purge --before 2025-01-31", "store", "sqlite:from-file.db"}, {"seed --scale 1", "store", "sqlite:from-file.db"},
		{"send --service 1 " + message, "proxy", "https://p.example"}, {"send --service 1 " + message, "soap-sender", "A1001"},
	} {
		s := parsed(t, append(strings.Fields(row.command), "--config", file)...)
		require.Equal(t, row.want, plainValue(s.flagOf(t, row.flag)), row.command)
	}
}

// What --show-settings prints is a file with the same settings.
func TestTheShownSettingsAreAFile(t *testing.T) {
	example := parsed(t, "--config", "../../docs/onward.example.yaml", "--store", "sqlite::memory:")
	var out strings.Builder
	example.show(&out)
	again := parsed(t, "--config", fileOf(t, out.String()))
	for _, flag := range serverFlags(example.ctx.Model) {
		if flag.Name == "sandbox" { // decided when the server runs
			continue
		}
		require.Equal(t, plainValue(flag), plainValue(again.flagOf(t, flag.Name)), "%s in\n%s", flag.Name, out.String())
	}
}

var leftOut = regexp.MustCompile(`(?m)^( *)#([^ \n]|  )`)

func TestTheExampleFileHoldsEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../docs/onward.example.yaml")
	require.NoError(t, err)
	known, _ := settingsOf(parsed(t, "serve").ctx.Model)
	_, err = config.Parse("example", text, known)
	require.NoError(t, err)
	all := leftOut.ReplaceAll(text, []byte("$1$2"))
	all = []byte(strings.Replace(string(all), "\nstore: mongodb:", "\n# store: mongodb:", 1)) // the other store
	f, err := config.Parse("example", all, known)
	require.NoError(t, err)
	for _, s := range known {
		_, found := f.Get(s.Key)
		require.True(t, found, "%s isn't in the example", s.Key)
	}
}

func TestTheSandboxIsOnForWhoTriesTheProgramOut(t *testing.T) {
	require.True(t, sandboxByDefault(false, false, "127.0.0.1:8080"))
	require.False(t, sandboxByDefault(true, false, "127.0.0.1:8080"))
	require.False(t, sandboxByDefault(false, true, "127.0.0.1:8080"))
	require.False(t, sandboxByDefault(false, false, "10.1.2.3:8080"))
	require.False(t, parsed(t, "serve").isGiven("auth"))
	require.True(t, parsed(t, "serve", "--auth", "none").isGiven("auth"))
	require.True(t, parsed(t, "serve", "--config", fileOf(t, "auth: none")).isGiven("auth"))
}

func TestKindsOfFlagsAreKnown(t *testing.T) {
	for _, flag := range serverFlags(parsed(t, "serve").ctx.Model) {
		if kindOf(flag.Target.Type()) == config.Text {
			require.Equal(t, reflect.String, flag.Target.Kind(), flag.Name)
		}
	}
}
