package subscription

import (
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

// position is how far the fan-out has come.
type position struct {
	at   string    // in the feed, behind what has been dealt with
	upTo time.Time // when the latest of that was written
	// since is set in a store that was copied: what was written before has been dealt
	// with in the other one.
	since time.Time
}

// pass moves the position behind a page. A clock that was fast for a while counts
// for no more than now.
func (p *position) pass(page *store.Changes, now time.Time) {
	p.at = page.Next
	for _, change := range page.List {
		at := change.LastUpdated
		if at.After(now) {
			at = now.UTC()
		}
		if at.After(p.upTo) {
			p.upTo = at
		}
	}
}

// overlap is how long before the last known change a copied store's feed is told
// of again: changes come by their times, in about their order.
const overlap = time.Hour

// elsewhere makes the position of another store one at the beginning of this.
func (p position) elsewhere() position {
	if p.upTo.IsZero() {
		return position{}
	}
	return position{upTo: p.upTo, since: p.upTo.Add(-overlap)}
}

// text is how a position is kept: three words, of which earlier versions of this
// program wrote the first.
func (p position) text() []byte {
	return []byte(strings.Join([]string{p.at, p.upTo.Format(time.RFC3339Nano), p.since.Format(time.RFC3339Nano)}, " "))
}

func readPosition(text []byte) position {
	word := append(strings.Split(string(text), " "), "", "")
	p := position{at: word[0]}
	p.upTo, _ = time.Parse(time.RFC3339Nano, word[1])
	p.since, _ = time.Parse(time.RFC3339Nano, word[2])
	return p
}
