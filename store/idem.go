package store

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// KindIdem is the kind of the auxiliary documents that Batch.Idem leaves, one
// under each of its keys.
const KindIdem = "idem"

// IdemRecord is the value of such a document: what the first commit under the
// keys did. Engines write it with Value and read it with ReadIdem, so that it
// is the same on every engine. Most versions have its time, so they are written
// short: "Type/id/version", and the milliseconds where a version has another.
type IdemRecord struct {
	Hash     string
	At       time.Time
	Versions []Version
	Answer   []byte
}

// idemJSON is an IdemRecord as it is kept. Long is how earlier versions of this
// program wrote what is in Short.
type idemJSON struct {
	Hash   string    `json:"hash"`
	At     time.Time `json:"at"`
	Long   []Version `json:"versions,omitempty"`
	Short  []string  `json:"v,omitempty"`
	Answer []byte    `json:"answer,omitempty"`
}

// Value encodes the record.
func (r IdemRecord) Value() []byte {
	out := idemJSON{Hash: r.Hash, At: r.At, Answer: r.Answer}
	for _, v := range r.Versions {
		text := v.Ref.String() + "/" + strconv.FormatInt(v.Version, 10)
		if !v.LastUpdated.Equal(r.At) {
			text += "/" + strconv.FormatInt(v.LastUpdated.UnixMilli(), 10)
		}
		out.Short = append(out.Short, text)
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic("store: " + err.Error()) // strings, numbers and times always encode
	}
	return b
}

var errIdem = errors.New("store: an idempotency record can't be read")

// ParseIdem reads what Value wrote.
func ParseIdem(value []byte) (IdemRecord, error) {
	var in idemJSON
	if err := json.Unmarshal(value, &in); err != nil {
		return IdemRecord{}, errIdem
	}
	r := IdemRecord{Hash: in.Hash, At: in.At, Versions: in.Long, Answer: in.Answer}
	for _, text := range in.Short {
		v := Version{LastUpdated: in.At}
		part := strings.Split(text, "/")
		if len(part) < 3 || len(part) > 4 {
			return r, errIdem
		}
		n, err := strconv.ParseInt(part[2], 10, 64)
		if err != nil {
			return r, errIdem
		}
		v.Ref, v.Version = Ref{part[0], part[1]}, n
		if len(part) == 4 {
			if n, err = strconv.ParseInt(part[3], 10, 64); err != nil {
				return r, errIdem
			}
			v.LastUpdated = time.UnixMilli(n).UTC()
		}
		r.Versions = append(r.Versions, v)
	}
	return r, nil
}

// ReadIdem says what the keys' documents mean for a batch with this hash: nil
// where there is none, a replay where the very batch was carried out, else a
// ConflictError of kind IdemMismatch. The same hash under any key wins over
// another hash under another, because that request was carried out and its
// sender may be told so.
func ReadIdem(docs []Aux, hash string) (*Replay, error) {
	for _, doc := range docs {
		r, err := ParseIdem(doc.Value)
		if err != nil {
			return nil, err
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
