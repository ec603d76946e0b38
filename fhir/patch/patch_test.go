package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/patch"
)

func parse(t testing.TB, text string) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(t, err, text)
	return r
}

// apply returns the result, or the kind of the error.
func apply(t testing.TB, doc, text string) string {
	t.Helper()
	p, err := patch.ParseJSON([]byte(text))
	if err != nil {
		return fhir.AsOutcome(err).Kind.Row().Name
	}
	r, err := p.Apply(parse(t, doc))
	if err != nil {
		require.NotContains(t, err.Error(), "secret")
		return fhir.AsOutcome(err).Kind.Row().Name
	}
	return string(r.JSON())
}

func TestJSONPatchDoesWhatTheStandardSays(t *testing.T) {
	const doc = `{"a":{"b":1.00,"c":"\u0041"},"l":[1,2,3],"m~n":0,"o/p":0}`
	for _, row := range []struct{ name, ops, want string }{
		{"nothing", `[]`, doc},
		{"add a member", `[{"op":"add","path":"/a/d","value":{"x":[1.10]}}]`, `{"a":{"b":1.00,"c":"\u0041","d":{"x":[1.10]}},"l":[1,2,3],"m~n":0,"o/p":0}`},
		{"add over a member", `[{"op":"add","path":"/a","value":1}]`, `{"a":1,"l":[1,2,3],"m~n":0,"o/p":0}`},
		{"add into a list", `[{"op":"add","path":"/l/1","value":9}]`, `{"a":{"b":1.00,"c":"\u0041"},"l":[1,9,2,3],"m~n":0,"o/p":0}`},
		{"add at the end", `[{"op":"add","path":"/l/-","value":9},{"op":"add","path":"/l/4","value":8}]`, `{"a":{"b":1.00,"c":"\u0041"},"l":[1,2,3,9,8],"m~n":0,"o/p":0}`},
		{"remove", `[{"op":"remove","path":"/a/b"},{"op":"remove","path":"/l/0"}]`, `{"a":{"c":"\u0041"},"l":[2,3],"m~n":0,"o/p":0}`},
		{"replace", `[{"op":"replace","path":"/a/b","value":null},{"op":"replace","path":"/l/2","value":[]}]`, `{"a":{"b":null,"c":"\u0041"},"l":[1,2,[]],"m~n":0,"o/p":0}`},
		{"escapes", `[{"op":"replace","path":"/m~0n","value":1},{"op":"replace","path":"/o~1p","value":2}]`, `{"a":{"b":1.00,"c":"\u0041"},"l":[1,2,3],"m~n":1,"o/p":2}`},
		{"move", `[{"op":"move","from":"/a/c","path":"/l/0"}]`, `{"a":{"b":1.00},"l":["\u0041",1,2,3],"m~n":0,"o/p":0}`},
		{"move onto itself", `[{"op":"move","from":"/a","path":"/a"}]`, `{"l":[1,2,3],"m~n":0,"o/p":0,"a":{"b":1.00,"c":"\u0041"}}`},
		{"copy is no alias", `[{"op":"copy","from":"/a","path":"/z"},{"op":"remove","path":"/z/b"},{"op":"copy","from":"/z","path":"/y"},{"op":"remove","path":"/y/c"}]`,
			`{"a":{"b":1.00,"c":"\u0041"},"l":[1,2,3],"m~n":0,"o/p":0,"z":{"c":"\u0041"},"y":{}}`},
		{"the patch itself is no alias", `[{"op":"add","path":"/l","value":[{"x":1}]},{"op":"copy","from":"/l/0","path":"/l/-"},{"op":"remove","path":"/l/0/x"},{"op":"remove","path":"/a"}]`, `{"l":[{},{"x":1}],"m~n":0,"o/p":0}`},
		{"the root", `[{"op":"replace","path":"","value":{"x":1}}]`, `{"x":1}`},
		{"tests that hold", `[{"op":"test","path":"/a","value":{"c":"A","b":1}},{"op":"test","path":"/l","value":[10e-1,2.0,0.3e1]},{"op":"test","path":"/m~0n","value":-0.0e5}]`, doc},
		{"a test of order", `[{"op":"test","path":"/l","value":[2,1,3]}]`, "processing"},
		{"a test of less", `[{"op":"test","path":"/a","value":{"b":1}}]`, "processing"},
		{"a test of another number", `[{"op":"test","path":"/a/b","value":10}]`, "processing"},
		{"a test of another sign", `[{"op":"test","path":"/a/b","value":-1}]`, "processing"},
		{"a test of nothing", `[{"op":"test","path":"/secret","value":null}]`, "processing"},
		{"a number beyond measure", `[{"op":"test","path":"/a/b","value":1e99999999999999999999}]`, "processing"},
		{"an index with a zero", `[{"op":"replace","path":"/l/01","value":1}]`, "processing"},
		{"an index past the end", `[{"op":"add","path":"/l/4","value":1}]`, "processing"},
		{"remove at -", `[{"op":"remove","path":"/l/-"}]`, "processing"},
		{"below a number", `[{"op":"add","path":"/a/b/c","value":1}]`, "processing"},
		{"below nothing", `[{"op":"add","path":"/x/secret","value":1}]`, "processing"},
		{"replace nothing", `[{"op":"replace","path":"/secret","value":1}]`, "processing"},
		{"remove nothing", `[{"op":"remove","path":"/secret"}]`, "processing"},
		{"remove everything", `[{"op":"remove","path":""}]`, "processing"},
		{"not a resource", `[{"op":"replace","path":"","value":[1]}]`, "processing"},
		{"copy nothing", `[{"op":"copy","from":"/secret","path":"/x"}]`, "processing"},
		{"into itself", `[{"op":"move","from":"/a","path":"/a/b"}]`, "structure"},
		{"another op", `[{"op":"secret","path":"/a"}]`, "structure"},
		{"no path", `[{"op":"remove"}]`, "structure"},
		{"a bad path", `[{"op":"remove","path":"a"}]`, "structure"},
		{"a bad escape", `[{"op":"remove","path":"/a~2"}]`, "structure"},
		{"no value", `[{"op":"add","path":"/a"}]`, "structure"},
		{"no from", `[{"op":"move","path":"/a"}]`, "structure"},
		{"not an object", `[1]`, "structure"},
		{"not a list", `{"op":"remove","path":"/a"}`, "structure"},
		{"more than a list", `[],"x":[]`, "structure"},
		{"not JSON", `[`, "structure"},
		{"empty", ``, "structure"},
	} {
		t.Run(row.name, func(t *testing.T) { require.Equal(t, row.want, apply(t, doc, row.ops)) })
	}
}

