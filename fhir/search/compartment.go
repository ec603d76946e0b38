package search

import (
	"slices"

	"github.com/onward-health/onward/fhir/r4"
)

// CompartmentTypes lists the types that can be in a compartment of this type,
// the type itself among them, sorted; none where R4 has no such compartment (R4
// compartmentdefinition.html).
func CompartmentTypes(owner string) []string {
	c := r4.Tables.Compartment(owner)
	if c == nil {
		return nil
	}
	list := []string{owner}
	for _, m := range c.Members {
		if _, held := table[m.Type]; held && m.Type != owner {
			list = append(list, m.Type)
		}
	}
	slices.Sort(list)
	return list
}

// InCompartment is the condition of being in the compartment of a Patient,
// Encounter, RelatedPerson, Practitioner or Device (owner) with this id; it is
// never met for a type that can't be. The owner itself is in.
func InCompartment(owner, id, typ string) Node {
	entries := HasAny{}
	if c := r4.Tables.Compartment(owner); c != nil {
		if m := c.Member(typ); m != nil {
			for _, name := range m.Params {
				entries = append(entries, entry(name, ":", owner+"/"+id))
			}
		}
	}
	switch {
	case typ != owner:
		return entries
	case len(entries) == 0:
		return IDs{id}
	}
	return Or{IDs{id}, entries}
}
