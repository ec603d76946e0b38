package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// shardKey is the only field of a collection's shard key, which is hashed. By any
// other key a cluster would take one _id twice, on two shards.
func shardKey(collection string) string {
	if collection == "hist" {
		return "k"
	}
	return "_id"
}

// shard shards the collections of a cluster, where the user may, and verifies that
// they are.
func (s *Store) shard(ctx context.Context) error {
	for _, c := range []*mongo.Collection{s.res, s.hist, s.claim, s.aux} {
		name, by := c.Name(), shardKey(c.Name())
		key, err := s.shardKeyOf(ctx, c)
		if err == nil && key == nil {
			ns := c.Database().Name() + "." + name
			admin := s.client.Database("admin")
			// Whether they succeed is seen by what stands then: another program may
			// be at it too.
			_ = admin.RunCommand(ctx, bson.D{{Key: "enableSharding", Value: c.Database().Name()}}).Err()
			_ = admin.RunCommand(ctx, bson.D{{Key: "shardCollection", Value: ns}, {Key: "key", Value: bson.D{{Key: by, Value: "hashed"}}}}).Err()
			key, err = s.shardKeyOf(ctx, c)
		}
		switch {
		case codeOf(err) == codeUnauthorized:
			return ownError("the user of the MongoDB address may not read how collections are sharded: it needs the role read on the database config")
		case err != nil:
			return err
		case key == nil:
			return ownError("collection " + name + " isn't sharded, and the user of the MongoDB address may not do it: run `db." + name + `.createIndex({` + by + `: "hashed"})` +
				"` and `sh.shardCollection(db.getName() + \"." + name + `", {` + by + `: "hashed"})` + "` in mongosh and start again")
		case !hashed(key, by):
			return ownError("collection " + name + " is sharded by another key than {" + by + `: "hashed"}, by which no _id would be unique; mend it with ` +
				"`sh.reshardCollection(db.getName() + \"." + name + `", {` + by + `: "hashed"})` + "` in mongosh and start again")
		}
	}
	return nil
}

// shardKeyOf is the key of a collection; nil: it isn't sharded.
func (s *Store) shardKeyOf(ctx context.Context, c *mongo.Collection) (bson.Raw, error) {
	raw, err := s.client.Database("config").Collection("collections").FindOne(ctx, byID(c.Database().Name()+"."+c.Name())).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if whole, _ := raw.Lookup("unsplittable").BooleanOK(); whole { // server 8.0 lists collections of one shard too
		return nil, nil
	}
	key, _ := raw.Lookup("key").DocumentOK()
	return key, nil
}

func hashed(key bson.Raw, by string) bool {
	elements, err := key.Elements()
	return err == nil && len(elements) == 1 && elements[0].Key() == by && text(key, by) == "hashed"
}
