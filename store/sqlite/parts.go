package sqlite

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/search"
)

// word is a term in the making: its type isn't numbered yet.
type word struct {
	kind int64
	text string
}

// parts is an index made ready for the writer, by the caller's goroutine: its
// distinct words and where they go. ids are the words' numbers, from the writer.
type parts struct {
	words []word
	terms []int
	dates []partDate
	texts [][2]int // parameter and term
	ids   []int64
	start int64 // the begin of the only span of start, where there is one
	one   bool
}

type partDate struct {
	param  int
	lo, hi int64
}

// startParam is the parameter by whose begin index rows are kept in order, for
// types all of whose records have one: a diary's free slots from a time on are
// then one range of one term.
const startParam = "start"

func partsOf(ix search.Index) *parts {
	p := &parts{words: make([]word, 0, len(ix.X)+2*len(ix.S)+len(ix.D))}
	places := make(map[word]int, cap(p.words))
	place := func(w word) int {
		at, known := places[w]
		if !known {
			at = len(p.words)
			places[w] = at
			p.words = append(p.words, w)
		}
		return at
	}
	var shape []string
	for _, e := range ix.X {
		if shaped(e) {
			shape = append(shape, e)
			continue
		}
		p.terms = append(p.terms, place(word{kindEntry, e}))
	}
	if len(shape) > 0 {
		slices.Sort(shape)
		p.terms = append(p.terms, place(word{kindShape, strings.Join(slices.Compact(shape), shapeMark)}))
	}
	starts := 0
	for _, d := range ix.D {
		p.dates = append(p.dates, partDate{place(word{kindDate, d.Param}), d.Lo, d.Hi})
		if d.Param == startParam {
			starts++
			p.start = d.Lo
		}
	}
	p.one = starts == 1
	seen := make(map[string]bool, len(ix.S))
	for _, s := range ix.S { // a record sorts by the first value of a parameter
		if !seen[s.Param] {
			p.texts = append(p.texts, [2]int{place(word{kindText, s.Param}), place(word{kindEntry, s.Param + ":" + s.Value})})
		}
		seen[s.Param] = true
	}
	return p
}

// keys are the parts by numbers.
func (p *parts) keys() keys {
	k := keys{terms: make([]int64, len(p.terms)), dates: make([]dateKey, len(p.dates)), texts: make([]textKey, len(p.texts))}
	for i, at := range p.terms {
		k.terms[i] = p.ids[at]
	}
	for i, d := range p.dates {
		k.dates[i] = dateKey{p.ids[d.param], d.lo, d.hi}
	}
	for i, t := range p.texts {
		k.texts[i] = textKey{p.ids[t[0]], p.ids[t[1]]}
	}
	k.normal()
	return k
}
