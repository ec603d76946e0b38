package main

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

// everywhere are the constraints that a snapshot repeats wherever they apply,
// with the one type that declares them.
var everywhere = map[string]string{
	"ele-1": "Element", "ext-1": "Extension",
	"dom-2": "DomainResource", "dom-3": "DomainResource", "dom-4": "DomainResource", "dom-5": "DomainResource",
}

// notOfR4 is the one constraint of R5 that the package has on an R4 element.
var notOfR4 = def.Constraint{Path: "EvidenceVariable.characteristic", Key: "evv-1"}

// listConstraints notes the constraints of severity error by the path that
// declares them. Each type must still have its own element in front.
func (d *definitions) listConstraints() {
	for _, s := range d.types {
		for _, e := range s.Snapshot.Element {
			for _, c := range e.Constraint {
				listed := def.Constraint{Path: e.Path, Key: c.Key}
				declared, repeated := everywhere[c.Key]
				if c.Severity == "error" && (!repeated || declared == e.Path) && listed != notOfR4 {
					d.constraints = append(d.constraints, listed)
				}
			}
		}
	}
	slices.SortFunc(d.constraints, func(a, b def.Constraint) int {
		return strings.Compare(a.Path+" "+a.Key, b.Path+" "+b.Key)
	})
	d.constraints = slices.Compact(d.constraints)
}
