package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

type builder struct {
	d        *definitions
	tables   *def.Tables
	index    map[string]uint16 // type name → index
	targets  map[string]uint16
	codeSets map[string]uint16
}

// build turns the definitions into tables.
func build(d *definitions) (*def.Tables, error) {
	b := &builder{
		d:        d,
		tables:   &def.Tables{Version: "4.0.1", Targets: [][]string{nil}, CodeSets: []def.CodeSet{{}}},
		index:    map[string]uint16{},
		targets:  map[string]uint16{"": 0},
		codeSets: map[string]uint16{},
	}
	b.tables.Constraints = d.constraints
	children := b.nameTypes()
	for i := range b.tables.Types {
		t := &b.tables.Types[i]
		for order, e := range children[t.Name] {
			if t.Kind.Primitive() && last(e.Path) == "value" || t.Kind == def.XHTML {
				continue
			}
			expanded, err := b.element(t, e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Path, err)
			}
			for i := range expanded {
				expanded[i].Order = uint8(order)
			}
			t.Elements = append(t.Elements, expanded...)
		}
	}
	return b.tables, nil
}

// nameTypes lists all types by name, backbone elements with them, and returns
// the elements of each.
func (b *builder) nameTypes() map[string][]*element {
	kinds := map[string]def.Kind{}
	children := map[string][]*element{}
	for _, s := range b.d.types {
		kinds[s.Name] = kindOf(s)
		for _, e := range s.Snapshot.Element[1:] {
			if isBackbone(e) {
				kinds[e.Path] = def.Backbone
			}
			children[parent(e.Path)] = append(children[parent(e.Path)], e)
		}
	}
	for i, name := range slices.Sorted(maps.Keys(kinds)) {
		b.index[name] = uint16(i)
		b.tables.Types = append(b.tables.Types, def.Type{Name: name, Kind: kinds[name]})
	}
	return children
}

func kindOf(s *structure) def.Kind {
	switch {
	case s.Kind == "resource" && s.Abstract:
		return def.AbstractResource
	case s.Kind == "resource":
		return def.Resource
	case s.Kind == "complex-type":
		return def.Complex
	}
	switch s.Name {
	case "xhtml":
		return def.XHTML
	case "boolean":
		return def.BooleanPrimitive
	case "decimal", "integer", "positiveInt", "unsignedInt":
		return def.NumberPrimitive
	}
	return def.StringPrimitive
}

// element returns the table rows of an element: one, or one for each type of a
// choice.
func (b *builder) element(owner *def.Type, e *element) ([]def.Element, error) {
	if e.Max != "1" && e.Max != "*" {
		return nil, fmt.Errorf("max is %s", e.Max)
	}
	row := def.Element{
		Name: last(e.Path),
		Min:  e.Min,
		Many: e.Max == "*",
		// R4 says xmlAttr of a resource's id too when it means an element's.
		Attr: slices.Contains(e.Representation, "xmlAttr") && !isResource(owner.Kind),
	}
	types := e.Type
	switch {
	case e.ContentReference != "":
		types = []typeRef{{Code: strings.TrimPrefix(e.ContentReference, "#")}}
	case isBackbone(e):
		types = []typeRef{{Code: e.Path}}
	}
	stem, isChoice := strings.CutSuffix(row.Name, "[x]")
	if !isChoice && len(types) != 1 {
		return nil, fmt.Errorf("%d types", len(types))
	}
	rows := []def.Element{}
	for _, ref := range types {
		row := row
		code := ref.code()
		if row.Name == "id" && isResource(owner.Kind) {
			code = "id"
		}
		at, ok := b.index[code]
		if !ok {
			return nil, fmt.Errorf("unknown type %s", code)
		}
		row.Type, row.Targets = at, b.targetSet(ref)
		if isChoice {
			row.Choice = row.Name
			row.Name = stem + strings.ToUpper(code[:1]) + code[1:]
		}
		if bindable[code] {
			row.Codes = b.codeSet(e)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func isResource(k def.Kind) bool { return k == def.Resource || k == def.AbstractResource }

// bindable are the types that a binding with a list of codes applies to.
var bindable = map[string]bool{
	"code": true, "string": true, "uri": true, "Coding": true, "CodeableConcept": true, "Quantity": true,
}

// code is the FHIR type: R4 names the type of ids, urls and values by a
// FHIRPath type and puts the FHIR one into an extension.
func (t typeRef) code() string {
	for _, x := range t.Extension {
		if strings.HasSuffix(x.URL, "/structuredefinition-fhir-type") {
			return x.ValueURL
		}
	}
	return t.Code
}

func (b *builder) targetSet(ref typeRef) uint16 {
	names := []string{}
	for _, url := range ref.TargetProfile {
		name := url[strings.LastIndexByte(url, '/')+1:]
		if name == "Resource" {
			return 0
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	key := strings.Join(names, " ")
	at, ok := b.targets[key]
	if !ok {
		at = uint16(len(b.tables.Targets))
		b.targets[key] = at
		b.tables.Targets = append(b.tables.Targets, names)
	}
	return at
}
