package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// schemaOne is what the first schema was; it never changes.
var schemaOne = []string{
	`CREATE TABLE types (t INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT`,
	`CREATE TABLE res (pk INTEGER PRIMARY KEY, typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
		lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, "by" BLOB, peer BLOB, body BLOB) STRICT`,
	`CREATE UNIQUE INDEX res_id ON res (typ, id)`,
	`CREATE INDEX res_typ_lu ON res (typ, lu)`,
	`CREATE INDEX res_lu ON res (lu)`,
	`CREATE TABLE hist (typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
		lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, "by" BLOB, peer BLOB, body BLOB,
		PRIMARY KEY (typ, id, ver)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX hist_typ_lu ON hist (typ, lu)`,
	`CREATE INDEX hist_lu ON hist (lu)`,
	`CREATE TABLE x (t INTEGER NOT NULL, v TEXT NOT NULL, pk INTEGER NOT NULL, PRIMARY KEY (t, v, pk)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX x_pk ON x (pk, t, v)`,
	`CREATE TABLE xd (t INTEGER NOT NULL, p TEXT NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (t, p, lo, hi, pk)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX xd_pk ON xd (pk, t, p, lo, hi)`,
	`CREATE TABLE xs (t INTEGER NOT NULL, p TEXT NOT NULL, v TEXT NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (t, p, v, pk)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX xs_pk ON xs (pk, t, p, v)`,
	`CREATE TABLE xw (t INTEGER NOT NULL, p TEXT NOT NULL, width INTEGER NOT NULL, several INTEGER NOT NULL,
		PRIMARY KEY (t, p)) STRICT, WITHOUT ROWID`,
	`CREATE TABLE claim (slot TEXT NOT NULL, part INTEGER NOT NULL, owner TEXT NOT NULL, at INTEGER NOT NULL, exp INTEGER,
		PRIMARY KEY (slot, part)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX claim_owner ON claim (owner)`,
	`CREATE INDEX claim_exp ON claim (exp) WHERE exp IS NOT NULL`,
	`CREATE TABLE aux (kind TEXT NOT NULL, key TEXT NOT NULL, ver INTEGER NOT NULL, val BLOB, exp INTEGER,
		PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX aux_exp ON aux (exp) WHERE exp IS NOT NULL`,
	`PRAGMA application_id = 0x4F4E5744`,
	`PRAGMA user_version = 1`,

	`INSERT INTO types VALUES (1, 'Slot')`,
	`INSERT INTO res VALUES (1, 'Slot', 's1', 2, 2000, 0, 'PUT', CAST('{}' AS BLOB), NULL, CAST('{"resourceType":"Slot","id":"s1"}' AS BLOB))`,
	`INSERT INTO hist VALUES ('Slot', 's1', 1, 1000, 0, 'POST', CAST('{}' AS BLOB), NULL, CAST('{"resourceType":"Slot","id":"s1","v":1}' AS BLOB))`,
	`INSERT INTO res VALUES (2, 'Slot', 's2', 1, 1500, 0, 'PUT', CAST('{}' AS BLOB), NULL, CAST('{"resourceType":"Slot","id":"s2"}' AS BLOB))`,
	`INSERT INTO x VALUES (1, 'status:busy', 1)`,
	`INSERT INTO claim VALUES ('s1', 0, 'Appointment/a', 2000, NULL)`,
	`INSERT INTO aux VALUES ('outbox', 'k', 3, CAST('v' AS BLOB), NULL)`,
}

func TestAStoreOfTheFirstSchemaIsMigratedWithAllThatItHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	for _, text := range schemaOne {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(text, err)
		}
	}
	must(t, db.Close())
	if _, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: true}); err == nil {
		t.Error("an older schema was opened for reading, which migrates nothing")
	}
	s := open(t, path, sqlite.Options{})
	h, err := s.Health(t.Context())
	must(t, err)
	if h.Schema < 2 {
		t.Errorf("schema %d", h.Schema)
	}
	first, err := s.GetVersion(t.Context(), store.Ref{Type: "Slot", ID: "s1"}, 1)
	must(t, err)
	if string(first.Body) != `{"resourceType":"Slot","id":"s1","v":1}` || first.LastUpdated.UnixMilli() != 1000 {
		t.Errorf("got %s at %v", first.Body, first.LastUpdated)
	}
	busy, err := s.Search(t.Context(), &search.Query{Type: "Slot", Where: search.Has("status:busy")})
	must(t, err)
	counts, err := s.Counts(t.Context())
	must(t, err)
	changes, err := s.Changes(t.Context(), "", 0, 0)
	must(t, err)
	if len(busy.Records) != 1 || counts["Slot"] != (store.Count{Live: 2, Versions: 3}) || len(changes.List) != 3 {
		t.Errorf("%d found, %+v, %d changes", len(busy.Records), counts, len(changes.List))
	}
	if _, err := s.Commit(t.Context(), &store.Batch{Ops: []store.Op{store.Claim{Slot: "s1", Owner: "Appointment/b"}}}); err == nil {
		t.Error("the claim is gone")
	}
	docs, err := s.AuxGet(t.Context(), "outbox", []string{"k"})
	must(t, err)
	if len(docs) != 1 || docs[0].Version != 3 {
		t.Errorf("got %v", docs)
	}
	kept, err := filepath.Glob(path + ".before-schema-*")
	must(t, err)
	if len(kept) != 1 {
		t.Errorf("copies from before: %v", kept)
	}
}

// Ensure that a clock which jumps neither takes a record's time back nor makes
// a key forget too early, and that holds end by the clock.
func TestAClockThatJumpsLosesNothing(t *testing.T) {
	start := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	var ahead atomic.Int64
	s := open(t, ":memory:", sqlite.Options{Now: func() time.Time { return start.Add(time.Duration(ahead.Load())) }})
	book := &store.Batch{Ops: []store.Op{store.Put{Record: slot("s1", "a:1")}, store.Claim{Slot: "s1", Owner: "hold/x", Until: start.Add(time.Hour)}},
		Idem: &store.Idem{Keys: []string{"k"}, Hash: "h", Keep: 24 * time.Hour}}
	_, err := s.Commit(t.Context(), book)
	must(t, err)
	last := start.Add(-time.Millisecond)
	for i, jump := range []time.Duration{-365 * 24 * time.Hour, 0, 23 * time.Hour, -time.Hour, time.Minute} {
		ahead.Store(int64(jump))
		r, err := s.Commit(t.Context(), book)
		must(t, err)
		if r.Replay == nil {
			t.Errorf("jump %d: the key was forgotten", i)
		}
		w := commit(t, s, store.Put{Record: slot("s1", "a:1")})
		if !w.Versions[0].LastUpdated.After(last) {
			t.Errorf("jump %d: last updated went from %v to %v", i, last, w.Versions[0].LastUpdated)
		}
		last = w.Versions[0].LastUpdated
	}
	ahead.Store(int64(25 * time.Hour))
	r, err := s.Commit(t.Context(), book)
	must(t, err)
	if r.Replay != nil {
		t.Error("the key is kept for ever")
	}
	// The hold that this wrote again ran out long ago, by its own end.
	commit(t, s, store.Claim{Slot: "s1", Owner: "Appointment/a"})
}
