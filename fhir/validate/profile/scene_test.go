package profile_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate/profile"
)

const (
	base  = "http://hl7.org/fhir/StructureDefinition/"
	ours  = "https://clinic.example/StructureDefinition/"
	sets  = "https://clinic.example/ValueSet/"
	codes = "https://clinic.example/CodeSystem/"
)

// folder is files by their names.
type folder map[string]string

func (f folder) fs() fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range f {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// definition writes a StructureDefinition upon the type of R4.
func definition(name, typ, elements string) string {
	return derived(name, typ, base+typ, elements)
}

// derived writes one upon another profile.
func derived(name, typ, from, elements string) string {
	kind := "resource"
	if typ == "Extension" || typ == "Identifier" {
		kind = "complex-type"
	}
	return `{"resourceType":"StructureDefinition","url":"` + ours + name + `","version":"1.0.0","name":"` + name + `","status":"active","fhirVersion":"4.0.1",` +
		`"kind":"` + kind + `","abstract":false,"type":"` + typ + `","baseDefinition":"` + from + `","derivation":"constraint","differential":{"element":[` + elements + `]}}`
}

// element writes an ElementDefinition; the path is the id without slice names.
func element(id string, rules ...string) string {
	var path []string
	for _, segment := range strings.Split(id, ".") {
		name, _, _ := strings.Cut(segment, ":")
		path = append(path, name)
	}
	text := `{"id":"` + id + `","path":"` + strings.Join(path, ".") + `"`
	if i := strings.LastIndex(id, ":"); i > strings.LastIndex(id, ".") {
		text += `,"sliceName":"` + id[i+1:] + `"`
	}
	for _, rule := range rules {
		text += "," + rule
	}
	return text + "}"
}

func elements(list ...string) string { return strings.Join(list, ",") }

// slicing writes the rule; discriminators are "type path".
func slicing(rules string, discriminators ...string) string {
	var list []string
	for _, d := range discriminators {
		kind, path, _ := strings.Cut(d, " ")
		list = append(list, `{"type":"`+kind+`","path":"`+path+`"}`)
	}
	return `"slicing":{"discriminator":[` + strings.Join(list, ",") + `],` + rules + `}`
}

const (
	open   = `"rules":"open"`
	closed = `"rules":"closed"`
)

func load(t testing.TB, f folder) *profile.Set {
	t.Helper()
	s, err := profile.Load(f.fs())
	require.NoError(t, err)
	return s
}

func parse(t testing.TB, text string) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(t, err)
	return r
}

// found returns the issues of a resource held against a profile, as "severity
// code expression element".
func found(t testing.TB, s *profile.Set, name, resource string) []string {
	t.Helper()
	p := s.Find(ours + name)
	require.NotNil(t, p)
	var list []string
	for _, i := range s.Validate(parse(t, resource), p).Issues {
		require.NotEmpty(t, i.Text)
		list = append(list, strings.TrimSpace(string(i.Severity)+" "+i.Code+" "+i.Expression+" "+i.Element))
	}
	return list
}
