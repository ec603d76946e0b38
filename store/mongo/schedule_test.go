package mongo_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// More: go test ./store/mongo -run ToldIsWhatIsStored -schedules 20000 -timeout 1h
var (
	schedules    = flag.Int("schedules", 120, "how many schedules of faults to try")
	scheduleSeed = flag.Uint64("schedules.seed", 1, "the first of their seeds")
)

// Ensure that under any faults a write that is acknowledged is stored once, one
// that is refused or said not to have been carried out isn't and never will be,
// and one whose result is unknown is stored whole or not at all.
func TestWhatCallersAreToldIsWhatIsStored(t *testing.T) {
	const workers = 32 // which mostly wait
	var next atomic.Uint64
	var mu sync.Mutex
	told := map[string]int{}
	var wg sync.WaitGroup
	for n := range workers { // half of them on a cluster
		wg.Go(func() {
			fake := serve(t, fakereplset.Options{Lifetime: 700 * time.Millisecond, Cluster: n%2 == 1, Trailing: n%2 == 1})
			stores := [2]*mongo.Store{open(t, fake.URI(), mongo.Options{}), open(t, fake.URI(), mongo.Options{})}
			for !t.Failed() {
				n := next.Add(1) - 1
				if n >= uint64(*schedules) {
					return
				}
				s := &schedule{t: t, seed: *scheduleSeed + n, fake: fake, stores: stores}
				s.run()
				mu.Lock()
				for _, a := range s.actors {
					told[a.told]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d schedules: %v", *schedules, told)
	for _, what := range []string{"done", "refused", "unknown"} {
		require.NotZero(t, told[what], what)
	}
}

// schedule is one or two callers that write under faults.
type schedule struct {
	t      *testing.T
	seed   uint64
	fake   *fakereplset.Server
	stores [2]*mongo.Store
	actors []*actor

	mu  sync.Mutex // a command whose client has given up may come in at any time
	log []string
}

func (s *schedule) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, what)
}

func (s *schedule) notes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

// actor makes one batch, whose traces bear its mark.
type actor struct {
	kind   string
	mark   string
	batch  *store.Batch
	puts   []store.Ref // get a version that bears the mark, for each time they are named
	claims []string    // slots that get its owner
	owner  string
	frees  string // a slot that is its first holder's no more
	paper  string // a document that gets the mark,
	drops  string // and one that goes
	result *store.Result
	err    error
	told   string
}

func (s *schedule) run() {
	g := rand.New(rand.NewPCG(s.seed, 0))
	p := fmt.Sprintf("p%d", s.seed)
	s.prepare(p)
	for n := range 1 + g.IntN(2) {
		s.actors = append(s.actors, newActor(g, p, fmt.Sprintf("m%d-%d", s.seed, n)))
	}
	var patience []time.Duration
	for range s.actors {
		patience = append(patience, time.Duration(100+g.IntN(2500))*time.Millisecond)
	}
	late := make(chan struct{})
	s.fake.Hook(s.faults(g, late)) // which has g from here on
	var wg sync.WaitGroup
	for n, a := range s.actors {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(s.t.Context(), patience[n])
			defer cancel()
			a.result, a.err = s.stores[n].Commit(ctx, a.batch)
		})
	}
	wg.Wait()
	s.fake.Hook(nil)
	for _, a := range s.actors {
		a.judge()
		s.check(a, "at once")
	}
	close(late)
	s.fake.Settle()
	for _, a := range s.actors {
		s.check(a, "after what came late")
		s.again(a)
	}
}

// prepare lets a record, a hold and a document stand, each by itself.
func (s *schedule) prepare(p string) {
	for _, op := range []store.Op{store.Put{Record: slot(p, "")}, store.Claim{Slot: p + "-held", Owner: "hold/" + p, Until: time.Now().Add(time.Hour)},
		store.AuxPut{Kind: "link", Key: p, Value: []byte("first")}} {
		var err error
		for range 20 { // the driver may have to find its server again
			if _, err = s.stores[0].Commit(s.t.Context(), &store.Batch{Ops: []store.Op{op}}); err == nil {
				break
			}
		}
		require.NoError(s.t, err)
	}
}

func newActor(g *rand.Rand, p, mark string) *actor {
	a := &actor{mark: mark, batch: &store.Batch{}, owner: "Appointment/" + mark}
	add := func(ops ...store.Op) { a.batch.Ops = append(a.batch.Ops, ops...) }
	put := func(id string, c store.Condition) {
		add(store.Put{Record: slot(id, mark), If: c})
		a.puts = append(a.puts, store.Ref{Type: "Slot", ID: id})
	}
	del := func(c store.Condition) {
		add(store.Delete{Ref: store.Ref{Type: "Slot", ID: p}, If: c, By: fmt.Appendf(nil, "{%q:1}", mark)})
		a.puts = append(a.puts, store.Ref{Type: "Slot", ID: p})
	}
	take := func(c store.Claim) {
		c.Owner = a.owner
		add(c)
		a.claims = append(a.claims, c.Slot)
	}
	link := func(key string, c store.Condition) {
		add(store.AuxPut{Kind: "link", Key: key, Value: []byte(mark), If: c})
		a.paper = key
	}
	idem := func() { a.batch.Idem = &store.Idem{Keys: []string{mark}, Hash: mark, Keep: time.Hour} }
	absent, first, any := store.Condition{Absent: true}, store.Condition{Version: 1}, store.Condition{}
	kinds := []struct {
		name string
		make func()
	}{
		{"create", func() { put(p+"-new", absent) }},
		{"put", func() { put(p+"-new", any) }},
		{"update of a version", func() { put(p, first) }},
		{"update", func() { put(p, any) }},
		{"delete", func() { del(any) }},
		{"delete of a version", func() { del(first) }},
		{"hold", func() { take(store.Claim{Slot: p + "-free", Until: time.Now().Add(time.Hour)}) }},
		{"claim", func() { take(store.Claim{Slot: p + "-free"}) }},
		{"take-over", func() { take(store.Claim{Slot: p + "-held", Predecessor: "hold/" + p}) }},
		{"booking", func() { idem(); take(store.Claim{Slot: p + "-free"}); put(mark, absent); put(p, first) }},
		{"booking without idempotency", func() { take(store.Claim{Slot: p + "-free"}); put(mark, absent); put(p, first) }},
		{"reschedule", func() {
			idem()
			take(store.Claim{Slot: p + "-free"})
			add(store.Release{Slot: p + "-held", Owner: "hold/" + p})
			put(mark, absent)
			a.frees = p + "-held"
		}},
		{"confirmation", func() { take(store.Claim{Slot: p + "-held", Predecessor: "hold/" + p}); put(mark, absent) }},
		{"release", func() { add(store.Release{Slot: p + "-held", Owner: "hold/" + p}); a.frees = p + "-held" }},
		{"two claims", func() { take(store.Claim{Slot: p + "-free"}); take(store.Claim{Slot: p + "-other"}) }},
		{"document", func() { link(p+"-new", absent) }},
		{"document of a version", func() { link(p, first) }},
		{"document deleted", func() { add(store.AuxDelete{Kind: "link", Key: p, If: first}); a.drops = p }},
		{"guarded create", func() {
			a.batch.Guards = []store.Guard{store.VersionGuard{Ref: store.Ref{Type: "Slot", ID: p}, Version: 1},
				store.NoMatch{Query: &search.Query{Type: "Slot", Where: search.Has("identifier=s|" + p)}}}
			put(p+"-new", absent)
		}},
		{"two versions", func() { put(p, any); put(p, any) }},
	}
	k := kinds[g.IntN(len(kinds))]
	a.kind = k.name
	k.make()
	return a
}

// faults is what happens to commands: of the first ones, a part meets something
// that a server or the way to it may do.
func (s *schedule) faults(g *rand.Rand, late chan struct{}) func(fakereplset.Call) *fakereplset.Fault {
	var mu sync.Mutex
	left, share := 1+g.IntN(30), 10+g.IntN(70)
	return func(c fakereplset.Call) *fakereplset.Fault {
		mu.Lock()
		defer mu.Unlock()
		if left--; left < 0 || g.IntN(100) >= share {
			return nil
		}
		f, what := fault(g, c, late)
		if what == "forgets" {
			s.fake.Forget()
		}
		s.note(fmt.Sprintf("%s %d %s", c.Name, c.N, what))
		return f
	}
}

func fault(g *rand.Rand, c fakereplset.Call, late chan struct{}) (*fakereplset.Fault, string) {
	writes := c.Name == "insert" || c.Name == "update" || c.Name == "delete"
	inside := c.Doc.Lookup("autocommit").Type != 0
	commit := c.Name == "commitTransaction"
	for {
		switch g.IntN(10) {
		case 0:
			return &fakereplset.Fault{Drop: true}, "dropped before"
		case 1, 2:
			return &fakereplset.Fault{Apply: true, Drop: true}, "dropped after"
		case 3:
			return &fakereplset.Fault{Late: late, Drop: true}, "comes late"
		case 4:
			return &fakereplset.Fault{Reply: notPrimary}, "not primary"
		case 5:
			applied := g.IntN(2) == 0
			return &fakereplset.Fault{Reply: tooSlow, Apply: applied}, fmt.Sprint("out of time, applied ", applied)
		case 6:
			if inside && !commit || commit {
				return &fakereplset.Fault{Reply: writeConflict}, "write conflict"
			}
		case 7:
			if commit {
				applied := g.IntN(2) == 0
				return &fakereplset.Fault{Reply: unknownCommit, Apply: applied}, fmt.Sprint("unknown, applied ", applied)
			}
			if writes && !inside {
				applied := g.IntN(2) == 0
				return &fakereplset.Fault{Reply: interrupted, Apply: applied}, fmt.Sprint("interrupted, applied ", applied)
			}
		case 8:
			if commit || writes && !inside {
				reply := bson.D{{Key: "n", Value: int32(1)}, {Key: "nModified", Value: int32(1)}, {Key: "ok", Value: 1.0}}
				code := []int32{64, 91, 100}[g.IntN(3)]
				reply = append(reply, bson.E{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: code}, {Key: "errmsg", Value: "waiting for replication failed"}}})
				return &fakereplset.Fault{Reply: reply, Apply: true}, fmt.Sprint("write concern ", code)
			}
		default:
			return nil, "forgets"
		}
	}
}