func TestAJSONPatchIsBounded(t *testing.T) {
	many := strings.Repeat(`{"op":"test","path":"","value":1},`, patch.MaxOperations+1)
	require.Equal(t, "too-complex", apply(t, `{"a":1}`, "["+strings.TrimSuffix(many, ",")+"]"))
	var double []string
	for i := range 40 {
		double = append(double, fmt.Sprintf(`{"op":"copy","from":"","path":"/x%d"}`, i))
	}
	require.Equal(t, "processing", apply(t, `{"a":"0123456789"}`, "["+strings.Join(double, ",")+"]"))
	require.Equal(t, "processing", apply(t, `{"a":1}`, `[{"op":"test","value":1,"path":"`+strings.Repeat("/a", fhir.MaxDepth)+`"}]`))
	require.Equal(t, "structure", apply(t, `{"a":1}`, `[{"op":"test","value":1,"path":"`+strings.Repeat("/a", fhir.MaxDepth+1)+`"}]`))
	deep := strings.Repeat(`{"op":"copy","from":"","path":"/x"},`, 70)
	require.Equal(t, "too-complex", apply(t, `{"a":1}`, `[{"op":"add","path":"/y","value":`+strings.Repeat("[", 60)+strings.Repeat("]", 60)+`},`+deep[:len(deep)-1]+`]`))
}

func TestMergePatchDoesWhatTheStandardSays(t *testing.T) {
	for _, row := range []struct{ doc, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{"a":[1]}`, `{"a":{"b":{"c":null,"d":1}}}`, `{"a":{"b":{"d":1}}}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"a":1.00,"b":{"x":"\u0041","y":2}}`, `{"b":{"y":3}}`, `{"a":1.00,"b":{"x":"\u0041","y":3}}`},
		{`{"a":[null,1]}`, `{"b":[null,2]}`, `{"a":[null,1],"b":[null,2]}`},
	} {
		p := parse(t, row.patch)
		r, err := patch.Merge(parse(t, row.doc), p)
		require.NoError(t, err)
		require.Equal(t, row.want, string(r.JSON()))
		require.Equal(t, row.patch, string(p.JSON()), "the patch stays as it was")
	}
}

// mayBeAppliedAgain demands that a patch does the same every time, and leaves what
// it is applied to as it is.
func mayBeAppliedAgain(t *testing.T, p interface {
	Apply(*fhir.Resource) (*fhir.Resource, error)
}, r *fhir.Resource) {
	before := string(r.JSON())
	first, err1 := p.Apply(r)
	second, err2 := p.Apply(r)
	require.Equal(t, err1 == nil, err2 == nil)
	if err1 == nil {
		require.Equal(t, string(first.JSON()), string(second.JSON()), "it may be applied again")
	}
	require.Equal(t, before, string(r.JSON()))
}

func FuzzJSONPatch(f *testing.F) {
	f.Add(`{"a":{"b":1}}`, `[{"op":"test","path":"/a/b","value":1.0},{"op":"move","from":"/a/b","path":"/c"},{"op":"copy","from":"/a","path":"/d"}]`)
	f.Add(`{"l":[1,2]}`, `[{"op":"add","path":"/l/-","value":{}},{"op":"remove","path":"/l/0"},{"op":"replace","path":"","value":{"x":1}}]`)
	f.Fuzz(func(t *testing.T, doc, text string) {
		r, err := fhir.Parse([]byte(doc))
		if err != nil {
			return
		}
		p, err := patch.ParseJSON([]byte(text))
		if err != nil {
			return
		}
		mayBeAppliedAgain(t, p, r)
	})
}

func FuzzMergePatch(f *testing.F) {
	f.Add(`{"a":{"b":1},"c":[1]}`, `{"a":{"b":null},"c":{"d":{"e":null}}}`)
	f.Fuzz(func(t *testing.T, doc, text string) {
		r, err := fhir.Parse([]byte(doc))
		if err != nil {
			return
		}
		p, err := fhir.Parse([]byte(text))
		if err != nil {
			return
		}
		once, err := patch.Merge(r, p)
		if err != nil {
			return
		}
		twice, err := patch.Merge(once, p)
		require.NoError(t, err)
		require.Equal(t, string(once.JSON()), string(twice.JSON()), "merging again changes nothing")
	})
}
