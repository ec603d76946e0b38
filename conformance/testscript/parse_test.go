package testscript

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// script makes a TestScript whose one test holds the actions.
func script(actions string, more ...string) string {
	return `{"resourceType":"TestScript","id":"own","url":"https://conformance.example/TestScript/own","name":"Own","title":"Our own","status":"draft",` +
		strings.Join(append(more, ""), ",") + `"test":[{"name":"one","description":"the rule","action":[` + actions + `]}]}`
}

const read = `{"operation":{"type":{"code":"read"},"resource":"Patient","params":"/1","encodeRequestUrl":true}}`

func TestWhatTheRunnerDoesNotKnowIsRefusedWithItsPath(t *testing.T) {
	for _, tc := range []struct{ text, says string }{
		{`{"resourceType":"Patient"}`, "not a TestScript"},
		{`{"resourceType":`, "line 1"},
		{script(read, `"ruleset":[]`), "ruleset"},
		{script(read, `"profile":[]`), "profile"},
		{script(`{"operation":{"type":{"code":"conjure"},"resource":"Patient"}}`), "TestScript.test[0].action[0].operation: the operation's type"},
		{script(`{"operation":{"type":{"code":"read"}}}`), "must have a url"},
		{script(`{"operation":{"url":"x"}}`), "type is not known"},
		{script(`{"operation":{"method":"trace","url":"x"}}`), "method"},
		{script(`{"operation":{"type":{"code":"read"},"url":"x","destination":2}}`), "destination"},
		{script(`{"operation":{"type":{"code":"update"},"sourceId":"misspelt"}}`), "misspelt"},
		{script(`{}`), "one operation"},
		{script(`{"assert":{}}`), "exactly one thing"},
		{script(`{"assert":{"response":"okay","resource":"Patient"}}`), "exactly one thing"},
		{script(`{"assert":{"response":"splendid"}}`), "response"},
		{script(`{"assert":{"responseCode":"200","operator":"resembles"}}`), "operator"},
		{script(`{"assert":{"response":"okay","direction":"request"}}`), "requests"},
		{script(`{"assert":{"validateProfileId":"p"}}`), "validateProfileId"},
		{script(`{"assert":{"expression":"a | b","value":"x"}}`), "action[0].assert.expression"},
		{script(`{"assert":{"path":"/f:Patient","value":"x"}}`), "assert.path"},
		{script(`{"assert":{"responseCode":"200","sourceId":"misspelt"}}`), "misspelt"},
		{script(read, `"teardown":{"action":[{"assert":{"response":"okay"}}]}`), "teardown.action[0]"},
		{script(read, `"fixture":[{"id":"f","resource":{"reference":"#nobody"}}]`), "contained"},
		{script(read, `"fixture":[{"id":"f","resource":{"reference":"../secret.json"}}]`), "relative path"},
		{script(read, `"fixture":[{"id":"f","resource":{"reference":"absent.json"}}]`), "can't be read"},
		{script(read, `"fixture":[{"id":"f"}]`), "resource.reference"},
		{script(read, `"variable":[{"name":"v","expression":"a b"}]`), "variable[0].expression"},
		{script(read, `"variable":[{"name":"v","sourceId":"misspelt","headerField":"ETag"}]`), "misspelt"},
		{`{"resourceType":"TestScript","test":[{"name":"empty"}]}`, "name and an action"},
		{strings.Repeat(" ", maxScript+1), "larger"},
	} {
		_, err := Parse([]byte(tc.text), fstest.MapFS{})
		require.ErrorContains(t, err, tc.says, "%.300s", tc.text)
	}
	_, err := Parse([]byte(script(read)), nil)
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(script(read)))
	f.Add([]byte(script(`{"assert":{"expression":"a.where(b = 'c').count()","operator":"in","value":"1,2"}}`,
		`"contained":[{"resourceType":"Patient","id":"p"}]`, `"fixture":[{"id":"f","autocreate":true,"resource":{"reference":"#p"}}]`,
		`"variable":[{"name":"v","sourceId":"f","expression":"Patient.id"}]`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text, fstest.MapFS{"a.json": {Data: []byte(`{}`)}})
		if err == nil && s == nil {
			t.Fatal("neither a script nor an error")
		}
	})
}
