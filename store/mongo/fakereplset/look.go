package fakereplset

import (
	"github.com/256dpi/lungo"
	"github.com/256dpi/lungo/bsonkit"
	"github.com/256dpi/lungo/mongokit"
	"go.mongodb.org/mongo-driver/bson"
)

// look finds documents. Lungo's own search sorts all that there are and matches
// each of them; this one takes those of the ids asked for, if any are, and sorts
// what it has found.
func look(txn *lungo.Transaction, ns lungo.Handle, query, sort bsonkit.Doc, limit int) (bsonkit.List, error) {
	c := txn.Catalog().Namespaces[ns]
	if c == nil {
		return nil, nil
	}
	sorted := sort != nil && len(*sort) > 0
	most := limit
	if sorted {
		most = 0
	}
	found, err := mongokit.Filter(withID(c.Documents.List, query), query, most)
	if err != nil || !sorted {
		return found, err
	}
	if found, err = mongokit.Sort(found, sort); err == nil && limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, err
}

// withID are the documents whose _id may be what a query asks for.
func withID(docs bsonkit.List, query bsonkit.Doc) bsonkit.List {
	wanted := idsIn(query)
	if wanted == nil {
		return docs
	}
	var found bsonkit.List
	for _, doc := range docs {
		if id, is := idOf(doc).(string); !is || wanted[id] {
			found = append(found, doc)
		}
	}
	return found
}

func idOf(doc bsonkit.Doc) any {
	if d := *doc; len(d) > 0 && d[0].Key == "_id" {
		return d[0].Value
	}
	return bsonkit.Get(doc, "_id")
}

// idsIn are the texts that a query holds _id to; nil: it doesn't.
func idsIn(query bsonkit.Doc) map[string]bool {
	switch v := get(*query, "_id").(type) {
	case string:
		return map[string]bool{v: true}
	case bson.D:
		list, is := get(v, "$in").(bson.A)
		if !is {
			return nil
		}
		wanted := map[string]bool{}
		for _, one := range list {
			id, is := one.(string)
			if !is {
				return nil
			}
			wanted[id] = true
		}
		return wanted
	}
	return nil
}
