package search

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Extract computes what a resource can be found by. An element whose JSON type
// isn't the one that R4 gives it is not indexed: refusing it is the validator's
// work. The caller must refuse a record whose Index says Over.
func Extract(r *fhir.Resource, o Options) Index {
	params := ParamsOf(r.Type())
	x := extractor{
		o:       o,
		root:    r.Root(),
		buf:     make([]byte, 0, 4096),
		entries: make([]place, 0, 128),
		sorts:   make([]sortPlace, 0, 16),
		systems: make([]systemPair, 0, maxSystems),
		d:       make([]Span, 0, 4),
	}
	for i := range params {
		x.param(&params[i])
	}
	return x.index()
}

// extractor collects entries in one buffer, so that a resource costs a handful
// of allocations and not one for each entry.
type extractor struct {
	o       Options
	root    fhir.Value
	p       *Param
	present bool // the element of p is there
	sorted  bool // p has its SortKey
	holds   bool // p is true of the resource
	over    bool
	visit   func(fhir.Value) // what to do at the end of a path; nil: enter the value

	buf     []byte
	entries []place
	open    place // the entry being written: its start, and where its value starts
	d       []Span
	sorts   []sortPlace
	scratch []byte // the normalised form of a string
	systems []systemPair
	// contained gives the types of contained resources by id, once asked for.
	contained map[string]string
}

// place is a part of the buffer, sortPlace the one that a parameter sorts by.
type (
	place     struct{ from, to int }
	sortPlace struct {
		param string
		place
	}
)

func (x *extractor) param(p *Param) {
	x.p, x.present, x.sorted, x.holds = p, false, false, false
	if p.pair != nil {
		x.composite(p)
	} else {
		for _, path := range p.steps {
			x.walk(x.root, path, step{})
		}
	}
	if p.whether {
		x.present = true
		x.simpleToken(strconv.AppendBool(nil, x.holds))
	}
	if x.present && x.room() {
		from := len(x.buf)
		x.buf = append(append(x.buf, '!'), p.Name...)
		x.entries = append(x.entries, place{from, len(x.buf)})
	}
}

// walk visits every value at the end of the path, through all arrays. came is
// the step that led to v; its filter is applied to each element.
func (x *extractor) walk(v fhir.Value, path []step, came step) {
	if x.over {
		return
	}
	switch v.Kind() {
	case fhir.Missing, fhir.NullKind:
	case fhir.ArrayKind:
		for item := range v.Items() {
			if item.Kind() != fhir.ArrayKind { // FHIR has no array in an array
				x.walk(item, path, came)
			}
		}
	default:
		if came.key != "" && v.Get(came.key).Text() != came.value {
			return
		}
		if len(path) == 0 {
			if x.visit != nil {
				x.visit(v)
				return
			}
			x.value(v)
			return
		}
		x.walk(v.Get(path[0].name), path[1:], path[0])
	}
}

func (x *extractor) value(v fhir.Value) {
	switch x.p.Type {
	case TokenType:
		x.token(v)
	case StringType:
		x.str(v)
	case ReferenceType:
		x.reference(v)
	case DateType:
		x.date(v)
	case QuantityType:
		x.quantity(v)
	case URIType:
		if v.Kind() == fhir.StringKind {
			x.present = true
			x.add(':', v.TextBytes())
			x.sortBy(v.TextBytes())
		}
	}
}

// room says whether one more entry may be added.
func (x *extractor) room() bool {
	if len(x.entries)+len(x.d) >= MaxEntries {
		x.over = true
	}
	return !x.over
}

// begin starts an entry of the current parameter, end closes it.
func (x *extractor) begin(separator byte) {
	x.open.from = len(x.buf)
	x.buf = append(append(x.buf, x.p.Name...), separator)
	x.open.to = len(x.buf)
}

func (x *extractor) end() {
	x.buf = cut(x.buf, x.open.to)
	if !x.room() {
		x.buf = x.buf[:x.open.from]
		return
	}
	x.entries = append(x.entries, place{x.open.from, len(x.buf)})
}

// whole adds an entry that is already put together.
func (x *extractor) whole(entry string) {
	from := len(x.buf)
	x.buf = append(x.buf, entry...)
	x.entries = append(x.entries, place{from, len(x.buf)})
}

// add writes a whole entry.
func (x *extractor) add(separator byte, parts ...[]byte) {
	x.begin(separator)
	for _, part := range parts {
		x.buf = append(x.buf, part...)
	}
	x.end()
}

// sortBy notes the first value of a sortable parameter.
func (x *extractor) sortBy(normalised []byte) {
	if !x.p.sortable || x.sorted || len(normalised) == 0 {
		return
	}
	x.sorted = true
	from := len(x.buf)
	x.buf = cut(append(x.buf, normalised...), from)
	x.sorts = append(x.sorts, sortPlace{x.p.Name, place{from, len(x.buf)}})
}

// index sorts what was collected and drops doubles.
func (x *extractor) index() Index {
	all := string(x.buf)
	list := make([]string, len(x.entries))
	for i, e := range x.entries {
		list[i] = all[e.from:e.to]
	}
	slices.Sort(list)
	var keys []SortKey
	if len(x.sorts) > 0 {
		keys = make([]SortKey, len(x.sorts))
	}
	for i, s := range x.sorts {
		keys[i] = SortKey{s.param, all[s.from:s.to]}
	}
	if len(x.d) == 0 {
		x.d = nil
	}
	slices.SortFunc(x.d, func(a, b Span) int {
		return cmp.Or(strings.Compare(a.Param, b.Param), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi))
	})
	return Index{X: slices.Compact(list), D: slices.Compact(x.d), S: keys, Over: x.over}
}
