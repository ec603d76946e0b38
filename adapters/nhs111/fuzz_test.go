package nhs111

import (
	"strings"
	"testing"
	"unicode/utf16"
)

// wide encodes a text as UTF-16, little end first.
func wide(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(minimalReport))
	f.Add([]byte(strings.Replace(minimalReport, "primaryGeneralPractitioner", "copy", 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		mapped, _, err := through(body, "", strictRules())
		if err == nil && len(mapped.Attached) == 0 {
			t.Fatal("a mapped report keeps its document")
		}
	})
}

func FuzzHL7Time(f *testing.F) {
	for _, s := range []string{"2026", "202603021021+00", "20260302102100.123-0500", "19810629", "201710290130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseHL7Time(s)
		if err == nil && v.dateTime() == "" {
			t.Fatal("a time that was read can be written")
		}
		_, _ = birthDate(s)
	})
}
