package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

// definitions is what the package says, by name, path and URL.
type definitions struct {
	types        []*structure
	dataElements map[string]*element
	dataOrder    []string // paths of the data elements in published order
	valueSets    map[string]*valueSet
	codeSystems  map[string]*codeSystem
	constraints  []def.Constraint
}

type structure struct {
	ResourceType, Name, Kind, Derivation string
	Abstract                             bool
	Snapshot                             struct{ Element []*element }
}

type element struct {
	Path             string
	Min              uint8
	Max              string
	Base             struct{ Path string }
	Type             []typeRef
	ContentReference string
	Representation   []string
	Constraint       []struct{ Key, Severity string }
	Binding          *struct{ Strength, ValueSet string }
}

type typeRef struct {
	Code          string
	TargetProfile []string
	Extension     []struct{ URL, ValueURL string }
}

type valueSet struct {
	Compose struct{ Include, Exclude []include }
}

type include struct {
	System   string
	Concept  []concept
	Filter   []json.RawMessage
	ValueSet []string
}

type codeSystem struct {
	Content string
	Concept []concept
}

type concept struct {
	Code     string
	Concept  []concept
	Property []struct {
		Code         string
		ValueBoolean bool
	}
}

// entries calls visit for each resource of a Bundle.
func entries(file []byte, visit func(resource json.RawMessage) error) error {
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(file, &bundle); err != nil {
		return err
	}
	for _, entry := range bundle.Entry {
		if err := visit(entry.Resource); err != nil {
			return err
		}
	}
	return nil
}

func load(files map[string][]byte) (*definitions, error) {
	d := &definitions{
		dataElements: map[string]*element{},
		valueSets:    map[string]*valueSet{},
		codeSystems:  map[string]*codeSystem{},
	}
	for _, name := range []string{"profiles-types.json", "profiles-resources.json"} {
		if err := entries(files[name], d.addType); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := entries(files["dataelements.json"], d.addDataElement); err != nil {
		return nil, fmt.Errorf("dataelements.json: %w", err)
	}
	for _, name := range []string{"valuesets.json", "v3-codesystems.json"} {
		if err := entries(files[name], d.addTerminology); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return d, nil
}

func (d *definitions) addType(resource json.RawMessage) error {
	s := &structure{}
	if err := json.Unmarshal(resource, s); err != nil {
		// Only StructureDefinitions need to fit.
		if strings.Contains(string(resource[:min(len(resource), 200)]), `"StructureDefinition"`) {
			return err
		}
		return nil
	}
	isType := s.Kind == "resource" || s.Kind == "complex-type" || s.Kind == "primitive-type"
	if s.ResourceType == "StructureDefinition" && isType && s.Derivation != "constraint" {
		d.types = append(d.types, s)
	}
	return nil
}

func (d *definitions) addDataElement(resource json.RawMessage) error {
	s := &structure{}
	if err := json.Unmarshal(resource, s); err != nil {
		return err
	}
	for _, e := range s.Snapshot.Element {
		if d.dataElements[e.Path] == nil {
			d.dataElements[e.Path] = e
			d.dataOrder = append(d.dataOrder, e.Path)
		}
	}
	return nil
}

func (d *definitions) addTerminology(resource json.RawMessage) error {
	var head struct{ ResourceType, URL string }
	if err := json.Unmarshal(resource, &head); err != nil {
		return err
	}
	switch head.ResourceType {
	case "ValueSet":
		v := &valueSet{}
		d.valueSets[head.URL] = v
		return json.Unmarshal(resource, v)
	case "CodeSystem":
		c := &codeSystem{}
		d.codeSystems[head.URL] = c
		return json.Unmarshal(resource, c)
	}
	return nil
}
