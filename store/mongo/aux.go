package mongo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/internal/kit"
)

// maxScan bounds one AuxScan.
const maxScan = 10_000

const errMeta = ownError("documents of kind meta are the engine's own")

var kindEscapes = strings.NewReplacer("%", "%25", "|", "%7C")

// auxID is a document's _id; a kind's own bars are escaped, so that it is the
// first bar that ends the kind.
func auxID(kind, key string) string { return kindEscapes.Replace(valid(kind)) + "|" + key }

func claimID(slot string, part int) string { return fmt.Sprintf("Slot/%s#%d", slot, part) }

// alive is met by documents that haven't run out.
func alive(now int64) bson.E {
	return bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "exp", Value: bson.D{{Key: "$exists", Value: false}}}},
		bson.D{{Key: "exp", Value: bson.D{{Key: "$gt", Value: primitive.DateTime(now)}}}},
	}}
}

// AuxGet implements store.Store. Several claimed parts of a slot are several
// documents of one key, in order of part.
func (s *Store) AuxGet(ctx context.Context, kind string, keys []string) ([]store.Aux, error) {
	if len(keys) > store.MaxMany {
		return nil, fmt.Errorf("%w: more than %d keys", store.ErrTooLarge, store.MaxMany)
	}
	if kind == kit.KindMeta {
		return nil, errMeta
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	found := map[string][]store.Aux{}
	now, size := s.now().UnixMilli(), 0
	over := fmt.Errorf("%w: more than %d bytes of documents", store.ErrTooLarge, store.MaxWhole)
	if kind == kit.KindClaim || kind == kit.KindHold {
		until := alive(now)
		if kind == kit.KindHold {
			until = bson.E{Key: "exp", Value: bson.D{{Key: "$gt", Value: primitive.DateTime(now)}}}
		}
		where := bson.D{{Key: "slot", Value: bson.D{{Key: "$in", Value: valids(keys, "")}}}, until}
		err = each(in, s.claim, where, options.Find().SetSort(key("slot", 1, "part", 1)), func(raw bson.Raw) error {
			a := claimAux(raw)
			a.Kind = kind
			found[a.Key] = append(found[a.Key], a)
			return nil
		})
	} else {
		where := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: valids(keys, auxID(kind, ""))}}}, alive(now)}
		err = each(in, s.aux, where, options.Find(), func(raw bson.Raw) error {
			a := auxOf(kind, raw)
			if size += len(a.Value); size > store.MaxWhole {
				return over
			}
			found[a.Key] = []store.Aux{a}
			return nil
		})
	}
	if err != nil {
		return nil, fault(ctx, "read documents", err)
	}
	var out []store.Aux
	size = 0
	for _, k := range keys { // in the order asked for
		for _, a := range found[k] {
			if size += len(a.Value); size > store.MaxWhole {
				return nil, over
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// AuxScan implements store.Store. limit is at most 10,000, which is also what 0
// means. The parts of one slot aren't torn apart: the last slot of a list of
// claims comes with all of them.
func (s *Store) AuxScan(ctx context.Context, kind, prefix, after string, limit int) ([]store.Aux, error) {
	if limit <= 0 || limit > maxScan {
		limit = maxScan
	}
	if kind == kit.KindMeta {
		return nil, errMeta
	}
	in, leave, err := s.enter(ctx, readTime)
	if err != nil {
		return nil, err
	}
	defer leave()
	now := s.now().UnixMilli()
	var out []store.Aux
	size := 0
	if kind == kit.KindClaim {
		out, err = s.scanClaims(in, prefix, after, limit, now)
	} else {
		bounds := prefixRange(auxID(kind, valid(prefix)))
		bounds = append(bounds, bson.E{Key: "$gt", Value: auxID(kind, valid(after))})
		where := bson.D{{Key: "kind", Value: valid(kind)}, {Key: "_id", Value: bounds}, alive(now)}
		err = each(in, s.aux, where, options.Find().SetSort(key("_id", 1)).SetLimit(int64(limit)), func(raw bson.Raw) error {
			a := auxOf(kind, raw)
			if size += len(a.Value); size > store.MaxList && len(out) > 0 {
				return errStop
			}
			out = append(out, a)
			return nil
		})
	}
	if err != nil {
		return nil, fault(ctx, "list documents", err)
	}
	return out, nil
}

func (s *Store) scanClaims(ctx context.Context, prefix, after string, limit int, now int64) ([]store.Aux, error) {
	bounds := append(prefixRange(valid(prefix)), bson.E{Key: "$gt", Value: valid(after)})
	var out []store.Aux
	add := func(raw bson.Raw) error { out = append(out, claimAux(raw)); return nil }
	order := key("slot", 1, "part", 1)
	err := each(ctx, s.claim, bson.D{{Key: "slot", Value: bounds}, alive(now)}, options.Find().SetSort(order).SetLimit(int64(limit)), add)
	if err != nil || len(out) < limit {
		return out, err
	}
	last, n := out[len(out)-1].Key, len(out)
	for n > 0 && out[n-1].Key == last {
		n--
	}
	out = out[:n]
	return out, each(ctx, s.claim, bson.D{{Key: "slot", Value: last}, alive(now)}, options.Find().SetSort(order), add)
}

func valids(keys []string, before string) bson.A {
	list := make(bson.A, len(keys))
	for i, k := range keys {
		list[i] = before + valid(k)
	}
	return list
}

func claimAux(raw bson.Raw) store.Aux {
	return store.Aux{Kind: kit.KindClaim, Key: text(raw, "slot"), Version: 1, Value: []byte(text(raw, "owner")), Expires: expiry(raw)}
}

func auxOf(kind string, raw bson.Raw) store.Aux {
	_, key, _ := strings.Cut(text(raw, "_id"), "|")
	return store.Aux{Kind: kind, Key: key, Version: number(raw, "v"), Value: data(raw, "val"), Expires: expiry(raw)}
}

func expiry(raw bson.Raw) time.Time {
	if ms := moment(raw, "exp"); raw.Lookup("exp").Type != 0 {
		return kit.Instant(ms)
	}
	return time.Time{}
}