var interrupted = fakereplset.Failure(11602, "InterruptedDueToReplStateChange", "stepping down", "RetryableWriteError")

func (a *actor) judge() {
	var conflict *store.ConflictError
	switch {
	case a.err == nil:
		a.told = "done"
	case errors.Is(a.err, store.ErrUnknown):
		a.told = "unknown"
	case errors.As(a.err, &conflict):
		a.told = "refused"
	case errors.Is(a.err, store.ErrUnavailable), errors.Is(a.err, context.DeadlineExceeded):
		a.told = "not done"
	default:
		a.told = "fault: " + a.err.Error()
	}
}

// check holds what is stored against what the caller was told.
func (s *schedule) check(a *actor, when string) {
	there, whole := s.traces(a)
	fail := func(format string, args ...any) {
		s.t.Errorf("seed %d, %s of %s, told %s (%v), %s: %s\n%s", s.seed, a.kind, a.mark, a.told, a.err, when, fmt.Sprintf(format, args...), s.notes())
	}
	switch {
	case !whole:
		fail("it is there in part, or more than once: %v", there)
	case a.told == "done" && !there:
		fail("it isn't there")
	case a.told != "done" && a.told != "unknown" && there:
		fail("it is there")
	case strings.HasPrefix(a.told, "fault"):
		fail("no such error is meant to be")
	}
	if a.told != "done" {
		return
	}
	if a.result.Replay != nil {
		fail("it is told as a replay")
	}
	for _, v := range a.result.Versions {
		r, err := s.stores[0].GetVersion(s.t.Context(), v.Ref, v.Version)
		if err != nil || !(marked(r, a.mark) || a.kind == "delete" && r.Deleted) {
			fail("version %d of %s isn't its own: %v", v.Version, v.Ref, err)
		}
	}
}

