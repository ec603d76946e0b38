package fhir_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

func TestEditChangesWhatIsNamedAndNothingElse(t *testing.T) {
	const text = `{"resourceType":"X","id":"1","n":1.00,"s":"\u00e9","e":{},"l":[],"o":{"p":[{"q":1},{"q":2}],"r":true},"z":null}`
	for _, tc := range []struct {
		name string
		edit func(e *fhir.Edit, r *fhir.Resource)
		want string // what differs: old → new
	}{
		{"replaces a value", func(e *fhir.Edit, r *fhir.Resource) { e.Replace(r.Get("n"), []byte(`2.50`)) }, `1.00→2.50`},
		{"replaces deep inside", func(e *fhir.Edit, r *fhir.Resource) {
			e.Replace(r.Get("o", "p").At(1).Get("q"), []byte(`{"new":[1]}`))
		}, `{"q":2}→{"q":{"new":[1]}}`},
		{"replaces an array element", func(e *fhir.Edit, r *fhir.Resource) { e.Replace(r.Get("o", "p").At(0), []byte(`7`)) }, `{"q":1}→7`},
		{"keeps a replaced member's place", func(e *fhir.Edit, r *fhir.Resource) { e.SetText(r.Root(), "id", `a"b`) }, `"id":"1"→"id":"a\"b"`},
		{"puts a new member at the end", func(e *fhir.Edit, r *fhir.Resource) { e.Set(r.Root(), "y", []byte(`[1]`)) }, `"z":null→"z":null,"y":[1]`},
		{"puts several in the order given", func(e *fhir.Edit, r *fhir.Resource) {
			e.SetText(r.Get("o"), "b", "1").SetText(r.Get("o"), "a", "2")
		}, `"r":true→"r":true,"b":"1","a":"2"`},
		{"sets a new member twice", func(e *fhir.Edit, r *fhir.Resource) {
			e.SetText(r.Root(), "y", "1").SetText(r.Root(), "y", "2")
		}, `"z":null→"z":null,"y":"2"`},
		{"adds to an empty object", func(e *fhir.Edit, r *fhir.Resource) { e.SetText(r.Get("e"), "a", "1") }, `"e":{}→"e":{"a":"1"}`},
		{"adds to an empty array", func(e *fhir.Edit, r *fhir.Resource) {
			e.Append(r.Get("l"), []byte(`1`)).Append(r.Get("l"), []byte(`{}`))
		}, `"l":[]→"l":[1,{}]`},
		{"appends to an array", func(e *fhir.Edit, r *fhir.Resource) { e.Append(r.Get("o", "p"), []byte(`3`)) }, `{"q":2}]→{"q":2},3]`},
		{"removes the first member", func(e *fhir.Edit, r *fhir.Resource) { e.Remove(r.Root(), "resourceType") }, `"resourceType":"X",→`},
		{"removes a middle member", func(e *fhir.Edit, r *fhir.Resource) { e.Remove(r.Root(), "o") }, `"o":{"p":[{"q":1},{"q":2}],"r":true},→`},
		{"removes the last member", func(e *fhir.Edit, r *fhir.Resource) { e.Remove(r.Root(), "z") }, `,"z":null→`},
		{"removes every member", func(e *fhir.Edit, r *fhir.Resource) { e.Remove(r.Get("o"), "p").Remove(r.Get("o"), "r") }, `{"p":[{"q":1},{"q":2}],"r":true}→{}`},
		{"removes all and adds", func(e *fhir.Edit, r *fhir.Resource) {
			o := r.Get("o")
			e.Remove(o, "p").Remove(o, "r").SetText(o, "s", "1")
		}, `{"p":[{"q":1},{"q":2}],"r":true}→{"s":"1"}`},
		{"takes back what it set", func(e *fhir.Edit, r *fhir.Resource) { e.SetText(r.Root(), "y", "1").Remove(r.Root(), "y") }, `→`},
		{"sets what it removed", func(e *fhir.Edit, r *fhir.Resource) { e.Remove(r.Root(), "n").SetText(r.Root(), "n", "1") }, `1.00→"1"`},
		{"edits at two depths", func(e *fhir.Edit, r *fhir.Resource) {
			e.Set(r.Get("o", "p").At(0), "x", []byte("1")).Remove(r.Get("o"), "r").SetText(r.Root(), "s", "f")
		}, `"s":"\u00e9","e":{},"l":[],"o":{"p":[{"q":1},{"q":2}],"r":true}→"s":"f","e":{},"l":[],"o":{"p":[{"q":1,"x":1},{"q":2}]}`},
		{"lets a change win over those inside it", func(e *fhir.Edit, r *fhir.Resource) {
			e.Replace(r.Get("o", "p").At(0), []byte("1")).Set(r.Get("o"), "x", []byte("1")).Remove(r.Root(), "o")
		}, `"o":{"p":[{"q":1},{"q":2}],"r":true},→`},
		{"leaves out white space of a new value", func(e *fhir.Edit, r *fhir.Resource) { e.Replace(r.Get("n"), []byte(" [ 1 ] ")) }, `1.00→[1]`},
		{"puts a new meta behind the id", func(e *fhir.Edit, r *fhir.Resource) { e.Set(r.Root(), "meta", []byte(`{"a":1}`)) }, `"id":"1",→"id":"1","meta":{"a":1},`},
		{"puts a new meta in place of a removed id", func(e *fhir.Edit, r *fhir.Resource) {
			e.Set(r.Root(), "meta", []byte(`{"a":1}`)).Remove(r.Root(), "id")
		}, `"id":"1",→"meta":{"a":1},`},
		{"puts the id of an element in front", func(e *fhir.Edit, r *fhir.Resource) { e.SetText(r.Get("o"), "id", "9") }, `"o":{→"o":{"id":"9",`},
		{"ignores what isn't there", func(e *fhir.Edit, r *fhir.Resource) {
			e.Replace(r.Get("nothing"), []byte("1")).Set(r.Get("nothing"), "a", []byte("1")).Set(r.Get("n"), "a", []byte("1")).
				Remove(r.Root(), "nothing").Remove(r.Get("nothing"), "a").Append(r.Get("o"), []byte("1")).Append(r.Get("nothing"), []byte("1"))
		}, `→`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := mustParse(t, text)
			e := r.Edit()
			tc.edit(e, r)
			got, err := e.Done()
			require.NoError(t, err)

			before, after, _ := strings.Cut(tc.want, "→")
			if before != "" {
				require.Equal(t, 1, strings.Count(text, before), "the test names one place")
			}
			require.Equal(t, strings.Replace(text, before, after, 1), string(got.JSON()))
			require.Equal(t, text, string(r.JSON()), "the original never changes")
		})
	}
}

