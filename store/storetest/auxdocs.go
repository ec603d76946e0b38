package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

func doc(key, value string) store.AuxPut {
	return store.AuxPut{Kind: "link", Key: key, Value: []byte(value)}
}

func (e *Env) docs(key string) ([]store.Aux, error) {
	return e.Store.AuxGet(e.ctx, "link", []string{key})
}

var auxChecks = []Check{
	{"a document comes back with its version", func(e *Env) error {
		if _, err := e.commit(doc("k", "one")); err != nil {
			return err
		}
		until := e.Clock.Now().Add(time.Hour)
		if _, err := e.commit(store.AuxPut{Kind: "link", Key: "k", Value: []byte("two"), Expires: until}); err != nil {
			return err
		}
		got, err := e.Store.AuxGet(e.ctx, "link", []string{"none", "k"})
		if err != nil {
			return err
		}
		if err := want("documents", 1, len(got)); err != nil {
			return err
		}
		return first(want("version", 2, got[0].Version), want("value", "two", string(got[0].Value)), want("key", "k", got[0].Key),
			want("kind", "link", got[0].Kind), want("expires", until, got[0].Expires))
	}},
	{"conditions on documents", func(e *Env) error {
		absent, one := store.Condition{Absent: true}, store.Condition{Version: 1}
		with := func(c store.Condition) store.AuxPut { d := doc("k", "x"); d.If = c; return d }
		if err := e.refused(store.MissingRecord, "link|k", with(one)); err != nil {
			return err
		}
		if _, err := e.commit(with(absent)); err != nil {
			return err
		}
		if err := e.refused(store.Exists, "link|k", with(absent)); err != nil {
			return err
		}
		if _, err := e.commit(with(one)); err != nil {
			return err
		}
		if err := first(e.refused(store.VersionConflict, "link|k", with(one)),
			e.refused(store.VersionConflict, "link|k", store.AuxDelete{Kind: "link", Key: "k", If: one}),
			e.refused(store.MissingRecord, "link|no", store.AuxDelete{Kind: "link", Key: "no", If: one})); err != nil {
			return err
		}
		if _, err := e.commit(store.AuxDelete{Kind: "link", Key: "k", If: store.Condition{Version: 2}}, store.AuxDelete{Kind: "link", Key: "no"}); err != nil {
			return err
		}
		got, err := e.docs("k")
		return first(err, want("documents", 0, len(got)))
	}},
	{"an expired document counts as none", func(e *Env) error {
		lease := store.AuxPut{Kind: "link", Key: "k", Value: []byte("x"), Expires: e.Clock.Now().Add(time.Minute), If: store.Condition{Absent: true}}
		if _, err := e.commit(lease); err != nil {
			return err
		}
		e.Clock.Move(time.Minute - time.Millisecond)
		if err := e.refused(store.Exists, "link|k", lease); err != nil {
			return err
		}
		e.Clock.Move(time.Millisecond)
		got, err := e.docs("k")
		list, err2 := e.Store.AuxScan(e.ctx, "link", "", "", 10)
		if err := first(err, err2, want("documents", 0, len(got)), want("listed", 0, len(list)),
			e.refused(store.MissingRecord, "link|k", store.AuxDelete{Kind: "link", Key: "k", If: store.Condition{Version: 1}})); err != nil {
			return err
		}
		lease.Expires = time.Time{}
		if _, err := e.commit(lease); err != nil {
			return fmt.Errorf("an expired lease can be taken: %w", err)
		}
		e.Clock.Move(1000 * time.Hour)
		got, err = e.docs("k")
		return first(err, want("documents without an end", 1, len(got)))
	}},
	{"documents are listed by prefix in key order", func(e *Env) error {
		var ops []store.Op
		for _, k := range []string{"a/3", "a/1", "b/1", "a/2", "a", "a0", "A/9", "a/é", "a/\U0010FFFF"} {
			ops = append(ops, doc(k, k))
		}
		ops = append(ops, store.AuxPut{Kind: "outbox", Key: "a/2", Value: []byte("other")})
		if _, err := e.commit(ops...); err != nil {
			return err
		}
		var keys []string
		after := ""
		for range 10 {
			got, err := e.Store.AuxScan(e.ctx, "link", "a/", after, 2)
			if err != nil {
				return err
			}
			for _, a := range got {
				keys, after = append(keys, a.Key+"="+string(a.Value)), a.Key
			}
			if len(got) == 0 {
				break
			}
		}
		return want("keys", "a/1=a/1 a/2=a/2 a/3=a/3 a/é=a/é a/\U0010FFFF=a/\U0010FFFF", strings.Join(keys, " "))
	}},
	{"a list of documents is bounded by bytes, and only an empty one is the end", boundedList},
	{"documents that are asked for by key are bounded by bytes", func(e *Env) error {
		if _, err := e.commit(doc("k", strings.Repeat("x", store.MaxBody))); err != nil {
			return err
		}
		const most = store.MaxWhole / store.MaxBody
		keys := slices.Repeat([]string{"k"}, most+1)
		got, err := e.Store.AuxGet(e.ctx, "link", keys[:most])
		_, err2 := e.Store.AuxGet(e.ctx, "link", keys)
		return first(err, want("documents", most, len(got)), wantError("more", store.ErrTooLarge, err2))
	}},
	{"claims can't be written as documents", func(e *Env) error {
		for _, op := range []store.Op{store.AuxPut{Kind: "claim", Key: "s1", Value: []byte("Appointment/a")}, store.AuxDelete{Kind: "claim", Key: "s1"},
			store.AuxPut{Kind: "hold", Key: "s1", Value: []byte("hold/a")}} {
			if _, err := e.Store.Commit(e.ctx, &store.Batch{Ops: []store.Op{op}}); err == nil {
				return fmt.Errorf("%T of a claim was accepted", op)
			}
		}
		return e.owner("s1", "")
	}},
}

