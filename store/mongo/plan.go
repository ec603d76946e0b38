package mongo

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// plan is one run of a batch inside a transaction: it reads all that the batch
// is about, judges and changes it in memory, and writes the outcome. Nothing of
// it outlives the run, because a transaction may be run several times.
type plan struct {
	s      *Store
	b      *store.Batch
	now    int64 // one for all of its versions
	write  primitive.ObjectID
	res    map[string]*standing
	parts  map[string]*part
	papers map[string]*paper
	result *store.Result
}

func newPlan(s *Store, b *store.Batch) *plan {
	return &plan{s: s, b: b, now: s.now().UnixMilli(), write: primitive.NewObjectID(), result: &store.Result{},
		res: map[string]*standing{}, parts: map[string]*part{}, papers: map[string]*paper{}}
}

// transact runs the batch in a transaction. A replay writes nothing.
func (s *Store) transact(ctx context.Context, b *store.Batch) (*store.Result, error) {
	done, err := s.repeat(ctx, func() work { return newPlan(s, b) })
	if err != nil {
		return nil, err
	}
	return done.(*plan).result, nil
}

func (p *plan) do(ctx context.Context) (bool, error) {
	err := p.run(ctx)
	return p.result.Replay == nil, err
}

// landed looks for what the plan has written.
func (p *plan) landed(ctx context.Context) (bool, error) {
	t := p.s.tracesOf(p.write)
	for _, st := range p.res {
		if st.next == nil {
			continue
		}
		t.version(st.next.ref, st.next.ver)
	}
	for id, part := range p.parts {
		if part.dirty {
			t.at(p.s.claim, id)
		}
	}
	for id, paper := range p.papers {
		if paper.dirty {
			t.at(p.s.aux, id)
		}
	}
	return t.found(ctx)
}

// lasting says that a version or an idempotency record tells of the plan; a claim
// or document that it left may be another's by now.
func (p *plan) lasting() bool {
	for _, st := range p.res {
		if st.next != nil {
			return true
		}
	}
	return p.b.Idem != nil
}

func (p *plan) run(ctx context.Context) error {
	p.gather()
	if err := p.readPapers(ctx); err != nil {
		return err
	}
	if err := p.replay(); err != nil || p.result.Replay != nil {
		return err
	}
	if err := p.readParts(ctx); err != nil {
		return err
	}
	if err := p.readRecords(ctx); err != nil {
		return err
	}
	for i, g := range p.b.Guards {
		if err := p.guard(ctx, i, g); err != nil {
			return err
		}
	}
	for i, op := range p.b.Ops {
		if err := p.op(i, op); err != nil {
			return err
		}
	}
	p.remember()
	return p.writeAll(ctx)
}

// gather lists what the batch is about.
func (p *plan) gather() {
	for _, op := range p.b.Ops {
		switch op := op.(type) {
		case store.Put:
			p.res[op.Record.Ref().String()] = &standing{}
		case store.Delete:
			p.res[op.Ref.String()] = &standing{}
		case store.Claim:
			p.part(op.Slot, op.Part)
		case store.Release:
			p.part(op.Slot, op.Part)
		case store.AuxPut:
			p.paper(op.Kind, op.Key)
		case store.AuxDelete:
			p.paper(op.Kind, op.Key)
		}
	}
	for _, g := range p.b.Guards {
		if g, is := g.(store.VersionGuard); is {
			p.res[g.Ref.String()] = &standing{}
		}
	}
	if p.b.Idem != nil {
		for _, k := range p.b.Idem.Keys {
			p.paper(store.KindIdem, k)
		}
	}
}

func (p *plan) part(slot string, n int) *part {
	id := claimID(slot, n)
	if p.parts[id] == nil {
		p.parts[id] = &part{id: id, slot: slot, number: n}
	}
	return p.parts[id]
}

func (p *plan) paper(kind, key string) *paper {
	id := auxID(kind, key)
	if p.papers[id] == nil {
		p.papers[id] = &paper{kind: kind, key: key}
	}
	return p.papers[id]
}

// among is met by the documents with these ids.
func among[V any](m map[string]V) bson.D {
	list := bson.A{}
	for _, id := range slices.Sorted(maps.Keys(m)) {
		list = append(list, id)
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: list}}}}
}

