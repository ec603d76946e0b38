package sqlite

import (
	"bytes"
	"strings"
	"testing"
)

func TestValuesComeBack(t *testing.T) {
	var s squeezer
	for name, val := range map[string][]byte{
		"nothing": nil, "short": []byte("{}"), "begins with 0": {0, 1, 2}, "begins with 1": {1}, "long": []byte(strings.Repeat(`{"name":"value"}`, 100)),
		"long and not repeating": randomBytes(2000), "very long": bytes.Repeat([]byte{1}, squeezeTo+1), "just not": bytes.Repeat([]byte{0}, squeezeTo),
	} {
		kept := s.short(val)
		got, err := s.long(kept)
		if err != nil || !bytes.Equal(got, val) {
			t.Errorf("%s: %d bytes came back as %d, %v", name, len(val), len(got), err)
		}
		if len(kept) > len(val)+1 {
			t.Errorf("%s: %d bytes became %d", name, len(val), len(kept))
		}
	}
	if n := len(s.short([]byte(strings.Repeat(`{"name":"value"}`, 100)))); n > 100 {
		t.Errorf("1,600 bytes that repeat became %d", n)
	}
	if _, err := s.long([]byte{squeezed, 0xff, 0xff}); err == nil {
		t.Error("a damaged value was read")
	}
	if got, err := s.long([]byte("x")); err != nil || string(got) != "x" {
		t.Errorf("after a damaged value: %q, %v", got, err)
	}
}

func randomBytes(n int) []byte {
	b, x := make([]byte, n), uint32(7)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func BenchmarkSqueeze(b *testing.B) {
	var s squeezer
	val := []byte(strings.Repeat(`"urn:uuid:00000015-0000-4000-8000-000000000015":"Condition/a7d4dabf-b314-415f-a051-526582f88510",`, 20))
	for b.Loop() {
		s.short(val)
	}
}
