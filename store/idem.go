package store

import (
	"encoding/json"
	"errors"
	"time"
)

// KindIdem is the kind of the auxiliary documents that Batch.Idem leaves, one
// under each of its keys.
const KindIdem = "idem"

// IdemRecord is the value of such a document: what the first commit under the
// keys did. Engines write it with Value and read it with ReadIdem, so that it
// is the same on every engine.
type IdemRecord struct {
	Hash     string    `json:"hash"`
	At       time.Time `json:"at"`
	Versions []Version `json:"versions"`
	Answer   []byte    `json:"answer,omitempty"`
}

// Value encodes the record.
func (r IdemRecord) Value() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("store: " + err.Error()) // strings, numbers and times always encode
	}
	return b
}

// ReadIdem says what the keys' documents mean for a batch with this hash: nil
// where there is none, a replay where the very batch was carried out, else a
// ConflictError of kind IdemMismatch. The same hash under any key wins over
// another hash under another, because that request was carried out and its
// sender may be told so.
func ReadIdem(docs []Aux, hash string) (*Replay, error) {
	for _, doc := range docs {
		var r IdemRecord
		if err := json.Unmarshal(doc.Value, &r); err != nil {
			return nil, errors.New("store: an idempotency record can't be read")
		}
		if r.Hash == hash {
			return &Replay{Versions: r.Versions, Answer: r.Answer, At: r.At}, nil
		}
	}
	if len(docs) == 0 {
		return nil, nil
	}
	return nil, &ConflictError{Kind: IdemMismatch, What: KindIdem + "|" + docs[0].Key}
}
