package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// some are settings of every kind.
func some() []Setting {
	return []Setting{
		{Key: "listen", Flag: "listen"},
		{Key: "store", Flag: "store"},
		{Key: "max-body", Flag: "max-body", Kind: Number, Valid: func(v any) bool { return v.(int64) < 100 }},
		{Key: "sandbox", Flag: "sandbox", Kind: Bool},
		{Key: "bars.mode", Flag: "bars-mode", Enum: []string{"strict", "lenient"}},
		{Key: "bars.route", Flag: "bars-route", Kind: Map},
		{Key: "bars.role", Flag: "bars-role", Kind: Map, Joined: "+"},
		{Key: "nhs111.ods", Flag: "nhs111-ods", Kind: List},
	}
}

func TestAFileSetsWhatItSays(t *testing.T) {
	f, err := Parse("x", []byte("\ufeff"+`# all of it
listen: 127.0.0.1:8080
max-body: 42
sandbox: true
bars:
  mode: lenient
  route: {2000072489: "https://a.example/FHIR/R4"}
  role:
    "*": [one, two]
    0012: three
nhs111: {ods: [A1001, 8E123, 0012, "true", 'it''s']}
`), some())
	require.NoError(t, err)
	require.Equal(t, map[string]Value{
		"listen":     {"127.0.0.1:8080", 2},
		"max-body":   {int64(42), 3},
		"sandbox":    {true, 4},
		"bars.mode":  {"lenient", 6},
		"bars.route": {map[string]any{"2000072489": "https://a.example/FHIR/R4"}, 7},
		"bars.role":  {map[string]any{"*": "one+two", "0012": "three"}, 8},
		"nhs111.ods": {[]any{"A1001", "8E123", "0012", "true", "it's"}, 11},
	}, f.values)
	require.Equal(t, 7, f.Len())
}

func TestAFileMaySayNothing(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# nothing\n", "---\n", "bars:\n  # mode: lenient\n", "{}", "---\n---\n"} {
		f, err := Parse("x", []byte(text), some())
		require.NoError(t, err, text)
		require.Zero(t, f.Len(), text)
	}
	var none *File
	_, found := none.Get("listen")
	require.False(t, found)
}

func TestWhatIsWrongIsToldWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"listn: x":                         "x:1:1: listn: there is no such setting; is listen meant?",
		"\n  quite-unknown: x":             "x:2:3: quite-unknown: there is no such setting",
		"bars-mode: strict":                "x:1:1: bars-mode: there is no such setting; is bars.mode meant?",
		"bars: {bars-mode: strict}":        "x:1:8: bars.bars-mode: there is no such setting; is bars.mode meant?",
		"bars:\n  mdoe: strict":            "x:2:3: bars.mdoe: there is no such setting; is bars.mode meant?",
		"bars.mode: strict":                "x:1:1: bars.mode: a group's keys are written below its name",
		"bars: {mode: {a: b}}":             "x:1:14: bars.mode: must be a text",
		"bars: {mode: Strict}":             "x:1:14: bars.mode: must be one of strict, lenient",
		"bars: strict":                     "x:1:7: bars: must be a map",
		"bars: [mode]":                     "x:1:7: bars: must be a map",
		"bars: {route: [a]}":               "x:1:15: bars.route: must be a map",
		"bars: {route: }":                  "bars.route: has no value",
		"bars: {route: {a: [b]}}":          "bars.route.a: must be a text",
		"bars: {role: {a: [true]}}":        "bars.role[0]: must be a text",
		"bars: {role: {a: b, a: c}}":       "x:1:21: bars.role.a: is there twice, first in line 1",
		"bars: {}\nbars: {}":               "x:2:1: bars: is there twice, first in line 1",
		"listen: a\nlisten: a":             "x:2:1: listen: is there twice, first in line 1",
		"listen: a\n\"listen\": a":         "x:2:1: listen: is there twice, first in line 1",
		"listen:":                          "listen: has no value",
		"listen: ~":                        "listen: has no value",
		"listen: true":                     "listen: must be a text",
		"sandbox: yes":                     "x:1:10: sandbox: must be true or false",
		"sandbox: 1":                       "sandbox: must be true or false",
		`sandbox: "true"`:                  "sandbox: must be true or false",
		"max-body: 010":                    "max-body: must be a whole number",
		"max-body: 1_000":                  "max-body: must be a whole number",
		"max-body: 1e2":                    "max-body: must be a whole number",
		"max-body: 99999999999999999999":   "max-body: must be a whole number",
		`max-body: "42"`:                   "max-body: must be a whole number",
		"max-body: 100":                    "x:1:11: max-body: has a value that can't be read",
		"nhs111: {ods: A1001}":             "x:1:15: nhs111.ods: must be a list",
		"nhs111: {ods: [a, [b]]}":          "nhs111.ods[1]: must be a text",
		"nhs111:\n  ods:\n  -\n  - b":      "nhs111.ods[0]: has no value",
		"listen: [":                        "x:1:9: isn't YAML",
		"listen: 'x":                       "isn't YAML",
		"store: sqlite::memory:":           "in quotes",
		"a\n":                              "x:1:1: must be a map",
		"- listen: x":                      "must be a map",
		"true: x":                          "x:1:1: a key must be a text",
		"? [a]\n: b":                       "question mark",
		"listen: a\n---\nstore: b":         "a file is one document",
		"listen: &a b":                     "x:1:9: anchors, aliases and merge keys aren't taken",
		"bars:\n  <<: {mode: strict}":      "anchors, aliases and merge keys aren't taken",
		"listen: !!str 1":                  "tags and directives aren't taken",
		"!tag":                             "isn't YAML: something in it can't be read",
		"listen: x\n!x":                    "isn't YAML",
		"%YAML 1.2\n---\nlisten: x":        "tags and directives aren't taken",
		"nhs111: [[[[[[[[[[1]]]]]]]]]]":    "x:1:17: is nested too deep",
		"listen: \"\xff\"":                 "isn't UTF-8",
		strings.Repeat("#", MaxSize+1):     "is larger than 1048576 bytes",
		strings.Repeat("- a\n", maxTokens): "has too many parts",
	} {
		_, err := Parse("x", []byte(text), some())
		require.ErrorContains(t, err, want, "%.80q", text)
	}
}

