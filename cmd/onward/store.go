package main

// storeCommand holds the commands on a store as a whole.
type storeCommand struct {
	Purge purgeCommand `cmd:"" help:"Remove superseded versions and deleted records that are older than a time."`
}
