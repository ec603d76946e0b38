package nhs111

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/onward-health/onward/internal/xmltree"
	"github.com/stretchr/testify/require"
)

// testNow lies within the life of the composed report's timestamp.
var testNow = time.Date(2026, 3, 2, 10, 26, 0, 0, time.UTC)

// counter makes UUIDs that tell in which order they were made.
func counter() func() string {
	n := 0
	return func() string {
		n++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", n)
	}
}

// edit is a change to the composed report; From must occur in it.
type edit struct{ From, To string }

// compose returns the composed report with some edits.
func compose(t testing.TB, edits ...edit) []byte {
	t.Helper()
	return composeFrom(t, "report.xml", edits...)
}

func composeFrom(t testing.TB, name string, edits ...edit) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	text := string(raw)
	for _, e := range edits {
		require.Contains(t, text, e.From, "the composed message has no such text to change")
		text = strings.ReplaceAll(text, e.From, e.To)
	}
	return []byte(text)
}

// through reads, checks and maps a message as the door does.
func through(body []byte, charset string, rules checkRules) (*Mapped, *envelope, error) {
	text, err := xmltree.ToUTF8(body, charset)
	if err != nil {
		return nil, nil, refuse(textNotXML, err.Error())
	}
	root, err := xmltree.Read(text, xmltree.Rules{Instructions: rules.Mode == Compat})
	if err != nil {
		return nil, nil, refuse(textNotXML, err.Error())
	}
	e, f := readEnvelope(root)
	if f != nil {
		return nil, e, f
	}
	if f := e.check(rules); f != nil {
		return nil, e, f
	}
	documents, f := e.documents(text)
	if f != nil {
		return nil, e, f
	}
	target, _ := e.target(rules)
	mapped, err := mapReport(source{Envelope: e, Documents: documents, Message: body, MediaType: "text/xml",
		Target: target, UseCase: e.useCase(useCaseUTC, nil), Now: rules.Now, NewID: counter()})
	if err != nil {
		return nil, e, schemaFault(err)
	}
	return mapped, e, nil
}

func strictRules() checkRules { return checkRules{Mode: Strict, Now: testNow} }
func compatRules() checkRules { return checkRules{Mode: Compat, Now: testNow} }

// section cuts the text from one marker up to another.
func cut(t testing.TB, text, from, to string) string {
	t.Helper()
	start := strings.Index(text, from)
	require.GreaterOrEqual(t, start, 0)
	end := strings.Index(text[start:], to)
	require.GreaterOrEqual(t, end, 0)
	return text[start : start+end+len(to)]
}
