package profile

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// types checks the type of a value, what a reference leads to, and data type
// profiles. It says whether the type is allowed.
func (c *checker) types(it item, rule *typing) bool {
	if it.typ == nil {
		return true
	}
	var fitting []*typeRule
	for i := range rule.types {
		if typeIs(it.typ, []string{rule.types[i].code}) {
			fitting = append(fitting, &rule.types[i])
		}
	}
	if len(fitting) == 0 {
		c.broken("structure", it.path(), "a value of this type isn't allowed here; allowed: "+listTypes(rule), rule.src)
		return false
	}
	for _, one := range fitting { // several of one code are rare; one must be kept
		if len(fitting) == 1 {
			c.oneType(it, one, rule.src)
			break
		}
		if c.silently(func(quiet *checker) { quiet.oneType(it, one, rule.src) }) {
			return true
		}
	}
	if len(fitting) > 1 {
		c.broken("structure", it.path(), "the value keeps none of the profiles that are allowed here", rule.src)
	}
	return true
}

func (c *checker) oneType(it item, one *typeRule, src source) {
	if one.resources != nil && it.typ.Name == "Reference" {
		if name := c.typeOfTarget(it.v); name != "" && !slices.Contains(one.resources, name) {
			c.broken("structure", it.path(), "the reference must lead to "+strings.Join(one.resources, " or "), src)
		}
	}
	if it.typ.Name == "Extension" && len(one.definitions) == 1 && one.definitions[0].defines() {
		return // allExtensions sees to it
	}
	switch len(one.definitions) {
	case 0:
	case 1:
		c.value(it, one.definitions[0].root)
	default:
		if !c.keepsOne(it, one.definitions) {
			c.broken("structure", it.path(), "the value keeps none of the profiles that are allowed here", src)
		}
	}
}

// keepsOne says whether a value keeps one of some profiles.
func (c *checker) keepsOne(it item, profiles []*Profile) bool {
	for _, p := range profiles {
		if it.typ != nil && it.typ.Name == p.Type && c.keeps(it, p) {
			return true
		}
	}
	return false
}

// held is a value that is held against a profile.
type held struct {
	v fhir.Value
	p *Profile
}

// keeps says whether a value keeps a profile. While that is being found out it
// counts as kept, so that references in a circle come to an end.
func (c *checker) keeps(it item, p *Profile) bool {
	if c.kept == nil {
		c.kept = map[held]bool{}
	}
	key := held{it.v, p}
	if known, ok := c.kept[key]; ok {
		return known
	}
	c.kept[key] = true
	c.kept[key] = c.silently(func(quiet *checker) { quiet.value(it, p.root) })
	return c.kept[key]
}

// silently checks without a report and says whether nothing is broken.
func (c *checker) silently(check func(quiet *checker)) bool {
	quiet := &checker{set: c.set, root: c.root, container: c.container, entries: c.entries, kept: c.kept, depth: c.depth + 1, errorsOnly: true}
	check(quiet)
	c.entries, c.kept, c.tooDeep = quiet.entries, quiet.kept, c.tooDeep || quiet.tooDeep
	return quiet.report.OK()
}

func listTypes(rule *typing) string {
	var names []string
	for _, one := range rule.types {
		if !slices.Contains(names, one.code) {
			names = append(names, one.code)
		}
	}
	return strings.Join(names, ", ")
}
