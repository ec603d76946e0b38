package kit

// Reindexed is where an unfinished Reindex stands. Engines keep it under
// ReindexKey as JSON.
type Reindexed struct {
	After string `json:"after"` // the last logical id done
	Done  int    `json:"done"`
}

// ReindexRows is how many records are read, extracted and written at a time:
// few, because on SQLite other writes wait for that long.
const ReindexRows = 64

// ReindexKey is the key of the position in a type, of kind KindMeta.
func ReindexKey(typ string) string { return "reindex|" + typ }
