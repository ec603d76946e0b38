package patch

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// FHIRPathPatch is a FHIRPath Patch (R4 fhirpatch.html) that has been read.
type FHIRPathPatch struct {
	tables *def.Tables
	ops    []pathOperation
}

type pathOperation struct {
	kind          string // add, insert, delete, replace or move
	path          fhirPath
	name          string     // of add: the element to add
	value         fhir.Value // the parameter that holds it
	index, target int        // of insert and of move, which go from index to target
	number        int        // its place in the patch, from 1
	at            string     // the same as an expression
}

// parts are what each kind of operation has beside its type, all of it required.
var parts = map[string][]string{
	"add":     {"path", "name", "value"},
	"insert":  {"path", "index", "value"},
	"delete":  {"path"},
	"replace": {"path", "value"},
	"move":    {"path", "source", "destination"},
}

// ParseFHIRPath reads a FHIRPath Patch, a Parameters resource. The paths are
// simple ones, see parsePath. The error is an Outcome that names the operation:
// KindInvalid for what isn't a patch, KindNotSupported for a path that isn't a
// simple one, KindTooComplex over MaxOperations.
func ParseFHIRPath(doc *fhir.Resource, tables *def.Tables) (*FHIRPathPatch, error) {
	if doc.Type() != "Parameters" {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "resourceType", "a FHIRPath Patch is a Parameters resource")
	}
	if !only(doc.Root(), "resourceType", "id", "meta", "parameter") {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "Parameters", "a FHIRPath Patch holds parameters and nothing else")
	}
	list := doc.Get("parameter")
	if list.Exists() && list.Kind() != fhir.ArrayKind {
		return nil, fhir.NewOutcome(fhir.KindStructure, "Parameters.parameter", "parameter must be an array")
	}
	if list.Len() > MaxOperations {
		return nil, fhir.NewOutcome(fhir.KindTooComplex, "", "the patch has more than "+strconv.Itoa(MaxOperations)+" operations")
	}
	p := &FHIRPathPatch{tables: tables}
	for v := range list.Items() {
		op := pathOperation{number: len(p.ops) + 1, at: "Parameters.parameter[" + strconv.Itoa(len(p.ops)) + "]"}
		if kind, why := op.read(v); why != "" {
			return nil, op.fault(kind, why)
		}
		p.ops = append(p.ops, op)
	}
	return p, nil
}

// only says whether an object has none but the named members.
func only(v fhir.Value, names ...string) bool {
	for name := range v.Members() {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return v.Kind() == fhir.ObjectKind
}

func (op *pathOperation) fault(kind fhir.Kind, why string) *fhir.Outcome {
	return fhir.NewOutcome(kind, op.at, "operation "+strconv.Itoa(op.number)+": "+why)
}

// read returns what is wrong with an operation, "" where nothing is.
func (op *pathOperation) read(v fhir.Value) (fhir.Kind, string) {
	if v.Get("name").Text() != "operation" || !only(v, "name", "part") {
		return fhir.KindInvalid, "a parameter must have the name operation, parts and nothing else"
	}
	given := map[string]fhir.Value{}
	for part := range v.Get("part").Items() {
		name := part.Get("name").Text()
		if given[name].Exists() {
			return fhir.KindInvalid, "a part is given more than once"
		}
		given[name] = part
	}
	kind, ok := text(given["type"], "valueCode")
	wants, known := parts[kind]
	if !ok || !known {
		return fhir.KindInvalid, "type must be a valueCode: add, insert, delete, replace or move"
	}
	op.kind = kind
	for _, name := range wants {
		if !given[name].Exists() {
			return fhir.KindInvalid, "the part " + name + " is missing"
		}
	}
	if len(given) != len(wants)+1 {
		return fhir.KindInvalid, "besides type, " + kind + " takes the parts " + strings.Join(wants, ", ") + " only"
	}
	path, ok := text(given["path"], "valueString")
	if !ok {
		return fhir.KindInvalid, "path must be a valueString"
	}
	var why string
	if op.path, why = parsePath(path); why != "" {
		return fhir.KindNotSupported, why
	}
	op.value = given["value"]
	if op.name, ok = text(given["name"], "valueString"); kind == "add" && !ok {
		return fhir.KindInvalid, "name must be a valueString"
	}
	op.index = max(number(given["index"]), number(given["source"]))
	op.target = number(given["destination"])
	if (kind == "insert" || kind == "move") && op.index < 0 || kind == "move" && op.target < 0 {
		return fhir.KindInvalid, "index, source and destination must each be a valueInteger from 0"
	}
	return 0, ""
}

// text reads a part that holds a text under the one given name.
func text(part fhir.Value, member string) (string, bool) {
	v := part.Get(member)
	return v.Text(), v.Kind() == fhir.StringKind && only(part, "name", member)
}

// number reads a part that holds an index; -1 where it doesn't.
func number(part fhir.Value) int {
	n, ok := part.Get("valueInteger").Int()
	if !ok || n < 0 || n > 1<<30 || !only(part, "name", "valueInteger") {
		return -1
	}
	return int(n)
}

// Apply applies the operations in their order. An operation that can't be
// applied is a KindProcessing Outcome that names it, one that costs too much
// KindTooComplex; nothing is changed then. What the operations leave without
// content goes, since FHIR has no empty elements.
func (p *FHIRPathPatch) Apply(r *fhir.Resource) (*fhir.Resource, error) {
	e := &pathEditor{tables: p.tables, root: leaf(r.Root())}
	if e.typ = p.tables.Resource(r.Type()); e.typ == nil {
		return nil, failed("R4 has no resource of this type")
	}
	for i := range p.ops {
		op := &p.ops[i]
		why := e.apply(op)
		if e.visited > maxVisited {
			return nil, op.fault(fhir.KindTooComplex, "the patch looks at too many elements")
		}
		if why != "" {
			return nil, op.fault(fhir.KindProcessing, why)
		}
	}
	prune(e.root)
	return e.root.resource()
}
