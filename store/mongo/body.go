package mongo

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
)

const (
	maxBodyDepth = 80       // levels; a server takes 100 for a whole document
	maxBodyBSON  = 13 << 20 // bytes; a server takes 16 MiB for a whole document
)

// errOpaque says that a body isn't kept as a document.
var errOpaque = errors.New("opaque")

// body is what a record keeps of its JSON.
type body struct {
	value bson.RawValue
	exact bson.RawValue // bx: an array of {p, t}, only where value needs it
}

// encodeBody turns JSON into a BSON document that operators can query and that
// decodeBody turns back into the same compact JSON, byte by byte: that is tried
// here, on every write. What doesn't come back is kept as the bytes that came,
// in a BSON binary. Such are: what is no JSON object; names that are empty,
// repeated, start with "$" or hold "." or NUL, which a server reads as paths or
// operators; escapes other than JSON's shortest; and what is too deep or too
// large as BSON.
func encodeBody(text []byte) body {
	if doc, exact, err := documentOf(text); err == nil {
		b := body{value: doc, exact: exact}
		var compact bytes.Buffer
		if json.Compact(&compact, text) == nil {
			back, err := decodeBody(b)
			if err == nil && bytes.Equal(back, compact.Bytes()) {
				return b
			}
		}
	}
	return body{value: blob(text)}
}

func blob(b []byte) bson.RawValue {
	return bson.RawValue{Type: bson.TypeBinary, Value: bsoncore.AppendBinary(nil, 0, b)}
}

type encoder struct {
	in    *json.Decoder
	path  []string // names and places down to here, as in JSON Pointer (RFC 6901)
	exact []byte   // elements of bx
	n     int
}

func documentOf(text []byte) (doc, exact bson.RawValue, err error) {
	if !utf8.Valid(text) {
		return doc, exact, errOpaque
	}
	e := &encoder{in: json.NewDecoder(bytes.NewReader(text))}
	e.in.UseNumber()
	first, err := e.in.Token()
	if err != nil || first != json.Delim('{') {
		return doc, exact, errOpaque
	}
	raw, err := e.object(nil)
	if err != nil {
		return doc, exact, err
	}
	if len(raw)+len(e.exact) > maxBodyBSON {
		return doc, exact, errOpaque
	}
	if e.n > 0 {
		at, list := bsoncore.AppendArrayStart(nil)
		list = append(list, e.exact...)
		if list, err = bsoncore.AppendArrayEnd(list, at); err != nil {
			return doc, exact, err
		}
		exact = bson.RawValue{Type: bson.TypeArray, Value: list}
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw}, exact, nil
}

func (e *encoder) object(out []byte) ([]byte, error) {
	if len(e.path) >= maxBodyDepth {
		return nil, errOpaque
	}
	at, out := bsoncore.AppendDocumentStart(out)
	seen := map[string]bool{}
	for e.in.More() {
		token, err := e.in.Token()
		if err != nil {
			return nil, err
		}
		name, is := token.(string)
		if !is || name == "" || name[0] == '$' || strings.ContainsAny(name, ".\x00") || seen[name] {
			return nil, errOpaque
		}
		seen[name] = true
		if out, err = e.value(out, name); err != nil {
			return nil, err
		}
	}
	if _, err := e.in.Token(); err != nil {
		return nil, err
	}
	return bsoncore.AppendDocumentEnd(out, at)
}

func (e *encoder) array(out []byte) ([]byte, error) {
	if len(e.path) >= maxBodyDepth {
		return nil, errOpaque
	}
	at, out := bsoncore.AppendArrayStart(out)
	for i := 0; e.in.More(); i++ {
		var err error
		if out, err = e.value(out, strconv.Itoa(i)); err != nil {
			return nil, err
		}
	}
	if _, err := e.in.Token(); err != nil {
		return nil, err
	}
	return bsoncore.AppendArrayEnd(out, at)
}

// value reads the next value and appends it under its name.
func (e *encoder) value(out []byte, name string) ([]byte, error) {
	token, err := e.in.Token()
	if err != nil {
		return nil, err
	}
	if len(out) > maxBodyBSON {
		return nil, errOpaque
	}
	e.path = append(e.path, name)
	defer func() { e.path = e.path[:len(e.path)-1] }()
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return e.object(bsoncore.AppendHeader(out, bson.TypeEmbeddedDocument, name))
		}
		return e.array(bsoncore.AppendHeader(out, bson.TypeArray, name))
	case string:
		return bsoncore.AppendStringElement(out, name, v), nil
	case bool:
		return bsoncore.AppendBooleanElement(out, name, v), nil
	case json.Number:
		return e.number(out, name, string(v)), nil
	}
	return bsoncore.AppendNullElement(out, name), nil
}