func boundedList(e *Env) error {
	const mb = 1 << 20
	sizes := map[string]int{"a": 10 * mb, "b": 6 * mb, "c": 5 * mb, "d": store.MaxBody, "e": 0, "f": 1}
	for key, size := range sizes {
		if _, err := e.commit(doc(key, strings.Repeat(key, size))); err != nil {
			return err
		}
	}
	var lists []string
	for after := ""; ; {
		got, err := e.Store.AuxScan(e.ctx, "link", "", after, 0)
		if err != nil {
			return err
		}
		keys, size := "", 0
		for _, a := range got {
			keys, size, after = keys+a.Key, size+len(a.Value), a.Key
			if err := want("bytes of "+a.Key, sizes[a.Key], len(a.Value)); err != nil {
				return err
			}
		}
		if lists = append(lists, keys); len(got) == 0 {
			break
		}
		if size > store.MaxList {
			return fmt.Errorf("a list of %d bytes", size)
		}
	}
	return want("lists", "ab c def ", strings.Join(lists, " "))
}

var idemChecks = []Check{
	{"the same key and hash happen once", func(e *Env) error {
		batch := idemBatch("h1", "k1", "k2")
		done, err := e.Store.Commit(e.ctx, batch)
		if err != nil {
			return err
		}
		if done.Replay != nil || len(done.Versions) != 1 {
			return fmt.Errorf("the first commit: %+v", done)
		}
		at := e.Clock.Now()
		e.Clock.Move(time.Hour)
		for _, keys := range [][]string{{"k1", "k2"}, {"k1"}, {"k2"}, {"new", "k2"}} {
			again, err := e.Store.Commit(e.ctx, idemBatch("h1", keys...))
			if err != nil {
				return err
			}
			r := again.Replay
			if r == nil || len(r.Versions) != 1 || len(again.Versions) != 0 {
				return fmt.Errorf("keys %v: want a replay that writes nothing, got %+v", keys, again)
			}
			if err := first(want("version", done.Versions[0], r.Versions[0]), want("answer", "the answer", string(r.Answer)), want("at", at, r.At)); err != nil {
				return err
			}
		}
		got, err := e.Store.Get(e.ctx, store.Ref{Type: "Slot", ID: "s1"})
		return first(err, want("version", 1, got.Version))
	}},
	{"the same key with another hash is a mismatch", func(e *Env) error {
		if _, err := e.Store.Commit(e.ctx, idemBatch("h1", "k1", "k2")); err != nil {
			return err
		}
		if err := first(e.refusedBatch(store.IdemMismatch, "idem|k1", idemBatch("h2", "k1")),
			e.refusedBatch(store.IdemMismatch, "idem|k2", idemBatch("h2", "k9", "k2"))); err != nil {
			return err
		}
		got, err := e.Store.AuxGet(e.ctx, "idem", []string{"k1", "k2", "k9"})
		return first(err, want("records kept", 2, len(got)))
	}},
	{"a replay wins over guards and conditions", func(e *Env) error {
		batch := idemBatch("h1", "k1")
		batch.Ops = []store.Op{created(record("Slot", "s1", "")), claim("s1", "Appointment/a")}
		batch.Guards = []store.Guard{store.VersionGuard{Ref: store.Ref{Type: "Slot", ID: "g"}, Version: 1}}
		if _, err := e.commit(put(record("Slot", "g", ""))); err != nil {
			return err
		}
		if _, err := e.Store.Commit(e.ctx, batch); err != nil {
			return err
		}
		if _, err := e.commit(put(record("Slot", "g", "two"))); err != nil {
			return err
		}
		again, err := e.Store.Commit(e.ctx, batch)
		if err == nil && again.Replay == nil {
			return fmt.Errorf("want a replay")
		}
		return err
	}},
	{"a key is free again when its time is over", func(e *Env) error {
		if _, err := e.Store.Commit(e.ctx, idemBatch("h1", "k1")); err != nil {
			return err
		}
		e.Clock.Move(7*24*time.Hour - time.Millisecond)
		if err := e.refusedBatch(store.IdemMismatch, "idem|k1", idemBatch("h2", "k1")); err != nil {
			return err
		}
		e.Clock.Move(time.Millisecond)
		done, err := e.Store.Commit(e.ctx, idemBatch("h2", "k1"))
		if err == nil && done.Replay != nil {
			return fmt.Errorf("a key whose time is over was replayed")
		}
		return first(err, e.refusedBatch(store.IdemMismatch, "idem|k1", idemBatch("h1", "k1")))
	}},
	{"a batch that failed leaves its key free", func(e *Env) error {
		batch := idemBatch("h1", "k1")
		batch.Ops = append(batch.Ops, at(record("Slot", "none", ""), 5))
		if err := e.refusedBatch(store.MissingRecord, "Slot/none", batch); err != nil {
			return err
		}
		done, err := e.Store.Commit(e.ctx, idemBatch("h2", "k1"))
		if err == nil && done.Replay != nil {
			return fmt.Errorf("a key of a failed batch was replayed")
		}
		return err
	}},
}

func idemBatch(hash string, keys ...string) *store.Batch {
	return &store.Batch{
		Idem: &store.Idem{Keys: keys, Hash: hash, Answer: []byte("the answer"), Keep: 7 * 24 * time.Hour},
		Ops:  []store.Op{put(record("Slot", "s1", ""))},
	}
}
