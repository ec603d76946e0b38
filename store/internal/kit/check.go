package kit

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/store"
)

// Bounds beyond those of package store; a batch over one is ErrTooLarge.
const (
	maxEntries  = 50_000 // index entries of one record
	maxEntry    = 4096   // bytes of one index entry or sort value
	maxAuxKey   = 2048   // bytes
	maxIdemKeys = 8
)

// Check refuses a batch that is over a limit or makes no sense, before it costs
// the engine anything. The message names the operation, never a value.
func Check(b *store.Batch) error {
	if b == nil {
		return fmt.Errorf("store: no batch")
	}
	if len(b.Ops)+len(b.Guards) > store.MaxOps {
		return fmt.Errorf("%w: more than %d operations", store.ErrTooLarge, store.MaxOps)
	}
	for i, op := range b.Ops {
		if err := checkOp(op); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
	}
	for i, g := range b.Guards {
		if err := checkGuard(g); err != nil {
			return fmt.Errorf("guard %d: %w", i, err)
		}
	}
	return checkIdem(b.Idem)
}

func checkOp(op store.Op) error {
	switch op := op.(type) {
	case store.Put:
		return checkPut(op)
	case store.Delete:
		if op.If.Absent {
			return fmt.Errorf("store: a delete can't ask for absence")
		}
		if len(op.By) > store.MaxBody {
			return fmt.Errorf("%w: by", store.ErrTooLarge)
		}
		return firstOf(CheckRef(op.Ref), checkCondition(op.If))
	case store.Claim:
		if op.Owner == "" {
			return fmt.Errorf("store: a claim needs an owner")
		}
		return checkSlot(op.Slot, op.Part, op.Owner, op.Predecessor)
	case store.Release:
		return checkSlot(op.Slot, op.Part, op.Owner)
	case store.AuxPut:
		if len(op.Value) > store.MaxBody {
			return fmt.Errorf("%w: document", store.ErrTooLarge)
		}
		// Records of idempotency are written by Batch.Idem alone: the engine reads
		// them back and relies on their form.
		if op.Kind == store.KindIdem {
			return fmt.Errorf("store: documents of kind idem are written by Batch.Idem only")
		}
		return firstOf(checkAux(op.Kind, op.Key), checkCondition(op.If))
	case store.AuxDelete:
		if op.If.Absent {
			return fmt.Errorf("store: a delete can't ask for absence")
		}
		return firstOf(checkAux(op.Kind, op.Key), checkCondition(op.If))
	}
	return fmt.Errorf("store: unknown operation %T", op)
}

func checkPut(op store.Put) error {
	r := op.Record
	if r == nil || len(r.Body) == 0 {
		return fmt.Errorf("store: a put needs a record with a body")
	}
	if r.Deleted {
		return fmt.Errorf("store: a put can't write a tombstone; use Delete")
	}
	if len(r.Body) > store.MaxBody || len(r.By) > store.MaxBody || len(r.Peer) > store.MaxBody {
		return fmt.Errorf("%w: body over %d bytes", store.ErrTooLarge, store.MaxBody)
	}
	return firstOf(CheckIndex(r.Index), CheckRef(r.Ref()), checkCondition(op.If))
}

// CheckIndex holds the index of one record to its bounds.
func CheckIndex(ix search.Index) error {
	if len(ix.X)+len(ix.D)+len(ix.S) > maxEntries {
		return fmt.Errorf("%w: more than %d index entries", store.ErrTooLarge, maxEntries)
	}
	for _, e := range ix.X {
		if len(e) > maxEntry {
			return fmt.Errorf("%w: an index entry over %d bytes", store.ErrTooLarge, maxEntry)
		}
	}
	for _, d := range ix.D {
		if len(d.Param) > maxEntry || d.Lo > d.Hi {
			return fmt.Errorf("store: a date entry of the index ends before it begins")
		}
	}
	for _, k := range ix.S {
		if len(k.Param)+len(k.Value) > maxEntry {
			return fmt.Errorf("%w: a sort value over %d bytes", store.ErrTooLarge, maxEntry)
		}
	}
	return nil
}

func checkGuard(g store.Guard) error {
	switch g := g.(type) {
	case store.VersionGuard:
		return CheckRef(g.Ref)
	case store.NoMatch:
		return CheckQuery(g.Query)
	}
	return fmt.Errorf("store: unknown guard %T", g)
}

func checkIdem(i *store.Idem) error {
	if i == nil {
		return nil
	}
	if len(i.Answer) > store.MaxAnswer {
		return fmt.Errorf("%w: an answer over %d bytes", store.ErrTooLarge, store.MaxAnswer)
	}
	if len(i.Keys) > maxIdemKeys {
		return fmt.Errorf("%w: more than %d idempotency keys", store.ErrTooLarge, maxIdemKeys)
	}
	if len(i.Keys) == 0 || i.Hash == "" || i.Keep < time.Millisecond {
		return fmt.Errorf("store: idempotency needs a key, a hash and a time to keep")
	}
	for _, k := range i.Keys {
		if k == "" || len(k) > maxAuxKey || !utf8.ValidString(k) {
			return fmt.Errorf("store: an idempotency key is empty or over %d bytes", maxAuxKey)
		}
	}
	return nil
}

func checkCondition(c store.Condition) error {
	if c.Version < 0 || (c.Absent && c.Version != 0) {
		return fmt.Errorf("store: a condition that can't be met")
	}
	return nil
}

// CheckRef holds a reference to FHIR's form of types and ids (R4
// datatypes.html#id).
func CheckRef(r store.Ref) error {
	if !Word(r.Type, false) || !Word(r.ID, true) {
		return fmt.Errorf("store: not a record's type and id")
	}
	return nil
}

// Word says whether a text has the form of a type or, with id, of a logical id.
func Word(s string, id bool) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		more := c >= '0' && c <= '9' || c == '-' || c == '.'
		if !letter && !(id && more) {
			return false
		}
	}
	return true
}

func checkSlot(slot string, part int, owners ...string) error {
	if !Word(slot, true) || part < 0 {
		return fmt.Errorf("store: not a slot's id and part")
	}
	for _, o := range owners {
		if len(o) > maxAuxKey || !utf8.ValidString(o) {
			return fmt.Errorf("store: an owner over %d bytes or not UTF-8", maxAuxKey)
		}
	}
	return nil
}

func checkAux(kind, key string) error {
	if kind == KindClaim || kind == KindHold || kind == KindMeta {
		return fmt.Errorf("store: documents of kind %s can't be written", kind)
	}
	if kind == "" || key == "" || len(kind) > 64 || len(key) > maxAuxKey || !utf8.ValidString(kind+key) {
		return fmt.Errorf("store: not a document's kind and key")
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
