package fakereplset

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/256dpi/lungo"
	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

const duplicateKey = 11000

func (s *Server) command(txn *lungo.Transaction, name string, d bson.D) bson.D {
	collection, _ := d[0].Value.(string)
	db, _ := get(d, "$db").(string)
	ns := lungo.Handle{db, collection}
	if field := twice(d); field != "" {
		return bad(fmt.Errorf("a document has the field %q twice", field))
	}
	switch name {
	case "insert":
		return s.insert(txn, ns, d)
	case "update":
		return s.update(txn, ns, list(d, "updates"))
	case "delete":
		return remove(txn, ns, list(d, "deletes"))
	case "find":
		return s.find(txn, ns, d)
	case "getMore":
		return s.more(d)
	case "aggregate":
		return count(txn, ns, list(d, "pipeline"))
	case "findAndModify":
		return s.findAndModify(txn, ns, d)
	case "createIndexes":
		return s.createIndexes(ns, list(d, "indexes"))
	case "listIndexes":
		return s.listIndexes(ns)
	case "dropIndexes":
		return s.dropIndex(ns, fmt.Sprint(get(d, "index")))
	case "dropDatabase", "enableSharding":
		return ok()
	case "shardCollection":
		doc := bson.D{{Key: "_id", Value: collection}, {Key: "key", Value: get(d, "key")}}
		s.mu.Lock()
		s.sharded[collection] = (*sub(d, "key"))[0].Key
		s.mu.Unlock()
		if _, err := txn.Insert(lungo.Handle{"config", "collections"}, bsonkit.List{&doc}, true); err != nil {
			return bad(err)
		}
		return ok()
	}
	return Failure(59, "CommandNotFound", "no such command: "+name)
}

// twice is a field that a document has two of, "" if none has. By the manual a
// sort must not, and documents that do aren't supported.
func twice(v any) string {
	switch v := v.(type) {
	case bson.A:
		for _, one := range v {
			if field := twice(one); field != "" {
				return field
			}
		}
	case bson.D:
		seen := make(map[string]bool, len(v))
		for _, e := range v {
			if seen[e.Key] {
				return e.Key
			}
			seen[e.Key] = true
			if field := twice(e.Value); field != "" {
				return field
			}
		}
	}
	return ""
}

func list(d bson.D, name string) bson.A { l, _ := get(d, name).(bson.A); return l }

func sub(d bson.D, name string) bsonkit.Doc {
	if v, is := get(d, name).(bson.D); is {
		return &v
	}
	return &bson.D{}
}

func bad(err error) bson.D { return Failure(2, "BadValue", err.Error()) }

func writeError(index int, err error) bson.E {
	code := int32(2)
	var refused *refusal
	switch {
	case lungo.IsUniquenessError(err):
		code = duplicateKey
	case errors.As(err, &refused):
		code = refused.code
	}
	return bson.E{Key: "writeErrors", Value: bson.A{bson.D{{Key: "index", Value: int32(index)}, {Key: "code", Value: code}, {Key: "errmsg", Value: err.Error()}}}}
}

func (s *Server) insert(txn *lungo.Transaction, ns lungo.Handle, d bson.D) bson.D {
	docs := bsonkit.List{}
	for _, v := range list(d, "documents") {
		doc := v.(bson.D)
		if err := s.unfit(ns.String(), &doc); err != nil {
			return ok(bson.E{Key: "n", Value: int32(0)}, writeError(len(docs), err))
		}
		docs = append(docs, &doc)
	}
	r, err := txn.Insert(ns, docs, true)
	if err != nil {
		return bad(err)
	}
	if r.Error != nil && !s.o.DoubleIDs {
		return ok(bson.E{Key: "n", Value: int32(len(r.Modified))}, writeError(len(r.Modified), r.Error))
	}
	return ok(bson.E{Key: "n", Value: int32(len(docs))})
}

