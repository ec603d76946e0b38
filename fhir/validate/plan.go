package validate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

// plan is a type of the tables, made ready for checking.
type plan struct {
	name   string
	kind   def.Kind
	format format // of a primitive
	rows   []row
	// slots finds a row by the hash of its name: the row's number from 1, or 0
	// for none. Its length is a power of two.
	slots    []uint16
	required bits // the orders of elements that must be there
	rules    []*rule
	is       trait
}

// trait marks the types that need more than the tables say.
type trait uint8

const (
	ordinary trait = iota
	isExtension
	isReference
	isMeta
)

// row is an element, with what it names looked up.
type row struct {
	*def.Element
	plan    *plan
	codes   *def.CodeSet
	targets []string
}

// bits is a set of element orders.
type bits [2]uint64

func (b *bits) has(order uint8) bool { return b[order>>6]&(1<<(order&63)) != 0 }
func (b *bits) add(order uint8)      { b[order>>6] |= 1 << (order & 63) }

func newPlans(t *def.Tables) *Validator {
	val := &Validator{plans: make([]plan, len(t.Types)), resources: map[string]*plan{}}
	rulesOf := map[string][]*rule{}
	for i := range rules {
		// Another version of FHIR may not have the rule.
		if r := &rules[i]; slices.Contains(t.Constraints, def.Constraint{Path: r.path, Key: r.key}) {
			rulesOf[r.on] = append(rulesOf[r.on], r)
		}
	}
	for i := range t.Types {
		typ, p := &t.Types[i], &val.plans[i]
		*p = plan{name: typ.Name, kind: typ.Kind, rules: rulesOf[typ.Name]}
		switch typ.Name {
		case "Extension":
			p.is = isExtension
		case "Reference":
			p.is = isReference
		case "Meta":
			p.is = isMeta
		}
		if typ.Kind.Primitive() {
			p.format = formatOf(typ.Name)
		}
		if typ.Kind == def.Resource {
			val.resources[typ.Name] = p
		}
		p.rows = make([]row, len(typ.Elements))
		for j := range typ.Elements {
			e := &typ.Elements[j]
			if int(e.Order) >= 64*len(p.required) {
				panic(fmt.Sprintf("validate: %s has too many elements", typ.Name))
			}
			p.rows[j] = row{e, &val.plans[e.Type], t.CodesOf(e), t.TargetsOf(e)}
			if e.Min > 0 {
				p.required.add(e.Order)
			}
		}
		p.hash()
	}
	return val
}

func (p *plan) hash() {
	size := 4
	for size < 3*len(p.rows) {
		size *= 2
	}
	p.slots = make([]uint16, size)
	for i := range p.rows {
		at := p.slot(p.rows[i].Name)
		for p.slots[at] != 0 {
			at = (at + 1) & (size - 1)
		}
		p.slots[at] = uint16(i + 1)
	}
}

// slot is where the search for a name starts.
func (p *plan) slot(name string) int {
	last := len(name) - 1
	h := uint(name[0])*31 + uint(name[last])*17 + uint(name[last/2])*7 + uint(len(name))
	return int(h) & (len(p.slots) - 1)
}

// row finds an element by its name on the wire, or returns nil.
func (p *plan) row(name string) *row {
	if name == "" {
		return nil
	}
	for at := p.slot(name); p.slots[at] != 0; at = (at + 1) & (len(p.slots) - 1) {
		if r := &p.rows[p.slots[at]-1]; r.Name == name {
			return r
		}
	}
	return nil
}

// element is the name of a row's element without the type of a choice.
func (r *row) element() string {
	if r.Choice != "" {
		return strings.TrimSuffix(r.Choice, "[x]")
	}
	return r.Name
}
