package bars

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// auxTaken remembers for good what was written for a value of a key; the
// idempotency record is forgotten after a week.
const auxTaken = "taken"

// maxTaken bounds what Taken lists: one value can be used by several senders.
const maxTaken = 20

// Taken is a message or a copy that was carried out.
type Taken struct {
	Sender  nhs.ODSCode `json:"sender"`
	At      time.Time   `json:"at"`
	Records []store.Ref `json:"records"` // new ones, as they were written
}

// add puts what belongs to the request into its batch: the caller's own
// operations, and the note by which Taken finds it.
func (w *work) add(key Key, also []store.Op, recall bool) error {
	if recall {
		note := Taken{Sender: w.who.Organisation, At: w.d.now().UTC()}
		for _, op := range w.batch.Ops {
			if put, ok := op.(store.Put); ok {
				note.Records = append(note.Records, put.Record.Ref())
			}
		}
		value, err := json.Marshal(note)
		if err != nil {
			return err
		}
		for _, v := range key.Values {
			w.batch.Ops = append(w.batch.Ops, store.AuxPut{Kind: auxTaken, Value: value,
				Key: takenPrefix(key.Door, v) + url.PathEscape(key.Sender) + "|" + url.PathEscape(key.Target)})
		}
	}
	w.batch.Ops = append(w.batch.Ops, also...)
	return nil
}

func takenPrefix(door, value string) string {
	return strings.Join([]string{url.PathEscape(door), url.PathEscape(value), ""}, "|")
}

// Taken lists what a door's requests with Recall wrote under a value of their
// key, at most 20.
func (b *Records) Taken(ctx context.Context, door, value string) ([]Taken, error) {
	found, err := b.d.store.AuxScan(ctx, auxTaken, takenPrefix(door, value), "", maxTaken)
	if err != nil {
		return nil, b.d.outcome(err)
	}
	list := make([]Taken, len(found))
	for i, doc := range found {
		if err := json.Unmarshal(doc.Value, &list[i]); err != nil {
			return nil, b.d.outcome(err)
		}
	}
	return list, nil
}
