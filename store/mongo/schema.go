package mongo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store/internal/kit"
)

const (
	schemaVersion = 1
	schemaID      = "meta|schema"
	cursorID      = "meta|cursor"
	minWire       = 13 // server 5.0
)

const errTooOld = ownError("MongoDB must be server 5.0 or later")

const errStandalone = ownError("MongoDB must run as a replica set; a single server becomes one with `mongod --replSet rs0` and `rs.initiate()`")

const errDirect = ownError("the MongoDB address has directConnection=true, with which a member is still read from when another is primary; leave it out")

// greet refuses a server that is neither member of a replica set nor mongos, or
// too old, or one of several members that is to be kept to, and says whether it is
// mongos.
func (s *Store) greet(ctx context.Context, direct bool) (cluster bool, err error) {
	hello, err := s.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw()
	if err != nil {
		return false, err
	}
	cluster = text(hello, "msg") == "isdbgrid"
	if text(hello, "setName") == "" && !cluster {
		return false, errStandalone
	}
	if number(hello, "maxWireVersion") < minWire {
		return false, errTooOld
	}
	if direct && members(hello) > 1 {
		return false, errDirect
	}
	return cluster, nil
}

// members counts those of the set that may become primary.
func members(hello bson.Raw) int {
	list, _ := hello.Lookup("hosts").ArrayOK()
	hosts, _ := list.Values()
	return len(hosts)
}

// index is one index that the engine relies on. Expired documents stay a day,
// so that a lease taken over goes on from its version and clocks that differ
// don't matter.
type index struct {
	name    string
	keys    bson.D
	partial bson.D
	ttl     int32 // seconds; 0: none
}

const ttlGrace = 24 * 60 * 60

func key(fields ...any) bson.D {
	var d bson.D
	for i := 0; i < len(fields); i += 2 {
		d = append(d, bson.E{Key: fields[i].(string), Value: int32(fields[i+1].(int))})
	}
	return d
}

func there(path string) bson.D { return bson.D{exists(path, true)} }

// indexes lists them by collection. Those that end with lu and _id both
// descending serve history, whose order is that. A condition on a date gives bounds
// to its hi where it asks for what is later, to its lo where for what is earlier; a
// partial index is taken only where the query has a condition on the field that its
// filter names.
func indexes() map[string][]index {
	return map[string][]index{
		"res": {
			{name: "entries", keys: key("t", 1, "x", 1, "lu", -1, "_id", 1)},
			{name: "entries by start", keys: key("t", 1, "x", 1, "d.start.lo", 1, "_id", 1), partial: there("d.start.lo")},
			{name: "start", keys: key("t", 1, "d.start.lo", 1, "_id", 1), partial: there("d.start.lo")},
			{name: "end", keys: key("t", 1, "d.start.hi", 1, "_id", 1), partial: there("d.start.hi")},
			{name: "changed", keys: key("t", 1, "lu", -1, "_id", 1)},
			{name: "history", keys: key("t", 1, "lu", -1, "_id", -1)},
			{name: "all", keys: key("lu", -1, "_id", -1)},
			{name: "deleted", keys: key("t", 1, "lu", 1), partial: bson.D{{Key: "del", Value: true}}},
		},
		"hist": {
			{name: "versions", keys: key("k", 1, "v", -1)},
			{name: "history", keys: key("t", 1, "lu", -1, "k", -1)},
			{name: "all", keys: key("lu", -1, "k", -1)},
		},
		"claim": {
			{name: "slot", keys: key("slot", 1, "part", 1)},
			{name: "owner", keys: key("owner", 1)},
			{name: "expiry", keys: key("exp", 1), ttl: ttlGrace},
		},
		"aux": {
			{name: "kind", keys: key("kind", 1, "_id", 1)},
			{name: "expiry", keys: key("exp", 1), ttl: ttlGrace},
		},
	}
}

// errBuilding: a server that was asked for an index goes on building it when nobody
// waits any more, and waits itself for members that are away.
var errBuilding = &startError{"an index takes MongoDB longer than a minute to build: it goes on; see that all members of the set run, and start again in a while"}

// prepare makes collections and indexes and verifies that they are as asked:
// transactions should only touch collections that are there.
func (s *Store) prepare(ctx context.Context) error {
	for _, c := range []*mongo.Collection{s.res, s.hist, s.claim, s.aux} {
		wanted := indexes()[c.Name()]
		models := make([]mongo.IndexModel, len(wanted))
		for i, ix := range wanted {
			o := options.Index().SetName(ix.name)
			if ix.partial != nil {
				o.SetPartialFilterExpression(ix.partial)
			}
			if ix.ttl > 0 {
				o.SetExpireAfterSeconds(ix.ttl)
			}
			models[i] = mongo.IndexModel{Keys: ix.keys, Options: o}
		}
		if _, err := c.Indexes().CreateMany(ctx, models); err != nil {
			if code := codeOf(err); code == 85 || code == 86 { // IndexOptionsConflict, IndexKeySpecsConflict
				if differs := verify(ctx, c, wanted); differs != nil {
					return differs // it names the index
				}
				return oneByOne(ctx, c, models)
			}
			if mongo.IsTimeout(err) && !unsent(err) {
				return errBuilding
			}
			return err
		}
		if err := verify(ctx, c, wanted); err != nil {
			return err
		}
	}
	return nil
}

// foreignIndex refuses an index and says what mends it: the next start makes it
// as it should be.
func foreignIndex(collection, name string) error {
	return ownError("index " + name + " of collection " + collection + " isn't as this program makes it; remove it with `db." + collection +
		`.dropIndex("` + name + `")` + "` in mongosh and start again: it is then made afresh")
}

