package kit

// Reindexed is where an unfinished Reindex stands. Engines keep it under
// ReindexKey as JSON.
type Reindexed struct {
	After string `json:"after"` // the last logical id done
	Under string `json:"under"` // what the entries depend on
	Done  int    `json:"done"`
}

// ReindexFrom is where a Reindex begins: where one under the same name stopped.
func ReindexFrom(stopped Reindexed, under string) Reindexed {
	if stopped.Under != under {
		return Reindexed{Under: under}
	}
	return stopped
}

// ReindexRows is how many records are read, extracted and written at a time:
// few, because on SQLite other writes wait for that long.
const ReindexRows = 64

// ReindexKey is the key of the position in a type, of kind KindMeta.
func ReindexKey(typ string) string { return "reindex|" + typ }
