package search

// Query is a search, compiled from the query text by Parse or built by the
// room. Engines turn it into SQL or a filter; Match is the oracle that says
// what any engine must answer.
type Query struct {
	Type  string
	Where Node   // nil: everything of the type
	Sort  []Sort // the last key is always the record's own, ascending
	Count int    // page size, 1 to MaxCount; 0 means DefaultCount
	// Cursor continues after a page: what Page.Next of the page before said.
	Cursor string
}

// Page sizes.
const (
	DefaultCount = 50
	MaxCount     = 500
)

// Sort orders by "_lastUpdated", "_id", a date or quantity parameter (its least
// Lo) or a string, token, uri or reference parameter (its SortKey). Records without a value
// come last.
type Sort struct {
	Param string
	Desc  bool
}

// Node is one condition of a query.
type Node interface{ node() }

// The conditions.
type (
	// Has is met by a record with this entry in X.
	Has string
	// HasAny is met by a record with one of these entries; empty: by none.
	HasAny []string
	// Prefix is met by a record with an entry that starts so.
	Prefix string
	// Date is met by a record with a Span of Param that stands to [Lo, Hi] as
	// Op demands.
	Date struct {
		Param  string
		Op     Op
		Lo, Hi int64
	}
	// IDs is met by records with one of these logical ids.
	IDs []string
	// Updated compares the time of the last change, in milliseconds.
	Updated struct {
		Op     Op
		Lo, Hi int64
	}
	// And is met when all are; empty: always.
	And []Node
	// Or is met when one is; empty: never.
	Or []Node
	// Not is met when Node isn't.
	Not struct{ Node Node }
	// Chain is met by a record with an entry Param+":"+ref for a reference ref
	// to a record that Query finds. Resolve turns it into HasAny before an engine
	// sees it.
	Chain struct {
		Param string
		Query *Query
	}
	// ReverseChain is met by a record that one of the records that Query finds
	// refers to through Param, a parameter of Query.Type. Resolve turns it into
	// IDs before an engine sees it.
	ReverseChain struct {
		Param string
		Query *Query
	}
)

func (Has) node()     {}
func (HasAny) node()  {}
func (Prefix) node()  {}
func (Date) node()    {}
func (IDs) node()     {}
func (Updated) node() {}
func (And) node()     {}
func (Or) node()      {}
func (Not) node()     {}
func (Chain) node()   {}

func (ReverseChain) node() {}

// Op is a search prefix, with R4's meaning on ranges: stored [lo,hi] against
// asked [a,b].
type Op string

// The prefixes.
const (
	Eq Op = "eq" // lo >= a and hi <= b
	Ne Op = "ne" // not Eq
	Gt Op = "gt" // hi > b
	Lt Op = "lt" // lo < a
	Ge Op = "ge" // hi >= a
	Le Op = "le" // lo <= b
	Sa Op = "sa" // lo > b
	Eb Op = "eb" // hi < a
	Ap Op = "ap" // overlaps [a,b]; Parse has widened it
)

// Both joins two conditions, of which the second may be nil.
func Both(a, b Node) Node {
	if b == nil {
		return a
	}
	return And{a, b}
}
