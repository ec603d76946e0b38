package sqlite

import (
	"context"
	"errors"
	"fmt"
)

const (
	applicationID = 0x4F4E5744 // "ONWD"
	schemaVersion = 4
)

var (
	errForeign = errors.New("store: the file is a database of another program")
	errNewer   = errors.New("store: the database was written by a newer version of this program")
	errOlder   = errors.New("store: the database has an older schema")
)

// schema is the newest version. t is a record type's number in types, which also
// counts the type's live records and all of its versions, and says how its records
// stand to start (mainAll and its like).
var schema = []string{
	`CREATE TABLE types (t INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
		live INTEGER NOT NULL DEFAULT 0, versions INTEGER NOT NULL DEFAULT 0, main INTEGER NOT NULL DEFAULT 0) STRICT`,

	res, resByID, resByType, resByTime, tombstones,
	hist, histByType, histByTime,
	who,
	term, termByText, x, xd, xs,

	// What was ever seen of a date parameter: the widest span, and whether some
	// record had several. A search turns "ends after a" into "begins after
	// a - width", which the index can answer.
	`CREATE TABLE xw (t INTEGER NOT NULL, p TEXT NOT NULL, width INTEGER NOT NULL, several INTEGER NOT NULL,
		PRIMARY KEY (t, p)) STRICT, WITHOUT ROWID`,

	`CREATE TABLE claim (slot TEXT NOT NULL, part INTEGER NOT NULL, owner TEXT NOT NULL, at INTEGER NOT NULL, exp INTEGER,
		PRIMARY KEY (slot, part)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX claim_owner ON claim (owner)`,
	`CREATE INDEX claim_exp ON claim (exp) WHERE exp IS NOT NULL`,

	aux, auxByEnd,
	feed,
}

// res holds the current versions. ix is what the index has of the record (see
// keys.go), NULL on a tombstone, and stands before the body so that it can be read
// without that; lo is the lo of its rows in x. "by" is a row of who.
const (
	res = `CREATE TABLE res (pk INTEGER PRIMARY KEY, typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
		lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, lo INTEGER NOT NULL, "by" INTEGER, ix BLOB, peer BLOB, body BLOB) STRICT`
	resByID   = `CREATE UNIQUE INDEX res_id ON res (typ, id)`
	resByType = `CREATE INDEX res_typ_lu ON res (typ, lu)`
	resByTime = `CREATE INDEX res_lu ON res (lu)`
	// tombstones lets a purge find them.
	tombstones = `CREATE INDEX res_del ON res (typ, lu) WHERE del = 1`
)

// hist and aux hold bodies. A table without rowid would put each of those that is
// longer than a quarter of a page on pages of its own.
const (
	hist = `CREATE TABLE hist (typ TEXT NOT NULL, id TEXT NOT NULL, ver INTEGER NOT NULL,
		lu INTEGER NOT NULL, del INTEGER NOT NULL, method TEXT NOT NULL, "by" INTEGER, peer BLOB, body BLOB,
		PRIMARY KEY (typ, id, ver)) STRICT`
	histByType = `CREATE INDEX hist_typ_lu ON hist (typ, lu)`
	histByTime = `CREATE INDEX hist_lu ON hist (lu)`

	aux = `CREATE TABLE aux (kind TEXT NOT NULL, key TEXT NOT NULL, ver INTEGER NOT NULL, val BLOB, exp INTEGER,
		PRIMARY KEY (kind, key)) STRICT`
	auxByEnd = `CREATE INDEX aux_exp ON aux (exp) WHERE exp IS NOT NULL`
)

// who holds the audit texts of versions, each once; versions counts those that
// have it.
const who = `CREATE TABLE who (id INTEGER PRIMARY KEY, versions INTEGER NOT NULL, val BLOB NOT NULL) STRICT`

// The index of current records that aren't deleted: term numbers texts, x says
// which records have an entry, xd which span of a parameter (p is a term too), xs
// by which term a record sorts.
const (
	term       = `CREATE TABLE term (id INTEGER PRIMARY KEY, k INTEGER NOT NULL, v TEXT NOT NULL) STRICT`
	termByText = `CREATE UNIQUE INDEX term_v ON term (k, v)`
	x          = `CREATE TABLE x (term INTEGER NOT NULL, lo INTEGER NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (term, lo, pk)) STRICT, WITHOUT ROWID`
	xd = `CREATE TABLE xd (p INTEGER NOT NULL, lo INTEGER NOT NULL, hi INTEGER NOT NULL, pk INTEGER NOT NULL,
		PRIMARY KEY (p, lo, hi, pk)) STRICT, WITHOUT ROWID`
	xs = `CREATE TABLE xs (term INTEGER NOT NULL, pk INTEGER NOT NULL, PRIMARY KEY (term, pk)) STRICT, WITHOUT ROWID`
)

