package search

// Index is what a record can be found by. It is computed from the resource by
// Extract before the record is committed; the store never reads FHIR.
// Extract gives each of the three sorted and free of doubles.
type Index struct {
	X []string // entries; their forms are listed in the package comment
	D []Span   // dates and quantities, one a value
	S []SortKey
	// Over says that the resource has more than MaxEntries entries. The index is
	// then incomplete and the record must be refused (fhir.KindTooComplex).
	Over bool
}

// MaxEntries bounds the index of one record, X and D together.
const MaxEntries = 20_000

// Span is what one date value can mean: milliseconds since 1970 UTC, both ends
// inclusive. An open end is MinTime or MaxTime. Those of a quantity are numbers;
// see the package comment for both them and the "$" in their Param.
type Span struct {
	Param  string
	Lo, Hi int64
}

// SortKey is the value that a string, token, uri or reference parameter sorts by.
type SortKey struct{ Param, Value string }

// Open ends of a Span.
const (
	MinTime = -1 << 62
	MaxTime = 1<<62 - 1
)
