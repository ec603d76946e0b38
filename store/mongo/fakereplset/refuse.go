package fakereplset

import (
	"fmt"
	"strings"

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// inside are the commands that a transaction may hold.
var inside = map[string]bool{"insert": true, "update": true, "delete": true, "find": true, "getMore": true, "aggregate": true, "findAndModify": true,
	"commitTransaction": true, "abortTransaction": true}

// refused is the answer to a command that no server takes in this form, by the
// manual; nil: it may be carried out.
func (s *Server) refused(name string, d bson.D) bson.D {
	invalid := func(text string) bson.D { return Failure(72, "InvalidOptions", text) }
	ends := name == "commitTransaction" || name == "abortTransaction"
	numbered, within := get(d, "txnNumber") != nil, get(d, "autocommit") != nil
	switch {
	case ends && get(d, "$db") != "admin":
		return Failure(13, "Unauthorized", name+" may only be run against the admin database.")
	case within && !inside[name]:
		return Failure(263, "OperationNotSupportedInTransaction", "no "+name+" in a transaction")
	case within && !ends && get(d, "writeConcern") != nil:
		return invalid("a command of a transaction has no write concern")
	case within && get(d, "readConcern") != nil && get(d, "startTransaction") == nil:
		return invalid("only the first command of a transaction has a read concern")
	case numbered && !within && !writing[name]:
		return Failure(50768, "NotARetryableWriteCommand", "no retryable "+name)
	}
	if after, is := get(*sub(d, "readConcern"), "afterClusterTime").(primitive.Timestamp); is && after.After(s.latest()) {
		return invalid("afterClusterTime is later than the clusterTime")
	}
	for _, v := range append(list(d, "updates"), list(d, "deletes")...) {
		w, _ := v.(bson.D)
		multi := get(w, "multi") == true || get(w, "limit") == int32(0)
		if multi && numbered && !within {
			return invalid("no retryable write of many documents")
		}
		if by := s.shardKey(d); by != "" && !multi && !single(get(*sub(w, "q"), by)) {
			return Failure(61, "ShardKeyNotFound", "a write of one document names it by its shard key "+by)
		}
	}
	return nil
}

func (s *Server) latest() primitive.Timestamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamp
}

// single says that a condition holds a field to one value.
func single(v any) bool {
	_, doc := v.(bson.D)
	return v != nil && !doc
}

// shardKey is the field by which a command's collection is sharded, if it is.
func (s *Server) shardKey(d bson.D) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sharded[fmt.Sprint(get(d, "$db"), ".", d[0].Value)]
}

const maxLevels = 100

// unfit says why no server stores a document, by the limits of documents and by the
// indexes of its collection.
func (s *Server) unfit(ns string, doc bsonkit.Doc) *refusal {
	if levels(*doc) > maxLevels {
		return &refusal{15, "the document has over 100 levels"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ix := range s.indexes[ns] {
		arrays := map[string]bool{}
		for _, e := range *sub(ix, "key") {
			if at := arrayAt(*doc, e.Key); at != "" {
				arrays[at] = true
			}
		}
		if len(arrays) > 1 {
			return &refusal{171, "cannot index parallel arrays"}
		}
	}
	return nil
}

// refusal is the error of one write among several.
type refusal struct {
	code int32
	text string
}

func (r *refusal) Error() string { return r.text }

func levels(v any) int {
	deepest := 0
	switch v := v.(type) {
	case bson.D:
		for _, e := range v {
			deepest = max(deepest, levels(e.Value))
		}
	case bson.A:
		for _, e := range v {
			deepest = max(deepest, levels(e))
		}
	default:
		return 0
	}
	return deepest + 1
}

// arrayAt is the path of the array that a path leads to or through.
func arrayAt(d bson.D, path string) string {
	name, rest, more := strings.Cut(path, ".")
	switch v := get(d, name).(type) {
	case bson.A:
		return name
	case bson.D:
		if more {
			if at := arrayAt(v, rest); at != "" {
				return name + "." + at
			}
		}
	}
	return ""
}
