package testscript

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Script is a TestScript that was read and understood to its last member.
type Script struct {
	ID, Name, Title string
	Tests           []Test

	fixtures  []fixture
	variables []variable
	setup     []action
	teardown  []action
}

// Test is one TestScript.test. Description is the requirement that it proves.
type Test struct {
	Name, Description string

	actions []action
}

// fixture is a resource that operations send. Its text may hold ${variable}.
type fixture struct {
	id                     string
	text                   []byte
	contained              bool
	autocreate, autodelete bool
}

type variable struct {
	name, defaultValue, headerField, sourceID string
	expression                                path
}

// action is an operation or an assert; the other one is nil.
type action struct {
	path      string
	operation *operation
	assert    *assertion
}

type operation struct {
	code, method, resource, label  string
	url, params                    string
	accept, contentType            string
	sourceID, targetID, responseID string
	headers                        [][2]string
	encode                         bool
}

type assertion struct {
	label, description                    string
	operator, value                       string
	response, responseCode                string
	headerField, contentType, resource    string
	sourceID, compareID, minimumID        string
	expression, compareExpression         path
	hasExpression, hasCompare, navigation bool
	warningOnly                           bool
}

// maxScript bounds a script and a fixture in bytes.
const maxScript = 1 << 20

// Parse reads a TestScript. files holds what fixtures refer to by relative
// path. The error names the path of what is wrong or not known.
func Parse(text []byte, files fs.FS) (*Script, error) {
	if len(text) > maxScript {
		return nil, fmt.Errorf("the script is larger than %d bytes", maxScript)
	}
	r, err := fhir.Parse(text)
	if err != nil {
		return nil, err
	}
	if r.Type() != "TestScript" {
		return nil, fmt.Errorf("the resource is not a TestScript")
	}
	p := &reader{files: files, contained: r.Get("contained"), ids: map[string]bool{}}
	root := r.Root()
	p.only(root, "resourceType", "id", "meta", "text", "contained", "url", "identifier", "version", "name", "title", "status",
		"experimental", "date", "publisher", "contact", "description", "useContext", "jurisdiction", "purpose", "copyright",
		"fixture", "variable", "setup", "test", "teardown")
	s := &Script{ID: r.ID(), Name: root.Get("name").Text(), Title: root.Get("title").Text()}
	for f := range root.Get("fixture").Items() {
		s.fixtures = append(s.fixtures, p.fixture(f))
	}
	for v := range root.Get("variable").Items() {
		s.variables = append(s.variables, p.variable(v))
	}
	p.only(root.Get("setup"), "action")
	s.setup = p.actions(root.Get("setup").Get("action"), true)
	for t := range root.Get("test").Items() {
		p.only(t, "name", "description", "action")
		test := Test{Name: t.Get("name").Text(), Description: t.Get("description").Text(), actions: p.actions(t.Get("action"), true)}
		if test.Name == "" || len(test.actions) == 0 {
			p.fail(t, "a test must have a name and an action")
		}
		s.Tests = append(s.Tests, test)
	}
	p.only(root.Get("teardown"), "action")
	s.teardown = p.actions(root.Get("teardown").Get("action"), false)
	p.references(s)
	return s, p.err
}

// reader keeps the first fault, so that reading needn't stop to check.
type reader struct {
	files     fs.FS
	contained fhir.Value
	ids       map[string]bool // fixtures and responses
	err       error
}

func (p *reader) fail(at fhir.Value, rule string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %s", at.Path(), rule)
	}
}

// only refuses members that aren't known.
func (p *reader) only(v fhir.Value, names ...string) {
	for name := range v.Members() {
		if !slices.Contains(names, name) && name != "id" && name != "extension" {
			p.fail(v, "the member "+name+" is not known to this runner")
		}
	}
}

func (p *reader) path(v fhir.Value) path {
	if !v.Exists() {
		return nil
	}
	found, err := parsePath(v.Text())
	if err != nil {
		p.fail(v, err.Error())
	}
	return found
}

func (p *reader) fixture(v fhir.Value) fixture {
	p.only(v, "autocreate", "autodelete", "resource")
	f := fixture{id: v.Get("id").Text(), autocreate: v.Get("autocreate").Bool(), autodelete: v.Get("autodelete").Bool()}
	reference := v.Dig("resource", "reference").Text()
	if f.id == "" || reference == "" {
		p.fail(v, "a fixture must have an id and a resource.reference")
		return f
	}
	p.ids[f.id] = true
	if id, local := strings.CutPrefix(reference, "#"); local {
		for c := range p.contained.Items() {
			if c.Get("id").Text() == id {
				f.text, f.contained = c.Raw(), true
				return f
			}
		}
		p.fail(v, "there is no contained resource of that id")
		return f
	}
	if p.files == nil || !fs.ValidPath(reference) {
		p.fail(v, "the reference must be \"#id\" or the relative path of a file")
		return f
	}
	text, err := fs.ReadFile(p.files, reference)
	if err != nil || len(text) > maxScript {
		p.fail(v, "the file can't be read or is too large")
	}
	f.text = text
	return f
}

func (p *reader) variable(v fhir.Value) variable {
	p.only(v, "name", "defaultValue", "description", "expression", "headerField", "hint", "path", "sourceId")
	expression := v.Get("expression")
	if !expression.Exists() {
		expression = v.Get("path")
	}
	out := variable{
		name: v.Get("name").Text(), defaultValue: v.Get("defaultValue").Text(), headerField: v.Get("headerField").Text(),
		sourceID: v.Get("sourceId").Text(), expression: p.path(expression),
	}
	if out.name == "" {
		p.fail(v, "a variable must have a name")
	}
	return out
}

// references checks that every id that an action names is a fixture's or a
// response's, for a misspelt one would make an assert look at nothing.
func (p *reader) references(s *Script) {
	all := slices.Concat(s.setup, s.teardown)
	for _, t := range s.Tests {
		all = append(all, t.actions...)
	}
	for _, a := range all {
		if a.operation != nil && a.operation.responseID != "" {
			p.ids[a.operation.responseID] = true
		}
	}
	check := func(where string, ids ...string) {
		for _, id := range ids {
			if id != "" && !p.ids[id] && p.err == nil {
				p.err = fmt.Errorf("%s: there is no fixture and no response %s", where, id)
			}
		}
	}
	for _, a := range all {
		if o := a.operation; o != nil {
			check(a.path, o.sourceID, o.targetID)
		}
		if t := a.assert; t != nil {
			check(a.path, t.sourceID, t.compareID, t.minimumID)
		}
	}
	for _, v := range s.variables {
		check("TestScript.variable "+v.name, v.sourceID)
	}
}