func marked(r *store.Record, mark string) bool {
	return strings.Contains(string(r.Body), `"`+mark+`"`) || strings.Contains(string(r.By), `"`+mark+`"`)
}

// traces looks for what the batch leaves; whole is false where a part is missing
// or too much.
func (s *schedule) traces(a *actor) (there, whole bool) {
	s.fake.Show() // it is another program that looks
	var found []bool
	whole = true
	for _, ref := range a.puts {
		want, got := 0, 0
		for _, r := range a.puts {
			if r == ref {
				want++
			}
		}
		page, err := s.stores[0].History(s.t.Context(), ref, time.Time{}, 500, "")
		require.NoError(s.t, err)
		for _, r := range page.Records {
			if marked(r, a.mark) {
				got++
			}
		}
		if a.kind == "delete" && got == 0 && a.told == "done" {
			got = 1 // another had deleted it: check looks at the version
		}
		whole = whole && (got == 0 || got == want)
		found = append(found, got > 0)
	}
	for _, id := range a.claims {
		found = append(found, s.ownerOf(id) == a.owner)
	}
	if a.paper != "" {
		found = append(found, strings.HasPrefix(s.document(a.paper), a.mark))
	}
	if a.drops != "" {
		found = append(found, s.document(a.drops) == "" && (a.told == "done" || !s.another(a)))
	}
	if a.frees != "" {
		owner := s.ownerOf(a.frees)
		free := !strings.HasPrefix(owner, "hold/")
		whole = whole && (free || len(found) == 0 || !found[0])
		if a.told != "done" { // it may be another who has freed or taken it
			free = owner == "" && !s.another(a)
		}
		if len(found) == 0 {
			found = append(found, free)
		}
	}
	for _, f := range found {
		whole = whole && f == found[0]
	}
	return found[0], whole
}

