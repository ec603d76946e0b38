package sqlite_test

import (
	"bytes"
	"compress/flate"
	"database/sql"
	"io"
	"strings"
	"testing"
)

// schemaThree is what the third schema was, but for the tables that are as they
// were; it never changes. Names end in 3 until the newer tables are gone.
var schemaThree = []string{
	`CREATE TABLE res3 (pk INTEGER PRIMARY KEY, typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
		lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, "by" BLOB, peer BLOB, body BLOB) STRICT`,
	`CREATE TABLE hist3 (typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
		lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, "by" BLOB, peer BLOB, body BLOB,
		PRIMARY KEY (typ, id, ver)) STRICT`,
	`CREATE TABLE x3 (t INTEGER NOT NULL, v TEXT NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (t, v, pk)) STRICT, WITHOUT ROWID`,
	`CREATE TABLE xd3 (t INTEGER NOT NULL, p TEXT NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (t, p, lo, hi, pk)) STRICT, WITHOUT ROWID`,
	`CREATE TABLE xs3 (t INTEGER NOT NULL, p TEXT NOT NULL, v TEXT NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (t, p, v, pk)) STRICT, WITHOUT ROWID`,
}

var schemaThreeIndexes = []string{
	`CREATE UNIQUE INDEX res_id ON res (typ, id)`,
	`CREATE INDEX res_typ_lu ON res (typ, lu)`,
	`CREATE INDEX res_lu ON res (lu)`,
	`CREATE INDEX res_del ON res (typ, lu) WHERE del = 1`,
	`CREATE INDEX hist_typ_lu ON hist (typ, lu)`,
	`CREATE INDEX hist_lu ON hist (lu)`,
	`CREATE INDEX x_pk ON x (pk, t, v)`,
	`CREATE INDEX xd_pk ON xd (pk, t, p, lo, hi)`,
	`CREATE INDEX xs_pk ON xs (pk, t, p, v)`,
}

// toSchemaThree makes of a store's file what version 3 would have written. A term's
// k is four times the type's number, and 1 more where its text is several entries.
func toSchemaThree(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := db.Exec(text, args...); err != nil {
			t.Fatal(text, err)
		}
	}
	for _, text := range schemaThree {
		exec(text)
	}
	exec(`INSERT INTO res3 SELECT pk, typ, id, ver, lu, del, method, (SELECT val FROM who WHERE who.id = "by"), peer, body FROM res`)
	exec(`INSERT INTO hist3 SELECT typ, id, ver, lu, del, method, (SELECT val FROM who WHERE who.id = "by"), peer, body FROM hist`)
	exec(`INSERT INTO xd3 SELECT k / 4, v, lo, hi, pk FROM xd JOIN term ON term.id = p`)
	exec(`INSERT INTO xs3 SELECT k / 4, substr(v, 1, instr(v, ':') - 1), substr(v, instr(v, ':') + 1), pk FROM xs JOIN term ON term.id = term`)
	type row struct {
		k, pk int64
		v     string
	}
	var list []row
	rows, err := db.Query(`SELECT k, v, pk FROM x JOIN term ON term.id = term`)
	must(t, err)
	for rows.Next() {
		var r row
		must(t, rows.Scan(&r.k, &r.v, &r.pk))
		list = append(list, r)
	}
	must(t, rows.Err())
	must(t, rows.Close())
	for _, r := range list {
		entries := []string{r.v}
		if r.k%4 == 1 {
			entries = strings.Split(r.v, "\x01")
		}
		for _, e := range entries {
			exec(`INSERT INTO x3 VALUES (?, ?, ?)`, r.k/4, e, r.pk)
		}
	}
	docs, err := db.Query(`SELECT rowid, val FROM aux WHERE kind <> 'meta' AND substr(val, 1, 1) IN (x'00', x'01')`)
	must(t, err)
	plain := map[int64][]byte{}
	for docs.Next() {
		var id int64
		var val []byte
		must(t, docs.Scan(&id, &val))
		plain[id] = val[1:]
		if val[0] == 1 {
			plain[id], err = io.ReadAll(flate.NewReader(bytes.NewReader(val[1:])))
			must(t, err)
		}
	}
	must(t, docs.Err())
	must(t, docs.Close())
	for id, val := range plain {
		exec(`UPDATE aux SET val = ? WHERE rowid = ?`, val, id)
	}
	if len(plain) == 0 {
		t.Error("no document is kept otherwise than it was")
	}
	for _, name := range []string{"res", "hist", "x", "xd", "xs"} {
		exec(`DROP TABLE ` + name)
		exec(`ALTER TABLE ` + name + `3 RENAME TO ` + name)
	}
	exec(`DROP TABLE term`)
	exec(`DROP TABLE who`)
	exec(`ALTER TABLE types DROP COLUMN main`)
	for _, text := range schemaThreeIndexes {
		exec(text)
	}
	exec(`PRAGMA user_version = 3`)
}