// feed lists every version in the order of commit. It names the record by its row
// of res; lu tells a version from one of another record that had that row before
// it was purged. Rows whose version is gone mean nothing.
const feed = `CREATE TABLE feed (seq INTEGER PRIMARY KEY, pk INTEGER NOT NULL, ver INTEGER NOT NULL, lu INTEGER NOT NULL) STRICT`

// implied makes the counters and the feed of the versions that stand.
var implied = []string{
	`INSERT OR IGNORE INTO types (name) SELECT DISTINCT typ FROM res`,
	`UPDATE types SET live = (SELECT count(*) FROM res WHERE typ = name AND del = 0),
		versions = (SELECT count(*) FROM res WHERE typ = name) + (SELECT count(*) FROM hist WHERE typ = name)`,
	`INSERT INTO feed (pk, ver, lu) SELECT pk, ver, lu FROM
		(SELECT pk, ver, lu FROM res UNION ALL SELECT r.pk, h.ver, h.lu FROM hist h JOIN res r ON r.typ = h.typ AND r.id = h.id)
		ORDER BY lu, pk, ver`,
}

// mapped is the most of a file that SQLite maps, 2 GiB. With 256 MB a read of a
// store of a million slots took twice the processor time.
const mapped = `PRAGMA mmap_size = 2147418112`

// busyTimeout is how long a connection waits for a lock of another, in milliseconds.
const busyTimeout = `PRAGMA busy_timeout = 5000`

// writerPragmas and readerPragmas set up one connection. A reader's cache is
// small because there are several and an idle server should be too. Loading in
// bulk changes the same pages again and again: the longer they stay in memory and
// in the log, the fewer are written twice.
func writerPragmas(sync string, bulk bool) []string {
	cache, checkpoint := 64<<10, 4000 // KiB, pages
	if bulk {
		cache, checkpoint = 1<<20, 128_000
	}
	return []string{
		busyTimeout,
		`PRAGMA journal_mode = WAL`,
		`PRAGMA synchronous = ` + sync,
		fmt.Sprintf(`PRAGMA cache_size = -%d`, cache),
		mapped,
		`PRAGMA temp_store = MEMORY`,
		fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, checkpoint),
		fmt.Sprintf(`PRAGMA journal_size_limit = %d`, logLimit),
		`PRAGMA trusted_schema = OFF`,
	}
}

var readerPragmas = []string{
	busyTimeout,
	`PRAGMA query_only = ON`,
	`PRAGMA cache_size = -8192`,
	mapped,
	`PRAGMA temp_store = MEMORY`,
	`PRAGMA trusted_schema = OFF`,
}

// taskPragmas set up a connection for one task, such as a backup.
var taskPragmas = []string{busyTimeout, `PRAGMA trusted_schema = OFF`}

// version reads the file's schema, 0 where the file is new. It refuses a file
// that isn't ours or is from the future, before anything is written to it.
func (c *conn) version(ctx context.Context) (int, error) {
	var app, version, tables int64
	for _, q := range []struct {
		text string
		into *int64
	}{
		{`PRAGMA application_id`, &app},
		{`PRAGMA user_version`, &version},
		{`SELECT count(*) FROM sqlite_schema`, &tables},
	} {
		if _, err := c.row(ctx, q.text, nil, q.into); err != nil {
			return 0, fault("open the database", err)
		}
	}
	if app == applicationID && version > schemaVersion {
		return 0, fmt.Errorf("%w: its schema is %d, this program knows %d", errNewer, version, schemaVersion)
	}
	if app == applicationID && version > 0 {
		return int(version), nil
	}
	if app != 0 || version != 0 || tables != 0 {
		return 0, errForeign
	}
	return 0, nil
}

// create makes the tables and marks the file, together or not at all.
func (c *conn) create(ctx context.Context) error {
	text := append([]string{`BEGIN IMMEDIATE`}, schema...)
	text = append(text,
		fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
		fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion),
		`COMMIT`)
	if err := c.run(ctx, text); err != nil {
		_ = c.once(context.WithoutCancel(ctx), `ROLLBACK`)
		return fault("make the tables", err)
	}
	return nil
}