func (s *Server) update(txn *lungo.Transaction, ns lungo.Handle, updates bson.A) bson.D {
	matched, modified := 0, 0
	upserted := bson.A{}
	for i, v := range updates {
		u := v.(bson.D)
		change := sub(u, "u")
		upsert, _ := get(u, "upsert").(bool)
		multi, _ := get(u, "multi").(bool)
		var r *lungo.Result
		var err error
		if len(*change) > 0 && (*change)[0].Key[0] == '$' {
			limit := 1
			if multi {
				limit = 0
			}
			r, err = txn.Update(ns, sub(u, "q"), nil, change, 0, limit, upsert, nil)
		} else {
			if get(*change, "_id") == nil { // a replacement keeps the _id
				if id := get(*sub(u, "q"), "_id"); id != nil {
					full := append(bson.D{{Key: "_id", Value: id}}, *change...)
					change = &full
				}
			}
			if refused := s.unfit(ns.String(), change); refused != nil {
				err = refused
			} else {
				r, err = replace(txn, ns, sub(u, "q"), change, upsert)
			}
		}
		if err != nil {
			return ok(bson.E{Key: "n", Value: int32(matched)}, bson.E{Key: "nModified", Value: int32(modified)}, writeError(i, err))
		}
		matched += len(r.Matched)
		modified += len(r.Modified)
		if r.Upserted != nil {
			matched++
			upserted = append(upserted, bson.D{{Key: "index", Value: int32(i)}, {Key: "_id", Value: bsonkit.Get(r.Upserted, "_id")}})
		}
	}
	reply := bson.D{{Key: "n", Value: int32(matched)}, {Key: "nModified", Value: int32(modified)}}
	if len(upserted) > 0 {
		reply = append(reply, bson.E{Key: "upserted", Value: upserted})
	}
	return ok(reply...)
}

// replace does what lungo's Replace does, which matches all that there is, even
// where nothing is found.
func replace(txn *lungo.Transaction, ns lungo.Handle, query, next bsonkit.Doc, upsert bool) (*lungo.Result, error) {
	found, err := look(txn, ns, query, nil, 1)
	switch {
	case err != nil:
		return nil, err
	case len(found) > 0:
		return txn.Replace(ns, query, nil, next, false)
	case !upsert:
		return &lungo.Result{}, nil
	}
	r, err := txn.Insert(ns, bsonkit.List{next}, true)
	if err != nil {
		return nil, err
	}
	return &lungo.Result{Upserted: next}, r.Error
}

func remove(txn *lungo.Transaction, ns lungo.Handle, deletes bson.A) bson.D {
	n := 0
	for i, v := range deletes {
		del := v.(bson.D)
		limit, _ := get(del, "limit").(int32)
		r, err := txn.Delete(ns, sub(del, "q"), nil, 0, int(limit))
		if err != nil {
			return ok(bson.E{Key: "n", Value: int32(n)}, writeError(i, err))
		}
		n += len(r.Matched)
	}
	return ok(bson.E{Key: "n", Value: int32(n)})
}

// findAndModify knows update documents without upsert, which the self-test uses.
func (s *Server) findAndModify(txn *lungo.Transaction, ns lungo.Handle, d bson.D) bson.D {
	query := sub(d, "query")
	if s.o.LostUpdates {
		query = &bson.D{{Key: "_id", Value: get(*query, "_id")}}
	}
	found, err := look(txn, ns, query, nil, 1)
	if err != nil {
		return bad(err)
	}
	if len(found) == 0 {
		return ok(bson.E{Key: "value", Value: nil})
	}
	before := bsonkit.Clone(found[0])
	if _, err := txn.Update(ns, query, nil, sub(d, "update"), 0, 1, false, nil); err != nil {
		if lungo.IsUniquenessError(err) {
			return Failure(duplicateKey, "DuplicateKey", err.Error())
		}
		return bad(err)
	}
	return ok(bson.E{Key: "value", Value: *before})
}

// count knows the pipeline that the driver counts with.
func count(txn *lungo.Transaction, ns lungo.Handle, pipeline bson.A) bson.D {
	query, limit := &bson.D{}, 0
	for _, v := range pipeline {
		stage := v.(bson.D)
		switch stage[0].Key {
		case "$match":
			query = sub(stage, "$match")
		case "$limit":
			n, _ := stage[0].Value.(int64)
			limit = int(n)
		case "$group":
		default:
			return Failure(40324, "Location40324", "unknown stage")
		}
	}
	found, err := look(txn, ns, query, nil, limit)
	if err != nil {
		return bad(err)
	}
	batch := bson.A{}
	if n := len(found); n > 0 {
		batch = bson.A{bson.D{{Key: "_id", Value: int32(1)}, {Key: "n", Value: int32(n)}}}
	}
	return ok(cursorReply(0, ns, "firstBatch", batch))
}

