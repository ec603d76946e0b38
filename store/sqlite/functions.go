package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"strconv"

	sqlite "modernc.org/sqlite"

	"github.com/onward-health/onward/fhir/search"
)

// The functions that statements use on res.ix. They see one record's keys and
// nothing else; no table or index depends on them, so that other programs can
// read the file. A record without index entries has none.
func init() {
	for name, f := range map[string]struct {
		args int32
		run  func(args []driver.Value) (driver.Value, error)
	}{
		"ix_any":   {2, ixAny},
		"ix_span":  {5, ixSpan},
		"ix_date":  {2, ixDate},
		"ix_first": {4, ixFirst},
		"ix_text":  {2, ixText},
		"ix_terms": {1, ixTerms},
	} {
		// Volatile: the arguments aren't copied, and none is kept.
		sqlite.MustRegisterFunction(name, &sqlite.FunctionImpl{NArgs: f.args, Deterministic: true, VolatileArgs: true,
			Scalar: func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) { return f.run(args) }})
	}
}

func blobArg(v driver.Value) []byte {
	b, _ := v.([]byte)
	return b
}

func intArg(v driver.Value) int64 {
	n, _ := v.(int64)
	return n
}

// packTerms is the second argument of ix_any: ascending numbers of eight bytes.
func packTerms(sorted []int64) []byte {
	b := make([]byte, 0, 8*len(sorted))
	for _, t := range sorted {
		b = binary.BigEndian.AppendUint64(b, uint64(t))
	}
	return b
}

// ixAny says whether the keys hold one of a list of terms. Both ascend.
func ixAny(args []driver.Value) (driver.Value, error) {
	ix, list := blobArg(args[0]), blobArg(args[1])
	if len(ix) == 0 {
		return int64(0), nil
	}
	found := int64(0)
	r := packed{b: ix}
	r.terms(func(t int64) bool {
		for len(list) >= 8 {
			wanted := int64(binary.BigEndian.Uint64(list))
			if wanted == t {
				found = 1
			}
			if wanted >= t {
				break
			}
			list = list[8:]
		}
		return found == 0 && len(list) >= 8
	})
	return found, readable(r)
}

// ixSpan says whether one of a parameter's spans meets a comparison (search.Op,
// the first and the last moment asked for).
func ixSpan(args []driver.Value) (driver.Value, error) {
	found := int64(0)
	op, _ := args[2].(string)
	lo, hi := intArg(args[3]), intArg(args[4])
	err := datesOf(args, func(d dateKey) bool {
		if meets(search.Op(op), d, lo, hi) {
			found = 1
		}
		return found == 0
	})
	return found, err
}

func meets(op search.Op, d dateKey, a, b int64) bool {
	switch op {
	case search.Eq:
		return d.lo >= a && d.hi <= b
	case search.Ne:
		return d.lo < a || d.hi > b
	case search.Gt:
		return d.hi > b
	case search.Ge:
		return d.hi >= a
	case search.Lt:
		return d.lo < a
	case search.Le:
		return d.lo <= b
	case search.Sa:
		return d.lo > b
	case search.Eb:
		return d.hi < a
	case search.Ap:
		return d.hi >= a && d.lo <= b
	}
	return false
}

// ixDate is when the earliest of a parameter's spans begins.
func ixDate(args []driver.Value) (first driver.Value, err error) {
	err = datesOf(args, func(d dateKey) bool {
		first = d.lo // they are in order
		return false
	})
	return first, err
}

// ixFirst says whether a span, given as parameter, begin and end, is the
// parameter's earliest, which is the one by which the record sorts.
func ixFirst(args []driver.Value) (driver.Value, error) {
	is := int64(0)
	err := datesOf(args, func(d dateKey) bool {
		if d.lo == intArg(args[2]) && d.hi == intArg(args[3]) {
			is = 1
		}
		return false
	})
	return is, err
}

func datesOf(args []driver.Value, f func(dateKey) bool) error {
	ix, param := blobArg(args[0]), intArg(args[1])
	if len(ix) == 0 {
		return nil
	}
	r := packed{b: ix}
	r.terms(func(int64) bool { return false })
	r.dates(func(d dateKey) bool { return d.param != param || f(d) })
	return readable(r)
}

// ixText is the term by which the record sorts under a parameter.
func ixText(args []driver.Value) (term driver.Value, err error) {
	ix, param := blobArg(args[0]), intArg(args[1])
	if len(ix) == 0 {
		return nil, nil
	}
	r := packed{b: ix}
	r.terms(func(int64) bool { return false })
	r.dates(func(dateKey) bool { return false })
	r.texts(func(t textKey) bool {
		if t.param == param {
			term = t.term
		}
		return term == nil
	})
	return term, readable(r)
}

// ixTerms lists the terms as JSON.
func ixTerms(args []driver.Value) (driver.Value, error) {
	ix := blobArg(args[0])
	if len(ix) == 0 {
		return "[]", nil
	}
	out := []byte{'['}
	r := packed{b: ix}
	r.terms(func(t int64) bool {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, t, 10)
		return true
	})
	return string(append(out, ']')), readable(r)
}

func readable(r packed) error {
	if r.bad {
		return errKeys
	}
	return nil
}
