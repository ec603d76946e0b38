package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/onward-health/onward/store"
)

// Ensure that an idempotency record comes back as it went in, that one of an
// earlier version of the program is read, and that a damaged one is an error.
func TestAnIdempotencyRecordComesBack(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 123e6, time.UTC)
	same := store.Version{Ref: store.Ref{Type: "Slot", ID: "s-1"}, Version: 2, LastUpdated: at}
	later := store.Version{Ref: store.Ref{Type: "Patient", ID: "p.1"}, Version: 1, LastUpdated: at.Add(time.Millisecond)}
	for name, want := range map[string]store.IdemRecord{
		"all":     {Hash: "h", At: at, Versions: []store.Version{same, later}, Answer: []byte("a")},
		"nothing": {Hash: "h", At: at},
	} {
		got, err := store.ParseIdem(want.Value())
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	old := `{"hash":"h","at":"2026-11-30T09:00:00.123Z","versions":[{"Ref":{"Type":"Slot","ID":"s-1"},"Version":2,"LastUpdated":"2026-11-30T09:00:00.123Z"}]}`
	got, err := store.ParseIdem([]byte(old))
	if err != nil || fmt.Sprint(got.Versions) != fmt.Sprint([]store.Version{same}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{``, `{"v":["Slot/s1"]}`, `{"v":["Slot/s1/x"]}`, `{"v":["Slot/s1/1/x"]}`, `{"v":["Slot/s1/1/2/3"]}`} {
		if _, err := store.ParseIdem([]byte(bad)); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}