// number keeps a number as an integer or a Decimal128 where that is written the
// same way, and else its text too, in bx.
func (e *encoder) number(out []byte, name, text string) []byte {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		if int64(int32(n)) == n {
			return bsoncore.AppendInt32Element(out, name, int32(n))
		}
		return bsoncore.AppendInt64Element(out, name, n)
	}
	d, err := primitive.ParseDecimal128(text)
	if err != nil || d.IsNaN() || d.IsInf() != 0 || d.String() != text {
		e.keep(text)
	}
	if err != nil || d.IsNaN() || d.IsInf() != 0 {
		f, _ := strconv.ParseFloat(text, 64) // near it, for operators only
		return bsoncore.AppendDoubleElement(out, name, f)
	}
	return bsoncore.AppendDecimal128Element(out, name, d)
}

// keep writes {p: path, t: text} into bx.
func (e *encoder) keep(text string) {
	at, doc := bsoncore.AppendDocumentElementStart(e.exact, strconv.Itoa(e.n))
	doc = bsoncore.AppendStringElement(doc, "p", pointer(e.path))
	doc = bsoncore.AppendStringElement(doc, "t", text)
	e.exact, _ = bsoncore.AppendDocumentEnd(doc, at) // fails only on a start that isn't one
	e.n++
}

var escapes = strings.NewReplacer("~", "~0", "/", "~1")

func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(escapes.Replace(step))
	}
	return b.String()
}

// errBody is a body that this engine never wrote.
const errBody = ownError("a stored body isn't in this engine's form")

// decodeBody writes the compact JSON of a stored body in one pass; nothing
// stored is a tombstone's.
func decodeBody(b body) ([]byte, error) {
	switch b.value.Type {
	case 0, bson.TypeNull:
		return nil, nil
	case bson.TypeBinary:
		_, data, ok := b.value.BinaryOK()
		if !ok {
			return nil, errBody
		}
		return data, nil
	case bson.TypeEmbeddedDocument:
	default:
		return nil, errBody
	}
	d := &decoder{out: make([]byte, 0, len(b.value.Value))}
	if list, is := b.exact.ArrayOK(); is {
		if err := d.learn(list); err != nil {
			return nil, err
		}
	}
	if err := d.value(b.value, 0); err != nil {
		return nil, err
	}
	return d.out, nil
}

type decoder struct {
	out   []byte
	exact map[string]string // by path; nil where there is none
	path  []string
}

func (d *decoder) learn(list bson.Raw) error {
	values, err := list.Values()
	if err != nil {
		return errBody
	}
	d.exact = make(map[string]string, len(values))
	for _, v := range values {
		doc, is := v.DocumentOK()
		if !is {
			return errBody
		}
		d.exact[text(doc, "p")] = text(doc, "t")
	}
	return nil
}

func (d *decoder) value(v bson.RawValue, depth int) error {
	if depth > maxBodyDepth+1 {
		return errBody
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return d.list(v.Value, '{', '}', depth)
	case bson.TypeArray:
		return d.list(v.Value, '[', ']', depth)
	case bson.TypeString:
		d.out = appendString(d.out, v.StringValue())
	case bson.TypeBoolean:
		d.out = strconv.AppendBool(d.out, v.Boolean())
	case bson.TypeNull:
		d.out = append(d.out, "null"...)
	case bson.TypeInt32:
		d.out = strconv.AppendInt(d.out, int64(v.Int32()), 10)
	case bson.TypeInt64:
		d.out = strconv.AppendInt(d.out, v.Int64(), 10)
	case bson.TypeDecimal128, bson.TypeDouble:
		if text, is := d.exact[d.here()]; is {
			d.out = append(d.out, text...)
			return nil
		}
		if v.Type == bson.TypeDouble {
			return errBody
		}
		d.out = append(d.out, v.Decimal128().String()...)
	default:
		return errBody
	}
	return nil
}

// here is the path of the value being written, asked for only where bx is.
func (d *decoder) here() string {
	if d.exact == nil {
		return ""
	}
	return pointer(d.path)
}

func (d *decoder) list(raw []byte, open, end byte, depth int) error {
	d.out = append(d.out, open)
	elements, err := bson.Raw(raw).Elements()
	if err != nil {
		return errBody
	}
	for i, e := range elements {
		if i > 0 {
			d.out = append(d.out, ',')
		}
		name := e.Key()
		if open == '{' {
			d.out = append(appendString(d.out, name), ':')
		}
		if d.exact != nil {
			d.path = append(d.path, name)
		}
		if err := d.value(e.Value(), depth+1); err != nil {
			return err
		}
		if d.exact != nil {
			d.path = d.path[:len(d.path)-1]
		}
	}
	d.out = append(d.out, end)
	return nil
}

// appendString writes a JSON string with the fewest escapes (RFC 8259 section
// 7).
func appendString(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		case '\b':
			out = append(out, `\b`...)
		case '\f':
			out = append(out, `\f`...)
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(out, s[from:]...), '"')
}

// text is a string field of a document, "" where there is none.
func text(doc bson.Raw, name string) string {
	s, _ := doc.Lookup(name).StringValueOK()
	return s
}