func (s *Server) createIndexes(ns lungo.Handle, indexes bson.A) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := ns.String()
	for _, v := range indexes {
		ix := v.(bson.D)
		if get(ix, "expireAfterSeconds") != nil && len(*sub(ix, "key")) != 1 {
			return Failure(67, "CannotCreateIndex", "an index by which documents expire has one field")
		}
		known := false
		for _, old := range s.indexes[name] {
			if get(old, "name") != get(ix, "name") {
				if reflect.DeepEqual(get(old, "key"), get(ix, "key")) && reflect.DeepEqual(get(old, "partialFilterExpression"), get(ix, "partialFilterExpression")) {
					return Failure(85, "IndexOptionsConflict", fmt.Sprintf("index already exists with a different name: %v", get(old, "name")))
				}
				continue
			}
			if !reflect.DeepEqual(old, ix) {
				return Failure(86, "IndexKeySpecsConflict", fmt.Sprintf("an index %v is there", get(ix, "name")))
			}
			known = true
		}
		if !known {
			s.indexes[name] = append(s.indexes[name], ix)
		}
	}
	return ok()
}

func (s *Server) dropIndex(ns lungo.Handle, index string) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexes[ns.String()] = slices.DeleteFunc(s.indexes[ns.String()], func(ix bson.D) bool { return get(ix, "name") == index })
	return ok()
}

func (s *Server) listIndexes(ns lungo.Handle) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := bson.A{bson.D{{Key: "v", Value: int32(2)}, {Key: "key", Value: bson.D{{Key: "_id", Value: int32(1)}}}, {Key: "name", Value: "_id_"}}}
	for _, ix := range s.indexes[ns.String()] {
		batch = append(batch, ix)
	}
	return ok(cursorReply(0, ns, "firstBatch", batch))
}

// cursor is what remains of an answer.
type cursor struct {
	ns   lungo.Handle
	docs bson.A
}

const (
	firstBatch = 101
	batchBytes = 16 << 20
)

func (s *Server) find(txn *lungo.Transaction, ns lungo.Handle, d bson.D) bson.D {
	var sort bsonkit.Doc
	if v, is := get(d, "sort").(bson.D); is {
		sort = &v
	}
	limit, _ := get(d, "limit").(int64)
	found, err := look(txn, ns, sub(d, "filter"), sort, int(limit))
	if err != nil {
		return bad(err)
	}
	if projection := sub(d, "projection"); len(*projection) > 0 {
		if found, err = mongokit.ProjectList(found, projection); err != nil {
			return bad(err)
		}
	}
	docs := make(bson.A, len(found))
	for i, doc := range found {
		docs[i] = *doc
	}
	batch, rest, err := split(docs, firstBatch)
	if err != nil {
		return bad(err)
	}
	return ok(cursorReply(s.keep(ns, rest), ns, "firstBatch", batch))
}

func (s *Server) more(d bson.D) bson.D {
	id, _ := d[0].Value.(int64)
	s.mu.Lock()
	c := s.cursors[id]
	delete(s.cursors, id)
	s.mu.Unlock()
	if c == nil {
		return Failure(43, "CursorNotFound", "no such cursor")
	}
	batch, rest, err := split(c.docs, len(c.docs))
	if err != nil {
		return bad(err)
	}
	return ok(cursorReply(s.keep(c.ns, rest), c.ns, "nextBatch", batch))
}

// kill forgets cursors that a client has done with.
func (s *Server) kill(d bson.D) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range list(d, "cursors") {
		n, _ := id.(int64)
		delete(s.cursors, n)
		delete(s.streams, n)
	}
}

// split cuts off what one answer holds, at least one document.
func split(docs bson.A, most int) (batch, rest bson.A, err error) {
	size := 0
	for i, doc := range docs {
		raw, err := bson.Marshal(doc)
		if err != nil {
			return nil, nil, err
		}
		if size += len(raw); i == most || (i > 0 && size > batchBytes) {
			return docs[:i], docs[i:], nil
		}
	}
	return docs, nil, nil
}

func (s *Server) keep(ns lungo.Handle, docs bson.A) int64 {
	if len(docs) == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.cursors[s.next] = &cursor{ns, docs}
	return s.next
}

func cursorReply(id int64, ns lungo.Handle, name string, batch bson.A) bson.E {
	return bson.E{Key: "cursor", Value: bson.D{{Key: "id", Value: id}, {Key: "ns", Value: ns.String()}, {Key: name, Value: batch}}}
}