func TestEditPutsIDAndMetaBehindResourceType(t *testing.T) {
	both := func(r *fhir.Resource) *fhir.Edit { // meta is asked for first
		return r.Edit().Set(r.Root(), "meta", []byte(`{}`)).SetText(r.Root(), "id", "1")
	}
	for text, want := range map[string]string{
		`{"resourceType":"X"}`:         `{"resourceType":"X","id":"1","meta":{}}`,
		`{"resourceType":"X","a":1}`:   `{"resourceType":"X","id":"1","meta":{},"a":1}`,
		`{"a":1,"resourceType":"X"}`:   `{"a":1,"resourceType":"X","id":"1","meta":{}}`,
		`{"a":1}`:                      `{"id":"1","meta":{},"a":1}`,
		`{}`:                           `{"id":"1","meta":{}}`,
		`{"id":"0","a":1}`:             `{"id":"1","meta":{},"a":1}`,
		`{"a":1,"id":"0","b":2}`:       `{"a":1,"id":"1","meta":{},"b":2}`,
		`{"meta":[],"a":1}`:            `{"id":"1","meta":{},"a":1}`,
		`{"a":{"resourceType":"Y"}}`:   `{"id":"1","meta":{},"a":{"resourceType":"Y"}}`,
		`{"id":"0","resourceType":""}`: `{"id":"1","resourceType":"","meta":{}}`,
	} {
		got, err := both(mustParse(t, text)).Done()
		require.NoError(t, err)
		require.Equal(t, want, string(got.JSON()), text)
	}
}

func TestEditWithoutChangesGivesTheResourceItself(t *testing.T) {
	r := mustParse(t, bundle)
	same, err := r.Edit().Done()
	require.NoError(t, err)
	require.Same(t, r, same)
}

func TestEditRefusesTextThatIsNotOneValue(t *testing.T) {
	r := mustParse(t, `{"a":1,"l":[]}`)
	for _, raw := range []string{"", " ", "x", `"x`, `1,"b":2`, `1}`, `{"a":1,"a":2}`, "\"\xff\"", `1 2`, `{}]`} {
		for name, e := range map[string]*fhir.Edit{
			"replace": r.Edit().Replace(r.Get("a"), []byte(raw)),
			"set":     r.Edit().Set(r.Root(), "new", []byte(raw)),
			"append":  r.Edit().Append(r.Get("l"), []byte(raw)),
		} {
			_, err := e.Done()
			require.Equal(t, fhir.KindStructure, kindOf(t, err), "%s with %q", name, raw)
		}
	}
	_, err := r.Edit().Set(r.Root(), `x":1,"y`, []byte("2")).Done()
	require.Equal(t, fhir.KindStructure, kindOf(t, err), "a name can't bring members either")

	deep := strings.Repeat("[", 64) + strings.Repeat("]", 64)
	_, err = r.Edit().Replace(r.Get("a"), []byte(deep)).Done()
	require.Equal(t, fhir.KindTooComplex, kindOf(t, err))
}

