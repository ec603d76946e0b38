package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A folder of one good and one bad resource; the bad one has a wrong code and
// an unknown member.
func corpus(t *testing.T) string {
	folder := t.TempDir()
	write(t, folder, "Patient-good.json", `{"resourceType":"Patient","active":true}`)
	write(t, folder, "Patient-bad.json", `{"resourceType":"Patient","gender":"blue","contact":[{"gender":"green","name":{"text":"A"}}]}`)
	write(t, folder, "package.json", `{}`)
	return folder
}

func write(t *testing.T, folder, name, text string) string {
	path := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const good = `{"file":"Patient-good.json","issues":[]}` + "\n"

func TestDifferencesAreFoundAndExplained(t *testing.T) {
	const agreed = `{"file":"Patient-bad.json","issues":[{"rule":"b","path":"Patient/*x*/.gender"},{"rule":"b","path":"Patient.contact[0]"}]}`
	cases := []struct {
		name, verdicts, list string
		ok                   bool
		says                 string
	}{
		{"agreement", good + agreed, ``, true, "2 resources, 1 accepted by both, 1 refused by both, 0 issues differ"},
		{"theirs only", strings.Replace(good, "[]", `[{"rule":"r","path":"Patient.active","text":"t"}]`, 1) + agreed, ``, false, "not explained: theirs refuse Patient-good.json: r at Patient.active: t"},
		{"theirs only, explained", strings.Replace(good, "[]", `[{"rule":"r-1","path":"Patient.active"}]`, 1) + agreed,
			`{"by":"theirs","rule":"r-.","files":"Patient-g*","path":".*active","reason":"so it is"}`, true, "1  theirs: so it is"},
		{"ours only", good + `{"file":"Patient-bad.json","issues":[{"path":"Patient.gender"}]}`, ``, false, "not explained: ours refuse Patient-bad.json"},
		{"ours only, explained for another file", good + `{"file":"Patient-bad.json","issues":[{"path":"Patient.gender"}]}`,
			`{"by":"ours","files":"Patient-good.json","reason":"no"}`, false, "explained, but not there any more"},
		{"an index isn't the start of another", good + `{"file":"Patient-bad.json","issues":[{"path":"Patient.gender"},{"path":"Patient.contact[01]"}]}`, ``, false, "2 of them unexplained"},
		{"an explanation without a difference", good + agreed, `{"by":"ours","rule":"none","reason":"no"}`, false, "explained, but not there any more"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			list := write(t, t.TempDir(), "list.json", `{"validator":"V","differences":[`+c.list+`]}`)
			var out strings.Builder
			ok, err := run(corpus(t), list, strings.NewReader(c.verdicts), &out)
			require.NoError(t, err)
			require.Equal(t, c.ok, ok, out.String())
			require.Contains(t, out.String(), c.says)
		})
	}
}

func TestAFileWithoutAVerdictMustBeListed(t *testing.T) {
	var out strings.Builder
	run := func(list string) error {
		_, err := run(corpus(t), write(t, t.TempDir(), "list.json", list), strings.NewReader(good), &out)
		return err
	}
	require.ErrorContains(t, run(`{"differences":[]}`), "Patient-bad.json")
	require.NoError(t, run(`{"unjudged":{"files":["Patient-bad.json"]}}`))
	require.ErrorContains(t, run(`{"unjudged":{"files":["Patient-bad.json","Patient-good.json"]}}`), "Patient-good.json")
}

func TestAListThatExplainsNothingIsRefused(t *testing.T) {
	for _, entry := range []string{
		`{"by":"ours","rule":"a"}`, `{"by":"ours","reason":"a"}`, `{"by":"us","rule":"a","reason":"a"}`,
		`{"by":"ours","rule":"(","reason":"a"}`, `{"by":"ours","rules":"a","reason":"a"}`,
	} {
		_, err := readExplained(write(t, t.TempDir(), "list.json", `{"differences":[`+entry+`]}`))
		require.Error(t, err, entry)
	}
}
