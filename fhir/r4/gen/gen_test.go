package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/fhir/r4"
)

func parse[T any](t *testing.T, text string) T {
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}

func TestAnElementThatOnlyThePackageHasIsAnError(t *testing.T) {
	s := parse[*structure](t, `{"name":"Tree","kind":"resource","snapshot":{"element":[{"path":"Tree"},
		{"path":"Tree.id"},{"path":"Tree.height","base":{"path":"Tree.height"},"max":"1","type":[{"code":"decimal"}]}]}}`)
	d := &definitions{types: []*structure{s}, dataElements: map[string]*element{}}
	require.ErrorContains(t, reconcile(d), "Tree.height")
}

func TestElementsThatThePackageTookOutComeBackInTheirPlace(t *testing.T) {
	d := &definitions{dataElements: map[string]*element{}}
	for _, path := range []string{"Tree.a", "Tree.b", "Tree.c", "Bush.a"} {
		d.dataElements[path] = &element{Path: path}
		d.dataOrder = append(d.dataOrder, path)
	}
	paths := []string{}
	for _, e := range d.restore("Tree", []*element{{Path: "Tree.id"}, {Path: "Tree.a"}, {Path: "Tree.c"}}) {
		paths = append(paths, e.Path)
	}
	require.Equal(t, []string{"Tree.id", "Tree.a", "Tree.b", "Tree.c"}, paths)
}

func TestOnlyValueSetsThatThePackageListsInFullAreExpanded(t *testing.T) {
	systems := map[string]*codeSystem{
		"urn:whole": parse[*codeSystem](t, `{"content":"complete","concept":[{"code":"b","concept":[{"code":"a"}]},
			{"code":"group","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[{"code":"c"}]}]}`),
		"urn:part": parse[*codeSystem](t, `{"content":"fragment","concept":[{"code":"a"}]}`),
	}
	cases := []struct {
		name, set string
		want      []def.System
	}{
		{"a whole code system, without codes that only group", `{"compose":{"include":[{"system":"urn:whole"}]}}`, []def.System{{URL: "urn:whole", Codes: []string{"a", "b", "c"}}}},
		{"a list", `{"compose":{"include":[{"system":"urn:other","concept":[{"code":"z"},{"code":"y"}]}]}}`, []def.System{{URL: "urn:other", Codes: []string{"y", "z"}}}},
		{"part of a code system", `{"compose":{"include":[{"system":"urn:part"}]}}`, nil},
		{"an unknown code system", `{"compose":{"include":[{"system":"urn:whole"},{"system":"urn:unknown"}]}}`, nil},
		{"a filter", `{"compose":{"include":[{"system":"urn:whole","filter":[{"op":"is-a"}]}]}}`, nil},
		{"another value set", `{"compose":{"include":[{"valueSet":["urn:set"]}]}}`, nil},
		{"an exclusion", `{"compose":{"include":[{"system":"urn:whole"}],"exclude":[{"system":"urn:whole","concept":[{"code":"a"}]}]}}`, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := builder{d: &definitions{codeSystems: systems, valueSets: map[string]*valueSet{"urn:x": parse[*valueSet](t, c.set)}}}
			require.Equal(t, c.want, b.expand("urn:x"))
		})
	}
}

// TestTheTablesAreThoseOfTheOfficialDefinitions compares what is generated from
// the package with what the same program makes of the definitions that the
// official examples carry.
func TestTheTablesAreThoseOfTheOfficialDefinitions(t *testing.T) {
	folder := fhirtest.Examples(t)
	files := map[string][]byte{"v3-codesystems.json": []byte(`{}`)} // not among the examples
	for name, official := range map[string]string{
		"profiles-types.json": "types", "profiles-resources.json": "resources",
		"dataelements.json": "dataelements", "valuesets.json": "valuesets",
	} {
		text, err := os.ReadFile(filepath.Join(folder, "Bundle-"+official+".json"))
		require.NoError(t, err)
		files[name] = text
	}
	d, err := load(files)
	require.NoError(t, err)
	d.listConstraints()
	official, err := build(d)
	require.NoError(t, err)
	require.Equal(t, official.Constraints, r4.Tables.Constraints)
	require.Len(t, r4.Tables.Types, len(official.Types))
	for i := range official.Types {
		want, got := &official.Types[i], &r4.Tables.Types[i]
		require.Equal(t, want.Name, got.Name)
		require.Equal(t, want.Kind, got.Kind)
		require.Len(t, got.Elements, len(want.Elements), want.Name)
		for j := range want.Elements {
			w, g := want.Elements[j], got.Elements[j]
			require.Equal(t, official.TargetsOf(&w), r4.Tables.TargetsOf(&g), want.Name+"."+w.Name)
			if codes := official.CodesOf(&w); codes != nil {
				require.Equal(t, codes, r4.Tables.CodesOf(&g), want.Name+"."+w.Name)
			}
			w.Codes, w.Targets = g.Codes, g.Targets
			require.Equal(t, w, g, want.Name)
		}
	}
}

// TestTheCompartmentsAreThoseOfTheOfficialDefinitions holds what the package has,
// what it had to be corrected in and what was written out against R4 itself.
func TestTheCompartmentsAreThoseOfTheOfficialDefinitions(t *testing.T) {
	folder := fhirtest.Examples(t)
	var official []def.Compartment
	for _, name := range []string{"device", "encounter", "patient", "practitioner", "relatedPerson"} {
		text, err := os.ReadFile(filepath.Join(folder, "CompartmentDefinition-"+name+".json"))
		require.NoError(t, err)
		c, err := readCompartment(text)
		require.NoError(t, err)
		for i := range c.Members {
			slices.Sort(c.Members[i].Params)
			if len(c.Members[i].Params) == 0 {
				c.Members[i].Params = nil
			}
		}
		official = append(official, c)
	}
	require.Equal(t, official, r4.Tables.Compartments)
}

func TestThePackagesPatientCompartmentIsCorrected(t *testing.T) {
	text := `{"resourceType":"CompartmentDefinition","code":"Patient","resource":[{"code":"Slot"},
		{"code":"Encounter","param":["subject"]},{"code":"Task","param":["patient","focus"]},{"code":"Flag","param":["patient"]}]}`
	all, err := compartments([]byte(text))
	require.NoError(t, err)
	require.Len(t, all, 5)
	require.Equal(t, def.Compartment{Type: "Patient", Members: []def.Member{
		{Type: "Encounter", Params: []string{"patient"}}, {Type: "Flag", Params: []string{"patient"}}}}, all[2])
	_, err = compartments([]byte(`{"resourceType":"Patient"}`))
	require.ErrorContains(t, err, patientFile)
}