// oneByOne finds the index that can't be made for one that is there, where that
// differs in what verify doesn't look at.
func oneByOne(ctx context.Context, c *mongo.Collection, models []mongo.IndexModel) error {
	for _, m := range models {
		if _, err := c.Indexes().CreateOne(ctx, m); err != nil {
			if code := codeOf(err); code == 85 || code == 86 {
				return foreignIndex(c.Name(), *m.Options.Name)
			}
			return err
		}
	}
	return nil
}

func verify(ctx context.Context, c *mongo.Collection, wanted []index) error {
	cursor, err := c.Indexes().List(ctx)
	if err != nil {
		return err
	}
	found := map[string]bson.Raw{}
	defer cursor.Close(ctx)
	for cursor.Next(ctx) {
		found[text(cursor.Current, "name")] = bytes.Clone(cursor.Current)
	}
	if err := cursor.Err(); err != nil {
		return err
	}
	if found["_id_"].Lookup("collation").Type != 0 {
		return ownError("collection " + c.Name() + " has a collation, by which several ids are one; move its documents to a collection without")
	}
	for _, ix := range wanted {
		if got, is := found[ix.name]; !is || !ix.is(got) {
			return foreignIndex(c.Name(), ix.inTheWay(found))
		}
	}
	return nil
}

// inTheWay is the name of the index that keeps this one from being made: its own,
// or that of another on the same fields.
func (ix index) inTheWay(found map[string]bson.Raw) string {
	if found[ix.name] == nil {
		for _, name := range slices.Sorted(maps.Keys(found)) {
			if sameKeys(found[name], ix.keys) {
				return name
			}
		}
	}
	return ix.name
}

// is says whether the server has the index as it should be.
func (ix index) is(got bson.Raw) bool {
	for _, flag := range []string{"unique", "sparse", "hidden"} {
		if set, _ := got.Lookup(flag).BooleanOK(); set {
			return false
		}
	}
	partial := ""
	if filter, is := got.Lookup("partialFilterExpression").DocumentOK(); is {
		if e, err := filter.IndexErr(0); err == nil {
			partial = e.Key()
		}
	}
	wanted := ""
	if ix.partial != nil {
		wanted = ix.partial[0].Key
	}
	return sameKeys(got, ix.keys) && int32(number(got, "expireAfterSeconds")) == ix.ttl && partial == wanted && got.Lookup("collation").Type == 0
}

func sameKeys(got bson.Raw, keys bson.D) bool {
	doc, is := got.Lookup("key").DocumentOK()
	if !is {
		return false
	}
	elements, err := doc.Elements()
	if err != nil || len(elements) != len(keys) {
		return false
	}
	for i, e := range elements {
		n, _ := e.Value().AsInt64OK()
		if e.Key() != keys[i].Key || n != int64(keys[i].Value.(int32)) {
			return false
		}
	}
	return true
}

const errNoStore = ownError("the database holds no store; look at the database's name in the address")

// checkSchema refuses a database of a newer program, and one without a store where
// there must be one, before anything is written.
func (s *Store) checkSchema(ctx context.Context, existing bool) error {
	raw, err := s.aux.FindOne(ctx, bson.D{{Key: "_id", Value: schemaID}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		if existing {
			return errNoStore
		}
		return nil
	}
	if err != nil {
		return err
	}
	if v := number(raw, "v"); v > schemaVersion {
		return ownError(fmt.Sprintf("the database was written by a newer version of this program: its schema is %d, this program knows %d", v, schemaVersion))
	}
	return nil
}

func (s *Store) keepSchema(ctx context.Context) error {
	return s.keepMeta(ctx, bson.D{{Key: "_id", Value: schemaID}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(schemaVersion)}})
}

// openSeal reads the cursor key, or makes it; of several starters one makes it.
func (s *Store) openSeal(ctx context.Context) error {
	secret := make([]byte, 64)
	rand.Read(secret)
	err := s.keepMeta(ctx, bson.D{{Key: "_id", Value: cursorID}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(1)}, {Key: "val", Value: secret}})
	if err != nil {
		return err
	}
	raw, err := s.aux.FindOne(ctx, bson.D{{Key: "_id", Value: cursorID}}).Raw()
	if err != nil {
		return err
	}
	s.seal, err = kit.NewSealer(data(raw, "val"))
	return err
}

// keepMeta inserts one of the engine's own documents unless it is there.
func (s *Store) keepMeta(ctx context.Context, doc bson.D) error {
	_, err := s.aux.InsertOne(ctx, doc)
	if duplicate(err) {
		return nil
	}
	return err
}

// dateParams remembers which sort parameters of a type are dates: those that
// any record ever had as one. The list is kept in aux and only grows.
type dateParams struct {
	mu    sync.Mutex
	known map[string]bool
}

func (d *dateParams) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[id]
}

func (d *dateParams) add(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[id] = true
}

func dateID(typ, param string) string { return "meta|date|" + typ + "|" + paramName(param) }

// learnDate writes a parameter into the list, before a record that has it.
func (s *Store) learnDate(ctx context.Context, typ, param string) error {
	id := dateID(typ, param)
	if s.dates.has(id) {
		return nil
	}
	if err := s.keepMeta(ctx, bson.D{{Key: "_id", Value: id}, {Key: "kind", Value: kit.KindMeta}, {Key: "v", Value: int64(1)}}); err != nil {
		return err
	}
	s.dates.add(id)
	return nil
}

// isDate looks it up; another process may have written it.
func (s *Store) isDate(ctx context.Context, typ, param string) (bool, error) {
	id := dateID(typ, param)
	if s.dates.has(id) {
		return true, nil
	}
	err := s.aux.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	if err == nil {
		s.dates.add(id)
	}
	return err == nil, err
}