func (p *plan) readPapers(ctx context.Context) error {
	if len(p.papers) == 0 {
		return nil
	}
	return each(ctx, p.s.aux, among(p.papers), options.Find(), func(raw bson.Raw) error {
		p.papers[text(raw, "_id")].read(bytes.Clone(raw))
		return nil
	})
}

func (p *plan) readParts(ctx context.Context) error {
	if len(p.parts) == 0 {
		return nil
	}
	return each(ctx, p.s.claim, among(p.parts), options.Find(), func(raw bson.Raw) error {
		p.parts[text(raw, "_id")].read(bytes.Clone(raw))
		return nil
	})
}

func (p *plan) readRecords(ctx context.Context) error {
	if len(p.res) == 0 {
		return nil
	}
	return each(ctx, p.s.res, among(p.res), options.Find().SetProjection(noIndex), func(raw bson.Raw) error {
		p.res[text(raw, "_id")] = standingOf(bytes.Clone(raw))
		return nil
	})
}

// replay looks for an earlier commit under one of the keys.
func (p *plan) replay() error {
	if p.b.Idem == nil {
		return nil
	}
	var docs []store.Aux
	for _, k := range p.b.Idem.Keys {
		if doc := p.paper(store.KindIdem, k); doc.live(p.now) {
			docs = append(docs, store.Aux{Kind: store.KindIdem, Key: k, Value: doc.val})
		}
	}
	var err error
	p.result.Replay, err = store.ReadIdem(docs, p.b.Idem.Hash)
	return err
}

// remember leaves the record under every key; an expired one is taken over.
func (p *plan) remember() {
	idem := p.b.Idem
	if idem == nil {
		return
	}
	val := store.IdemRecord{Hash: idem.Hash, At: kit.Instant(p.now), Versions: p.result.Versions, Answer: idem.Answer}.Value()
	for _, k := range idem.Keys {
		p.paper(store.KindIdem, k).write(val, p.now+idem.Keep.Milliseconds(), true)
	}
}

func (p *plan) guard(ctx context.Context, i int, g store.Guard) error {
	switch g := g.(type) {
	case store.VersionGuard:
		if st := p.res[g.Ref.String()]; st.ver != g.Version { // 0 where there is none, which guards an absence
			return kit.Conflict(store.GuardFailed, i, g.Ref.String(), st.ver)
		}
		return nil
	case store.NoMatch:
		// Two batches that guard the same query write the same document, so
		// that one of them runs again and then sees the other's record.
		id := "meta|lock|" + g.Query.Type + "|" + hex.EncodeToString(kit.QueryHash(g.Query))
		_, err := p.s.aux.UpdateOne(ctx, byID(id), bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: int64(1)}}},
			{Key: "$set", Value: bson.D{{Key: "kind", Value: kit.KindMeta}, {Key: "exp", Value: primitive.NewDateTimeFromTime(time.Now())}}}},
			options.Update().SetUpsert(true))
		if err != nil {
			return err
		}
		if err := p.s.affordable(ctx, g.Query, order{}); err != nil {
			return err
		}
		err = p.s.res.FindOne(ctx, filter(g.Query), options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil
		}
		if err != nil {
			return err
		}
		return kit.Conflict(store.GuardFailed, i, g.Query.Type, 0)
	}
	return fmt.Errorf("store: unknown guard %T", g)
}

func (p *plan) op(i int, op store.Op) error {
	var v *store.Version
	var err error
	switch op := op.(type) {
	case store.Put:
		v, err = p.res[op.Record.Ref().String()].put(i, op, p.now, p.write)
	case store.Delete:
		v, err = p.res[op.Ref.String()].delete(i, op, p.now, p.write)
	case store.Claim:
		return p.part(op.Slot, op.Part).claim(i, op, p.now)
	case store.Release:
		return p.part(op.Slot, op.Part).release(i, op, p.now)
	case store.AuxPut:
		return p.paper(op.Kind, op.Key).put(i, op, p.now)
	case store.AuxDelete:
		return p.paper(op.Kind, op.Key).delete(i, op, p.now)
	default:
		return fmt.Errorf("store: unknown operation %T", op)
	}
	if err == nil {
		p.result.Versions = append(p.result.Versions, *v)
	}
	return err
}
