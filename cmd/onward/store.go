package main

// storeCommand holds the commands on a store as a whole.
type storeCommand struct {
	Backup  backupCommand  `cmd:"" help:"Copy a SQLite store to a file, beside a running server too."`
	Check   checkCommand   `cmd:"" help:"Look for broken invariants and damage, beside a running server too."`
	Copy    copyCommand    `cmd:"" help:"Move everything into another, empty store."`
	Purge   purgeCommand   `cmd:"" help:"Remove superseded versions and deleted records that are older than a time."`
	Reindex reindexCommand `cmd:"" help:"Make the search index anew, after an upgrade that finds more or under another base URL."`
}
