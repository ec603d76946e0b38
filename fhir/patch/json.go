package patch

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Bounds of a JSON Patch.
const (
	MaxOperations = 1000
	maxCopied     = 8 << 20 // bytes that all copy operations together make
)

// JSONPatch is a JSON Patch (RFC 6902) that has been read.
type JSONPatch struct{ ops []operation }

type operation struct {
	name       string
	path, from []string
	value      fhir.Value
	at         string // its place in the patch, for errors
}

// ParseJSON reads a JSON Patch. The error is an Outcome: KindStructure for what
// isn't a list of operations, KindTooComplex over MaxOperations.
func ParseJSON(text []byte) (*JSONPatch, error) {
	wrapped := slices.Concat([]byte(`{"patch":`), text, []byte(`}`))
	doc, err := fhir.Parse(wrapped)
	if err != nil && fhir.AsOutcome(err).Kind != fhir.KindStructure {
		return nil, err
	}
	if err != nil || doc.Root().Len() != 1 || doc.Get("patch").Kind() != fhir.ArrayKind {
		return nil, fhir.NewOutcome(fhir.KindStructure, "", "the body must be a JSON Patch: an array of operations, in valid JSON")
	}
	list := doc.Root().Get("patch")
	if list.Len() > MaxOperations {
		return nil, fhir.NewOutcome(fhir.KindTooComplex, "", "the patch has more than "+strconv.Itoa(MaxOperations)+" operations")
	}
	p := &JSONPatch{}
	for v := range list.Items() {
		op := operation{at: "operation " + strconv.Itoa(len(p.ops)+1) + ": "}
		if why := op.read(v); why != "" {
			return nil, fhir.NewOutcome(fhir.KindStructure, "", op.at+why)
		}
		p.ops = append(p.ops, op)
	}
	return p, nil
}

// read returns what is wrong with an operation, "" where nothing is.
func (op *operation) read(v fhir.Value) string {
	op.name = v.Get("op").Text()
	var ok bool
	if op.path, ok = pointer(v.Get("path")); !ok {
		return "path must be a JSON Pointer that a resource is deep enough for"
	}
	switch op.name {
	case "add", "replace", "test":
		if op.value = v.Get("value"); !op.value.Exists() {
			return "value is missing"
		}
	case "move", "copy":
		if op.from, ok = pointer(v.Get("from")); !ok {
			return "from must be a JSON Pointer that a resource is deep enough for"
		}
		if op.name == "move" && len(op.from) < len(op.path) && slices.Equal(op.from, op.path[:len(op.from)]) {
			return "a value can't be moved into itself"
		}
	case "remove":
	default:
		return "op must be add, remove, replace, move, copy or test"
	}
	return ""
}

// pointer reads a JSON Pointer (RFC 6901). One with more steps than a resource
// can be deep leads nowhere and isn't taken apart.
func pointer(v fhir.Value) (steps []string, ok bool) {
	text := v.Text()
	if v.Kind() != fhir.StringKind || text != "" && text[0] != '/' {
		return nil, false
	}
	if text == "" {
		return nil, true
	}
	if strings.Count(text, "/") > fhir.MaxDepth {
		return nil, false
	}
	for step := range strings.SplitSeq(text[1:], "/") {
		for _, escape := range strings.Split(step, "~")[1:] {
			if escape == "" || escape[0] != '0' && escape[0] != '1' {
				return nil, false
			}
		}
		steps = append(steps, strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~"))
	}
	return steps, true
}

// Apply applies the operations in their order. An operation that can't be
// applied, and a test that fails, is a KindProcessing Outcome.
func (p *JSONPatch) Apply(r *fhir.Resource) (*fhir.Resource, error) {
	e := &editor{root: leaf(r.Root())}
	for _, op := range p.ops {
		if why := e.apply(op); why != "" {
			return nil, failed(op.at + why)
		}
	}
	return e.root.resource()
}

// editor is a document that operations are applied to.
type editor struct {
	root   *node
	copied int
}

const noTarget = "there is nothing at its path"

func (e *editor) apply(op operation) string {
	switch op.name {
	case "add":
		return e.add(op.path, leaf(op.value))
	case "remove":
		_, why := e.remove(op.path)
		return why
	case "replace":
		return e.replace(op.path, leaf(op.value))
	case "test":
		n := e.find(op.path)
		if n == nil || !same(n, op.value) {
			return "the test fails"
		}
		return ""
	case "move":
		n, why := e.remove(op.from)
		if why != "" {
			return why
		}
		return e.add(op.path, n)
	}
	n := e.find(op.from)
	if n == nil {
		return "there is nothing to copy"
	}
	// A document could double with each copy.
	if e.copied += len(n.text(nil)); e.copied > maxCopied {
		return "the patch copies more than " + strconv.Itoa(maxCopied) + " bytes"
	}
	return e.add(op.path, n.clone())
}

// find returns the value at a path, nil where there is none.
func (e *editor) find(path []string) *node {
	n := e.root
	for _, step := range path {
		i := n.child(step)
		if i < 0 {
			return nil
		}
		n = n.items[i]
	}
	return n
}

// child finds a member or element by a pointer's step; -1 where there is none.
func (n *node) child(step string) int {
	if n.isArray() {
		n.expand()
		if i, ok := index(step); ok && i < len(n.items) {
			return i
		}
		return -1
	}
	return n.member(step)
}

// index reads an array index (RFC 6901, 4).
func index(step string) (int, bool) {
	if step == "" || len(step) > 7 || step[0] == '0' && step != "0" || strings.Trim(step, "0123456789") != "" {
		return 0, false
	}
	i, err := strconv.Atoi(step)
	return i, err == nil
}

func (e *editor) add(path []string, v *node) string {
	if len(path) == 0 {
		e.root = v
		return ""
	}
	parent, last := e.find(path[:len(path)-1]), path[len(path)-1]
	switch {
	case parent == nil:
		return noTarget
	case parent.isObject():
		parent.set(last, v)
		return ""
	case !parent.isArray():
		return noTarget
	}
	parent.expand()
	at, ok := index(last)
	if last == "-" {
		at, ok = len(parent.items), true
	}
	if !ok || at > len(parent.items) {
		return noTarget
	}
	parent.items = slices.Insert(parent.items, at, v)
	return ""
}

func (e *editor) remove(path []string) (*node, string) {
	if len(path) == 0 {
		return nil, "the whole resource can't be removed"
	}
	parent := e.find(path[:len(path)-1])
	if parent == nil {
		return nil, noTarget
	}
	i := parent.child(path[len(path)-1])
	if i < 0 {
		return nil, noTarget
	}
	n := parent.items[i]
	parent.remove(i)
	return n, ""
}

func (e *editor) replace(path []string, v *node) string {
	if len(path) == 0 {
		e.root = v
		return ""
	}
	parent := e.find(path[:len(path)-1])
	if parent == nil {
		return noTarget
	}
	i := parent.child(path[len(path)-1])
	if i < 0 {
		return noTarget
	}
	parent.items[i] = v
	return ""
}
