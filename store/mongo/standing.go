package mongo

import (
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// standing is a record as a batch finds it and then changes it, in memory.
type standing struct {
	found   bson.Raw // its document in res; nil: none
	ver, lu int64
	deleted bool
	next    *version  // what the batch has made of it
	between []version // versions that the batch made and superseded itself
}

func standingOf(raw bson.Raw) *standing {
	st := &standing{found: raw, ver: number(raw, "v"), lu: moment(raw, "lu")}
	st.deleted, _ = raw.Lookup("del").BooleanOK()
	return st
}

// put makes the next version.
func (st *standing) put(i int, op store.Put, now int64, write primitive.ObjectID) (*store.Version, error) {
	r := op.Record
	if err := kit.Unmet(op.If, st.ver > 0, st.ver, i, r.Ref().String()); err != nil {
		return nil, err
	}
	return st.advance(version{ref: r.Ref(), method: r.Method, by: r.By, peer: r.Peer, body: r.Body, index: r.Index, write: write}, now), nil
}

// delete makes a tombstone, which has no index entries; of a tombstone it makes
// nothing.
func (st *standing) delete(i int, op store.Delete, now int64, write primitive.ObjectID) (*store.Version, error) {
	if st.ver == 0 {
		return nil, kit.Conflict(store.MissingRecord, i, op.Ref.String(), 0)
	}
	if err := kit.Unmet(op.If, true, st.ver, i, op.Ref.String()); err != nil {
		return nil, err
	}
	if st.deleted {
		return &store.Version{Ref: op.Ref, Version: st.ver, LastUpdated: kit.Instant(st.lu)}, nil
	}
	return st.advance(version{ref: op.Ref, method: "DELETE", by: op.By, deleted: true, write: write}, now), nil
}

func (st *standing) advance(v version, now int64) *store.Version {
	v.ver, v.lu = st.ver+1, now
	if st.ver > 0 {
		v.lu = max(now, st.lu+1)
	}
	if st.next != nil {
		st.between = append(st.between, *st.next)
	}
	v.touches = number(st.found, "g")
	st.next, st.ver, st.lu, st.deleted = &v, v.ver, v.lu, v.deleted
	return &store.Version{Ref: v.ref, Version: v.ver, LastUpdated: kit.Instant(v.lu)}
}

// part is a slot part as a batch finds and changes it. A hold that ran out
// stands in nobody's way.
type part struct {
	id, slot string
	number   int
	found    bson.Raw
	owner    string // "" for nobody
	until    int64  // 0: for good
	dirty    bool
}

func (p *part) read(raw bson.Raw) {
	p.found, p.owner, p.until = raw, text(raw, "owner"), moment(raw, "exp")
}

func (p *part) taken(now int64) bool { return p.owner != "" && (p.until == 0 || p.until > now) }

func (p *part) claim(i int, op store.Claim, now int64) error {
	if p.taken(now) && p.owner != op.Owner && (op.Predecessor == "" || p.owner != op.Predecessor) {
		return kit.Conflict(store.SlotTaken, i, "Slot/"+op.Slot, 0)
	}
	p.owner, p.until, p.dirty = op.Owner, 0, true
	if !op.Until.IsZero() {
		p.until = op.Until.UnixMilli()
	}
	return nil
}

func (p *part) release(i int, op store.Release, now int64) error {
	if p.owner != op.Owner {
		if p.taken(now) {
			return kit.Conflict(store.SlotTaken, i, "Slot/"+op.Slot, 0)
		}
		return nil
	}
	if p.owner != "" {
		p.owner, p.dirty = "", true
	}
	return nil
}

// document is what the part leaves; nil: nothing.
func (p *part) document(now int64, write primitive.ObjectID) bson.D {
	if p.owner == "" {
		return nil
	}
	d := bson.D{{Key: "_id", Value: p.id}, {Key: "slot", Value: p.slot}, {Key: "part", Value: int64(p.number)},
		{Key: "owner", Value: p.owner}, {Key: "at", Value: primitive.DateTime(now)}, {Key: "w", Value: write}}
	if p.until != 0 {
		d = append(d, bson.E{Key: "exp", Value: primitive.DateTime(p.until)})
	}
	return d
}

// paper is an auxiliary document as a batch finds and changes it. An expired one
// counts as absent, but its successor goes on from its version, so that the old
// holder of a lease can't take the new one for its own.
type paper struct {
	kind, key string
	found     bson.Raw
	ver       int64 // 0: none
	exp       int64
	ends      bool
	val       []byte
	dirty     bool
}

func (p *paper) read(raw bson.Raw) {
	p.found, p.ver, p.exp, p.ends, p.val = raw, number(raw, "v"), moment(raw, "exp"), raw.Lookup("exp").Type != 0, data(raw, "val")
}

func (p *paper) live(now int64) bool { return p.ver > 0 && (!p.ends || p.exp > now) }

func (p *paper) condition(c store.Condition, i int, now int64) error {
	return kit.Unmet(c, p.live(now), p.ver, i, p.kind+"|"+p.key)
}

func (p *paper) put(i int, op store.AuxPut, now int64) error {
	if err := p.condition(op.If, i, now); err != nil {
		return err
	}
	exp := int64(0)
	if !op.Expires.IsZero() {
		exp = op.Expires.UnixMilli()
	}
	p.write(op.Value, exp, !op.Expires.IsZero())
	return nil
}

func (p *paper) write(val []byte, exp int64, ends bool) {
	p.ver, p.val, p.exp, p.ends, p.dirty = p.ver+1, val, exp, ends, true
}

func (p *paper) delete(i int, op store.AuxDelete, now int64) error {
	if err := p.condition(op.If, i, now); err != nil {
		return err
	}
	if p.ver > 0 {
		p.ver, p.dirty = 0, true
	}
	return nil
}

func (p *paper) document(write primitive.ObjectID) bson.D {
	if p.ver == 0 {
		return nil
	}
	d := bson.D{{Key: "_id", Value: auxID(p.kind, p.key)}, {Key: "kind", Value: p.kind}, {Key: "v", Value: p.ver}, {Key: "w", Value: write}}
	if len(p.val) > 0 {
		d = append(d, bson.E{Key: "val", Value: blob(p.val)})
	}
	if p.ends {
		d = append(d, bson.E{Key: "exp", Value: primitive.DateTime(p.exp)})
	}
	return d
}
