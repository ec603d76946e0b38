package mongo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/bsontype"
)

// stored sends a body through BSON as a server keeps it.
func stored(t testing.TB, text []byte) (back []byte, doc bool) {
	t.Helper()
	b := encodeBody(text)
	d := bson.D{{Key: "body", Value: b.value}}
	if b.exact.Type != 0 {
		d = append(d, bson.E{Key: "bx", Value: b.exact})
	}
	raw, err := bson.Marshal(d)
	require.NoError(t, err)
	require.NoError(t, bson.Raw(raw).Validate())
	back, err = decodeBody(body{value: bson.Raw(raw).Lookup("body"), exact: bson.Raw(raw).Lookup("bx")})
	require.NoError(t, err)
	return back, b.value.Type == bson.TypeEmbeddedDocument
}

func TestABodyComesBackByteByByte(t *testing.T) {
	for _, c := range []struct {
		name, text string
		doc        bool
	}{
		{"empty object", `{}`, true},
		{"order of members", `{"z":1,"a":2,"m":{"y":[],"b":{}}}`, true},
		{"integers", `{"a":0,"b":-1,"c":2147483647,"d":2147483648,"e":-9223372036854775808,"f":9223372036854775807}`, true},
		{"integers beyond 64 bits", `{"a":9223372036854775808,"b":123456789012345678901234567890123456789012345678901234567890}`, true},
		{"minus nought", `{"a":-0,"b":-0.0,"c":0.0}`, true},
		{"decimals keep their noughts", `{"a":1.10,"b":0.00,"c":100.000,"d":-0.50,"e":3.14159265358979323846264338327950288419716939937510}`, true},
		{"small decimals", `{"a":0.000001,"b":0.0000001,"c":0.00000000000000000001}`, true},
		{"exponents", `{"a":1e2,"b":1E+2,"c":1.50e-3,"d":[1e0,{"x/y":2e5,"~":3E-7}],"e":1e999999,"f":-1e-999999}`, true},
		{"null, true, false", `{"a":null,"b":[null,true,false],"c":{"d":null}}`, true},
		{"texts that look like numbers", `{"a":"1","b":"1.10","c":"1e2","d":"NaN","e":"-0","f":"null","g":""}`, true},
		{"escapes", `{"a":"\"\\\b\f\n\r\t\u0001\u001f","b":"/","c":"<&>","d":"\u2028"}`, false},
		{"shortest escapes", `{"a":"\"\\\b\f\n\r\t\u0001\u001f","b":"/ <&> é 😀  "}`, true},
		{"NUL in a text", `{"a":"x\u0000y"}`, true},
		{"long escapes", `{"a":"\u00e9","b":"\/"}`, false},
		{"lone surrogate", `{"a":"\ud800"}`, false},
		{"dotted name", `{"a.b":1}`, false},
		{"dollar name", `{"a":{"$ref":"x","$id":1}}`, false},
		{"dollar within a name", `{"a$":1}`, true},
		{"empty name", `{"":1}`, false},
		{"NUL in a name", `{"a\u0000b":1}`, false},
		{"repeated name", `{"a":1,"a":2}`, false},
		{"numbers as names", `{"0":{"1":1},"1":[0]}`, true},
		{"array at the top", `[1,2]`, false},
		{"number at the top", `1`, false},
		{"no JSON", `xxxx`, false},
		{"two values", `{"a":1}{"b":2}`, false},
		{"cut off", `{"a":`, false},
		{"bad UTF-8", "{\"a\":\"\xff\"}", false},
		{"deep", strings.Repeat(`{"a":`, 79) + `1` + strings.Repeat(`}`, 79), true},
		{"too deep", strings.Repeat(`{"a":`, 500) + `1` + strings.Repeat(`}`, 500), false},
		{"larger as BSON than a document may be", `{"a":[` + strings.Repeat(`0,`, 2_000_000) + `0]}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			back, doc := stored(t, []byte(c.text))
			require.True(t, c.text == string(back), "it came back otherwise")
			require.Equal(t, c.doc, doc, "kept as a document")
		})
	}
}

func TestABodyWithSpacesComesBackCompact(t *testing.T) {
	back, doc := stored(t, []byte(" { \"a\" : [ 1 , 2.50 ] }\n"))
	require.True(t, doc)
	require.Equal(t, `{"a":[1,2.50]}`, string(back))
}

func TestNumbersAreNumbersToOperators(t *testing.T) {
	b := encodeBody([]byte(`{"i":1,"l":5000000000,"d":1.10,"e":1e2,"s":"1"}`))
	doc := b.value.Document()
	for name, want := range map[string]bsontype.Type{"i": bson.TypeInt32, "l": bson.TypeInt64, "d": bson.TypeDecimal128, "e": bson.TypeDecimal128, "s": bson.TypeString} {
		require.Equal(t, want, doc.Lookup(name).Type, name)
	}
	require.Equal(t, "1.10", doc.Lookup("d").Decimal128().String())
	kept := b.exact.Array().Index(0).Value().Document()
	require.Equal(t, "/e=1e2", text(kept, "p")+"="+text(kept, "t"))
}

func TestEverySampleComesBackAsADocument(t *testing.T) {
	root := os.Getenv("ONWARD_SAMPLES")
	if root == "" {
		root = "../../../shared"
	}
	n := 0
	for _, dir := range []string{"samples", "profiles"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var compact bytes.Buffer
			if json.Compact(&compact, text) != nil || compact.Len() == 0 || compact.Bytes()[0] != '{' {
				back, _ := stored(t, text)
				require.Equal(t, string(text), string(back), path)
				return nil
			}
			back, doc := stored(t, text)
			if !doc {
				require.True(t, bytes.Equal(text, back), path)
				t.Logf("kept as bytes: %s", filepath.Base(path))
				return nil
			}
			require.True(t, bytes.Equal(compact.Bytes(), back), path)
			n++
			return nil
		})
		if os.IsNotExist(err) {
			t.Skip("the folder of samples is absent: set ONWARD_SAMPLES")
		}
		require.NoError(t, err)
	}
	require.NotZero(t, n)
	t.Logf("%d samples", n)
}

// awkward makes random JSON out of what is hard to keep.
type awkward struct{ *rand.Rand }

func (g awkward) value(depth int) string {
	kind := g.IntN(9)
	if depth > 4 {
		kind = g.IntN(6)
	}
	switch kind {
	case 0:
		return []string{"null", "true", "false"}[g.IntN(3)]
	case 1, 2:
		return g.number()
	case 3, 4, 5:
		return string(appendString(nil, g.text()))
	case 6:
		var parts []string
		for range g.IntN(5) {
			parts = append(parts, g.value(depth+1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return g.object(depth)
}

func (g awkward) object(depth int) string {
	var parts []string
	for i := range g.IntN(5) {
		name := fmt.Sprint(g.text(), i)
		parts = append(parts, string(appendString(nil, name))+":"+g.value(depth+1))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (g awkward) number() string {
	n := []string{"0", "-0", "7", "-12", "2147483648", "99999999999999999999", fmt.Sprint(g.Int64())}[g.IntN(7)]
	n += []string{"", "", ".0", ".10", ".000", fmt.Sprintf(".%09d", g.IntN(1e9))}[g.IntN(6)]
	return n + []string{"", "", "", "e0", "E+5", "e-12", "e400", "E-7000"}[g.IntN(8)]
}

func (g awkward) text() string {
	var b strings.Builder
	for range g.IntN(6) {
		b.WriteString([]string{"a", "é", "😀", "\n", "\x01", `"`, `\`, "/", "~", "1", ".5", "\u2028", "\x7f"}[g.IntN(13)])
	}
	return b.String()
}

func TestRandomBodiesComeBack(t *testing.T) {
	g := awkward{rand.New(rand.NewPCG(1, 2))}
	docs := 0
	for range 3000 {
		text := g.object(0)
		require.True(t, json.Valid([]byte(text)), text)
		back, doc := stored(t, []byte(text))
		require.Equal(t, text, string(back))
		if doc {
			docs++
		}
	}
	require.Greater(t, docs, 1000)
}

func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1e2,"b":[1.10,null]}`, `{"a.b":{"$c":""}}`, `{"a":"\u0000"}`, ` {"a" : -0 } `, `[`, `{"~/":1E5}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		back, doc := stored(t, text)
		if bytes.Equal(text, back) {
			return
		}
		var compact bytes.Buffer
		require.True(t, doc)
		require.NoError(t, json.Compact(&compact, text))
		require.Equal(t, compact.String(), string(back))
	})
}