func TestAllThatIsWrongIsToldAtOnceButBounded(t *testing.T) {
	var text strings.Builder
	for i := range 30 {
		fmt.Fprintf(&text, "k%d: x\n", i)
	}
	_, err := Parse("x", []byte(text.String()), some())
	var faults *Faults
	require.True(t, errors.As(err, &faults))
	require.Len(t, faults.List, maxFaults)
	require.ErrorContains(t, err, "x: and 10 more")
}

// An alias can stand for as much as nine others, and so on.
func TestAMountainOfAliasesIsRefused(t *testing.T) {
	text := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		text += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat("*"+string(c-1)+",", 9))
	}
	_, err := Parse("x", []byte(text), some())
	require.ErrorContains(t, err, "x:1:4: anchors, aliases and merge keys aren't taken")
}

// What a parser may cost is bounded by what is refused before it runs.
func TestHostileFilesCostLittle(t *testing.T) {
	var all strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&all, "key-%05d: v\n", i)
	}
	keys := all.String()
	for name, text := range map[string]string{
		"brackets": strings.Repeat("[", MaxSize), "anchors": strings.Repeat("&a ", MaxSize/3), "keys": keys,
		"fewer keys": keys[:6000*len("key-00000: v\n")], "deep": strings.Repeat("- ", maxTokens-2) + "a", "a long key": strings.Repeat("k", MaxSize-10) + ": v",
	} {
		began := time.Now()
		_, _ = Parse("x", []byte(text), some())
		require.Less(t, time.Since(began), 20*time.Second, name) // seconds at most; minutes without the bounds
	}
}

const secret = "swordfish"

func TestNoPasswordIsTold(t *testing.T) {
	uri := "mongodb://user:" + secret + "@host/db"
	for _, text := range []string{
		"listn: " + uri, "store: [" + uri + "]", "store: {a: " + uri + "}", "sandbox: " + uri, "max-body: " + uri, "bars: {mode: '" + uri + "'}",
		"store: |" + uri, "store: !" + uri, "store: '" + uri, "store: \"" + uri, "\"" + uri + "\": 3", uri, "- " + uri, "bars: {\"" + uri + "\": x}",
		"bars: {route: {\"" + uri + "\": [x]}}", "bars: {route: {\"" + uri + "\": x, \"" + uri + "\": x}}", "store: &" + uri, "store: *" + uri, "store: @" + uri, "%" + uri,
		"store: \"\\" + secret + "\"", "store: " + uri + "\nstore: " + uri, "? " + uri, "store: sqlite: " + uri, "store: " + uri + "\n  x: y",
	} {
		_, err := Parse("x", []byte(text), some())
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), secret, text)
	}
}