// another says that what a removes may have been removed by another.
func (s *schedule) another(a *actor) bool {
	return slices.ContainsFunc(s.actors, func(b *actor) bool {
		return b != a && (b.frees != "" && a.frees != "" || b.drops != "" && a.drops != "")
	})
}

func (s *schedule) ownerOf(slot string) string {
	got, err := s.stores[0].AuxGet(s.t.Context(), "claim", []string{slot})
	require.NoError(s.t, err)
	if len(got) == 0 {
		return ""
	}
	return string(got[0].Value)
}

func (s *schedule) document(key string) string {
	got, err := s.stores[0].AuxGet(s.t.Context(), "link", []string{key})
	require.NoError(s.t, err)
	if len(got) == 0 {
		return ""
	}
	return string(got[0].Value)
}

// again repeats a batch whose result is unknown, as its caller would: its key says
// which it was.
func (s *schedule) again(a *actor) {
	if a.told != "unknown" || a.batch.Idem == nil {
		return
	}
	there, _ := s.traces(a)
	done, err := s.stores[1].Commit(s.t.Context(), a.batch)
	var conflict *store.ConflictError
	if !there && errors.As(err, &conflict) {
		return // another was first
	}
	require.NoError(s.t, err, "seed %d", s.seed)
	require.Equal(s.t, there, done.Replay != nil, "seed %d, %s: %s", s.seed, a.kind, s.notes())
	a.told, a.result = "done", &store.Result{}
	s.check(a, "after it was repeated")
}
