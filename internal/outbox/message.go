package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/onward-health/onward/store"
)

// The kinds of auxiliary documents: messages that wait, and dead letters. Both
// have the same keys.
const (
	Kind     = "outbox"
	KindDead = "outbox-dead"
)

// kindLift are documents that lift what a recipient was left alone for, by its
// route: the Worker of each process keeps that in memory.
const kindLift = "outbox-lift"

// Bounds of a message.
const (
	MaxBody = 6 << 20 // bytes
	maxName = 256     // bytes of kind, recipient and id
)

// Message is one message to one recipient.
type Message struct {
	// ID stays the same over all attempts, so that the recipient can tell a
	// repetition.
	ID string `json:"id"`
	// Kind says which Sender sends it.
	Kind string `json:"kind"`
	// Recipient names who gets it, in the Sender's own terms.
	Recipient string `json:"recipient"`
	// Focus is the resource that it is about and Order that resource's version:
	// messages to one recipient about one focus are delivered in this order.
	Focus store.Ref `json:"focus"`
	Order int64     `json:"order"`
	// Created is when the change was made.
	Created time.Time `json:"created"`
	// By is JSON that says who caused it, as in store.Record; may be nil.
	By json.RawMessage `json:"by,omitempty"`
	// Body is the Sender's own.
	Body []byte `json:"body,omitempty"`

	// Attempts counts those that failed.
	Attempts int `json:"attempts,omitempty"`
	// Due is when the next attempt may be made; zero: at once.
	Due time.Time `json:"due,omitzero"`
	// Reason says why the last attempt failed. It holds no patient data.
	Reason string `json:"reason,omitempty"`
	// Died is when it became a dead letter.
	Died time.Time `json:"died,omitzero"`

	// Last tells the Sender that no attempt follows this one.
	Last bool `json:"-"`
}

// Put is the operation that writes a message. It belongs into the batch of the
// change that the message tells of.
func Put(m Message) (store.Op, error) {
	for _, name := range []string{m.ID, m.Kind, m.Recipient, m.Focus.Type, m.Focus.ID} {
		if name == "" || len(name) > maxName {
			return nil, errors.New("outbox: a message needs id, kind, recipient and focus, each of at most 256 bytes")
		}
	}
	if m.Order < 0 || m.Created.IsZero() {
		return nil, errors.New("outbox: a message needs the version of its focus and its time")
	}
	if len(m.Body) > MaxBody {
		return nil, fmt.Errorf("outbox: the body of a message: %w", store.ErrTooLarge)
	}
	return store.AuxPut{Kind: Kind, Key: m.key(), Value: m.value()}, nil
}

func (m *Message) value() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic("outbox: " + err.Error()) // By is JSON that we wrote
	}
	return b
}

var errUnread = errors.New("the message can't be read; outbox drop forgets it")

func read(doc store.Aux) (*Message, error) {
	m := &Message{}
	if err := json.Unmarshal(doc.Value, m); err != nil || m.key() != doc.Key {
		return nil, errUnread
	}
	return m, nil
}

// shown is read for who only looks: of a message that can't be read, what its key
// says.
func shown(doc store.Aux) *Message {
	m, err := read(doc)
	if err == nil {
		return m
	}
	part := strings.Split(doc.Key, "|")
	for i := range part {
		if text, err := url.PathUnescape(part[i]); err == nil {
			part[i] = text
		}
	}
	m = &Message{ID: part[len(part)-1], Kind: kindIn(doc.Key), Reason: errUnread.Error()}
	if len(part) == 5 {
		m.Recipient = part[1]
		m.Focus.Type, m.Focus.ID, _ = strings.Cut(part[2], "/")
	}
	return m
}

// A key is kind | recipient | focus | order | id, each escaped: messages of one
// recipient and focus, a lane, stand together and in order.
func (m *Message) key() string {
	return m.lane() + fmt.Sprintf("%020d", m.Order) + "|" + url.PathEscape(m.ID)
}

func (m *Message) lane() string {
	return m.route() + url.PathEscape(m.Focus.String()) + "|"
}

// route is the part of the key that messages to one recipient share.
func (m *Message) route() string {
	return url.PathEscape(m.Kind) + "|" + url.PathEscape(m.Recipient) + "|"
}

// laneOf, routeOf and kindIn cut a key.
func laneOf(key string) string  { return upTo(key, 3) }
func routeOf(key string) string { return upTo(key, 2) }
func kindIn(key string) string {
	kind, _, _ := strings.Cut(key, "|")
	if text, err := url.PathUnescape(kind); err == nil {
		return text
	}
	return kind
}

func upTo(key string, parts int) string {
	end := 0
	for range parts {
		i := strings.IndexByte(key[end:], '|')
		if i < 0 {
			return key
		}
		end += i + 1
	}
	return key[:end]
}

// past is greater than every key with this prefix and less than all that follow:
// keys hold no control characters.
func past(prefix string) string { return prefix + "\x7f" }
