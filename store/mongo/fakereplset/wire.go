package fakereplset

import (
	"encoding/binary"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/bson"
)

// Opcodes of the MongoDB wire protocol.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

const maxMessage = 64 << 20

var errWire = errors.New("fakereplset: not a message")

// message is one request.
type message struct {
	id, op int32
	doc    bson.D
}

func readMessage(r io.Reader) (*message, error) {
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int(binary.LittleEndian.Uint32(head[:]))
	if size < 16 || size > maxMessage {
		return nil, errWire
	}
	body := make([]byte, size-16)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	m := &message{id: int32(binary.LittleEndian.Uint32(head[4:])), op: int32(binary.LittleEndian.Uint32(head[12:]))}
	switch m.op {
	case opQuery:
		return m, m.query(body)
	case opMsg:
		return m, m.msg(body)
	}
	return nil, errWire
}

// query reads OP_QUERY, which only the first hello of a connection uses: flags,
// collection, skip, number, document.
func (m *message) query(b []byte) error {
	if len(b) < 4 {
		return errWire
	}
	_, rest, err := text(b[4:])
	if err != nil || len(rest) < 8 {
		return errWire
	}
	m.doc, _, err = document(rest[8:])
	return err
}

// msg reads OP_MSG: flags, then sections of kind 0 (the command) and kind 1 (a
// list that belongs to it).
func (m *message) msg(b []byte) error {
	if len(b) < 4 {
		return errWire
	}
	if binary.LittleEndian.Uint32(b)&1 != 0 && len(b) >= 8 {
		b = b[:len(b)-4] // checksum
	}
	b = b[4:]
	var lists bson.D
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		if kind == 0 {
			var err error
			if m.doc, b, err = document(b); err != nil {
				return err
			}
			continue
		}
		if kind != 1 || len(b) < 4 {
			return errWire
		}
		size := int(binary.LittleEndian.Uint32(b))
		if size < 4 || size > len(b) {
			return errWire
		}
		name, docs, err := text(b[4:size])
		if err != nil {
			return err
		}
		b = b[size:]
		list := bson.A{}
		for len(docs) > 0 {
			var d bson.D
			if d, docs, err = document(docs); err != nil {
				return err
			}
			list = append(list, d)
		}
		lists = append(lists, bson.E{Key: name, Value: list})
	}
	if len(m.doc) == 0 {
		return errWire
	}
	m.doc = append(m.doc, lists...)
	return nil
}

func text(b []byte) (string, []byte, error) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), b[i+1:], nil
		}
	}
	return "", nil, errWire
}

func document(b []byte) (bson.D, []byte, error) {
	if len(b) < 5 {
		return nil, nil, errWire
	}
	size := int(binary.LittleEndian.Uint32(b))
	if size < 5 || size > len(b) {
		return nil, nil, errWire
	}
	var d bson.D
	if err := bson.Unmarshal(b[:size], &d); err != nil {
		return nil, nil, err
	}
	return d, b[size:], nil
}

// reply answers in the form that the request had.
func (m *message) reply(w io.Writer, doc bson.D) error {
	raw, err := bson.Marshal(doc)
	if err != nil {
		return err
	}
	var head []byte
	op := int32(opMsg)
	if m.op == opQuery {
		op = opReply
		head = make([]byte, 20) // flags, cursor, starting from, number
		binary.LittleEndian.PutUint32(head, 8)
		binary.LittleEndian.PutUint32(head[16:], 1)
	} else {
		head = make([]byte, 5) // flags, kind 0
	}
	out := make([]byte, 16, 16+len(head)+len(raw))
	binary.LittleEndian.PutUint32(out, uint32(16+len(head)+len(raw)))
	binary.LittleEndian.PutUint32(out[8:], uint32(m.id))
	binary.LittleEndian.PutUint32(out[12:], uint32(op))
	_, err = w.Write(append(append(out, head...), raw...))
	return err
}