// tree is a resource taken apart, as an independent way to change it.
type tree struct {
	kind  fhir.ValueKind
	raw   string
	names []string
	below []*tree
}

func apart(v fhir.Value, all *[]*tree, values *[]fhir.Value) *tree {
	n := &tree{kind: v.Kind(), raw: string(v.Raw())}
	*all, *values = append(*all, n), append(*values, v)
	for name, member := range v.Members() {
		n.names = append(n.names, name)
		n.below = append(n.below, apart(member, all, values))
	}
	for item := range v.Items() {
		n.below = append(n.below, apart(item, all, values))
	}
	return n
}

func (n *tree) together(b *strings.Builder) {
	if n.kind != fhir.ObjectKind && n.kind != fhir.ArrayKind {
		b.WriteString(n.raw)
		return
	}
	brackets := "{}"
	if n.kind == fhir.ArrayKind {
		brackets = "[]"
	}
	b.WriteByte(brackets[0])
	for i, child := range n.below {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.kind == fhir.ObjectKind {
			b.WriteString(`"` + n.names[i] + `":`)
		}
		child.together(b)
	}
	b.WriteByte(brackets[1])
}

func (n *tree) find(name string) int {
	for i := range n.names {
		if n.names[i] == name {
			return i
		}
	}
	return -1
}

// change does to the tree what Edit's methods promise; op is 0 to 3.
func (n *tree) change(op uint8, name, raw string) {
	leaf := &tree{kind: fhir.StringKind, raw: raw}
	at := -1
	if n.kind == fhir.ObjectKind {
		at = n.find(name)
	}
	switch {
	case op == 0:
		*n = *leaf
	case op == 1 && at >= 0:
		n.below[at] = leaf
	case op == 1 && n.kind == fhir.ObjectKind:
		n.names, n.below = append(n.names, name), append(n.below, leaf)
	case op == 2 && at >= 0:
		n.names = append(n.names[:at:at], n.names[at+1:]...)
		n.below = append(n.below[:at:at], n.below[at+1:]...)
	case op == 3 && n.kind == fhir.ArrayKind:
		n.below = append(n.below, leaf)
	}
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte(bundle), uint16(3), uint8(0), "fullUrl", "x", uint16(9), uint8(1))
	f.Add([]byte(serviceRequest), uint16(0), uint8(1), "status", "a\"b\\", uint16(20), uint8(3))
	f.Add([]byte(`{"a":[],"b":{}}`), uint16(1), uint8(3), "c", "", uint16(2), uint8(1))
	f.Add([]byte(`{"a":{"b":{"c":1}}}`), uint16(1), uint8(2), "b", "", uint16(0), uint8(2))
	f.Fuzz(func(t *testing.T, text []byte, at1 uint16, op1 uint8, name, value string, at2 uint16, op2 uint8) {
		r, err := fhir.Parse(text)
		quoted := string(fhir.Quote(name))
		if err != nil || quoted != `"`+name+`"` || name == "id" || name == "meta" {
			return // places of a new id and meta have a table of their own
		}
		var nodes []*tree
		var values []fhir.Value
		root := apart(r.Root(), &nodes, &values)
		raw := string(fhir.Quote(value))

		first, second := int(at1)%len(nodes), int(at2)%len(nodes)
		// Changes that meet in one place or inside one another have an order that the tree doesn't know.
		meet := strings.HasPrefix(values[first].Path(), values[second].Path()) || strings.HasPrefix(values[second].Path(), values[first].Path())
		if first == 0 && op1%4 == 0 || second == 0 && op2%4 == 0 {
			return // a resource can't become a string
		}
		e := r.Edit()
		apply(e, values[first], op1%4, name, raw)
		nodes[first].change(op1%4, name, raw)
		if !meet {
			apply(e, values[second], op2%4, name, raw)
			nodes[second].change(op2%4, name, raw)
		}
		got, err := e.Done()
		require.NoError(t, err)
		var want strings.Builder
		root.together(&want)
		require.Equal(t, want.String(), string(got.JSON()))
	})
}

func apply(e *fhir.Edit, v fhir.Value, op uint8, name, raw string) {
	switch op {
	case 0:
		e.Replace(v, []byte(raw))
	case 1:
		e.Set(v, name, []byte(raw))
	case 2:
		e.Remove(v, name)
	case 3:
		e.Append(v, []byte(raw))
	}
}
