package mongo

import (
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// maxDocument leaves a server's 16 MiB some room for what it adds.
const maxDocument = 16<<20 - 64<<10

// versionFields are what a version is, in res and hist alike: t type, id, v
// version, lu last updated, del deleted, m method, w the write that made it,
// by, peer, body and bx.
var versionFields = []string{"t", "id", "v", "lu", "del", "m", "w", "by", "peer", "body", "bx"}

// version is one version of a record on its way to res.
type version struct {
	ref      store.Ref
	ver, lu  int64
	deleted  bool
	method   string
	by, peer []byte
	body     []byte
	index    search.Index
	write    primitive.ObjectID // tells our write from another's
	touches  int64              // g, counted by guards
}

// document makes the version's document in res.
func (v version) document() (bson.Raw, error) {
	d := bson.D{{Key: "_id", Value: v.ref.String()}}
	d = append(d, v.fields()...)
	d = append(d, bson.E{Key: "g", Value: v.touches}, bson.E{Key: "x", Value: entriesOf(v.index)},
		bson.E{Key: "d", Value: spansOf(v.index)}, bson.E{Key: "s", Value: sortsOf(v.index)})
	return pack(d)
}

// superseded makes its document in hist.
func (v version) superseded() (bson.Raw, error) {
	d := bson.D{{Key: "_id", Value: histID(v.ref, v.ver)}, {Key: "k", Value: v.ref.String()}}
	return pack(append(d, v.fields()...))
}

func (v version) fields() bson.D {
	d := bson.D{{Key: "t", Value: v.ref.Type}, {Key: "id", Value: v.ref.ID}, {Key: "v", Value: v.ver},
		{Key: "lu", Value: primitive.DateTime(v.lu)}, {Key: "del", Value: v.deleted}, {Key: "m", Value: v.method}, {Key: "w", Value: v.write}}
	if len(v.by) > 0 {
		d = append(d, bson.E{Key: "by", Value: blob(v.by)})
	}
	if len(v.peer) > 0 {
		d = append(d, bson.E{Key: "peer", Value: blob(v.peer)})
	}
	if v.deleted {
		return d
	}
	b := encodeBody(v.body)
	d = append(d, bson.E{Key: "body", Value: b.value})
	if b.exact.Type != 0 {
		d = append(d, bson.E{Key: "bx", Value: b.exact})
	}
	return d
}

func pack(d bson.D) (bson.Raw, error) {
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil, ownError("a record can't be written as BSON")
	}
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("%w: a record with its index is over %d bytes", store.ErrTooLarge, maxDocument)
	}
	return raw, nil
}

// toHist copies a document of res for hist, value by value.
func toHist(raw bson.Raw) (bson.Raw, error) {
	ref, ver := store.Ref{Type: text(raw, "t"), ID: text(raw, "id")}, number(raw, "v")
	d := bson.D{{Key: "_id", Value: histID(ref, ver)}, {Key: "k", Value: ref.String()}}
	for _, name := range versionFields {
		if v := raw.Lookup(name); v.Type != 0 {
			d = append(d, bson.E{Key: name, Value: v})
		}
	}
	return pack(d)
}

func histID(ref store.Ref, ver int64) string { return fmt.Sprintf("%s/%d", ref, ver) }

func entriesOf(ix search.Index) bson.A {
	list := bson.A{}
	seen := make(map[string]bool, len(ix.X))
	for _, e := range ix.X {
		if e = valid(e); !seen[e] {
			list = append(list, e)
		}
		seen[e] = true
	}
	return list
}

func spansOf(ix search.Index) bson.D {
	by := map[string][]search.Span{}
	var names []string
	for _, s := range ix.D {
		name := paramName(s.Param)
		if by[name] == nil {
			names = append(names, name)
		}
		by[name] = append(by[name], s)
	}
	slices.Sort(names)
	d := bson.D{}
	for _, name := range names {
		lo, hi, all := by[name][0].Lo, by[name][0].Hi, bson.A{}
		for _, s := range by[name] {
			lo, hi = min(lo, s.Lo), max(hi, s.Hi)
			all = append(all, bson.D{{Key: "lo", Value: s.Lo}, {Key: "hi", Value: s.Hi}})
		}
		d = append(d, bson.E{Key: name, Value: bson.D{{Key: "is", Value: int32(1)}, {Key: "lo", Value: lo}, {Key: "hi", Value: hi}, {Key: "all", Value: all}}})
	}
	return d
}

// sortsOf keeps the first value of each parameter.
func sortsOf(ix search.Index) bson.D {
	d := bson.D{}
	seen := map[string]bool{}
	for _, k := range ix.S {
		name := paramName(k.Param)
		if !seen[name] {
			d = append(d, bson.E{Key: name, Value: bson.D{{Key: "is", Value: int32(1)}, {Key: "v", Value: valid(k.Value)}}})
		}
		seen[name] = true
	}
	return d
}

// errRecord is a record that this engine never wrote.
const errRecord = ownError("a stored record isn't in this engine's form")

// recordOf reads a document of res or hist.
func recordOf(raw bson.Raw) (*store.Record, error) {
	r := &store.Record{Type: text(raw, "t"), ID: text(raw, "id"), Version: number(raw, "v"), LastUpdated: kit.Instant(moment(raw, "lu")),
		Method: text(raw, "m"), By: data(raw, "by"), Peer: data(raw, "peer")}
	r.Deleted, _ = raw.Lookup("del").BooleanOK()
	b, err := decodeBody(body{value: raw.Lookup("body"), exact: raw.Lookup("bx")})
	if err != nil {
		return nil, err
	}
	r.Body = slices.Clone(b)
	if r.Type == "" || r.ID == "" || r.Version < 1 {
		return nil, errRecord
	}
	return r, nil
}

func number(raw bson.Raw, name string) int64 {
	n, _ := raw.Lookup(name).AsInt64OK()
	return n
}

// moment is a date field in milliseconds.
func moment(raw bson.Raw, name string) int64 {
	v := raw.Lookup(name)
	if v.Type != bson.TypeDateTime {
		return 0
	}
	return v.DateTime()
}

// data is a binary field, copied.
func data(raw bson.Raw, name string) []byte {
	_, b, _ := raw.Lookup(name).BinaryOK()
	return slices.Clone(b)
}