func TestAFileIsReadFromDisk(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "onward.yaml")
	write := func(text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(name, []byte(text), mode))
		require.NoError(t, os.Chmod(name, mode))
	}
	write("listen: x", 0o644)
	f, err := Load(name, some())
	require.NoError(t, err)
	require.Equal(t, name, f.Name)

	_, err = Load(dir, some())
	require.ErrorContains(t, err, "is no regular file")
	_, err = Load(filepath.Join(dir, "none"), some())
	require.ErrorContains(t, err, "can't be read")
	write(strings.Repeat("#", MaxSize+1), 0o600)
	_, err = Load(name, some())
	require.ErrorContains(t, err, "is larger")
	write("listn: x", 0o600)
	_, err = Load(name, some())
	require.ErrorContains(t, err, name+":1:1: listn")
}

func TestAFileWithAPasswordIsNotForEverybody(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its files have no such modes")
	}
	name := filepath.Join(t.TempDir(), "onward.yaml")
	for _, text := range []string{"store: mongodb://user:" + secret + "@host/db", "bars: {route: {a: 'https://u:" + secret + "@host/'}}", "nhs111: {ods: ['x://u:" + secret + "@h']}"} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		for mode, refused := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o604: true} {
			require.NoError(t, os.Chmod(name, mode))
			_, err := Load(name, some())
			if !refused {
				require.NoError(t, err, "%o", mode)
				continue
			}
			require.ErrorContains(t, err, "chmod o-r", "%o", mode)
			require.NotContains(t, err.Error(), secret)
		}
	}
}

func TestPasswordsAreHidden(t *testing.T) {
	for text, want := range map[string]string{
		"sqlite:data/onward.db":                                   "sqlite:data/onward.db",
		"https://a.example/FHIR/R4?x=1":                           "https://a.example/FHIR/R4?x=1",
		"mongodb://a:1,b:2/db":                                    "mongodb://a:1,b:2/db",
		"mongodb://u:swordfish@a:1,b:2/db?x=y":                    "mongodb://***@a:1,b:2",
		"https://u:swordfish@host#x":                              "https://***@host",
		"mongodb://u:sword@fish@host":                             "mongodb://***",
		"mongodb://u:sword/fish@host":                             "mongodb://***",
		"mongodb://u:sword?fish@host":                             "mongodb://***",
		"mongodb://host/?tlsCertificateKeyFilePassword=swordfish": "mongodb://***",
		"mongodb://host/?authMechanismProperties=A:swordfish":     "mongodb://***",
		"mongodb://host/?x=swordfish@y":                           "mongodb://***",
		"2000072489=https://u:swordfish@host/":                    "2000072489=https://***@host",
		"mongodb:/u:swordfish@host/":                              "***",
		"MongoDB:u:swordfish@host":                                "***",
		"sqlite:mongo@home/onward.db":                             "sqlite:mongo@home/onward.db",
	} {
		require.Equal(t, want, Hide(text), text)
		require.Equal(t, want != text, HoldsPassword(text), text)
	}
	require.False(t, HoldsPassword(int64(1)))
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "listen: x", "bars: {mode: strict, route: {a: b}}", "nhs111:\n  ods:\n  - A1001\n  - 'b'\n", "max-body: 42\nsandbox: true",
		"bars:\n  role:\n    \"*\": [a, b]\n", "store: |\n  a\n  b\n", "store: >-\n  a\n", "a: &a [1]\nb: *a", "listen: \"\\x00\"", "---\nlisten: x\n...\n", "? a\n: b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse("x", text, some())
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "x:") || len(line) > 300 {
					t.Fatalf("a message without place: %q", line)
				}
			}
			return
		}
		for key, v := range file.values {
			if v.Line < 1 || v.Line > strings.Count(string(text), "\n")+strings.Count(string(text), "\r")+1 {
				t.Fatalf("%s is said to be in line %d", key, v.Line)
			}
			switch value := v.Value.(type) {
			case string, int64, bool:
			case []any:
				for _, one := range value {
					_ = one.(string)
				}
			case map[string]any:
				for _, one := range value {
					_ = one.(string)
				}
			default:
				t.Fatalf("%s is a %T", key, value)
			}
		}
	})
}
