package bars

import "github.com/onward-health/onward/fhir"

// ElementRule is a row of the element rules as tests and the documentation see
// it.
type ElementRule struct {
	ID, On, Path, Text string
	Apps               []int
	Messages           []string
}

var kindNames = []string{"booking", "booking cancel", "referral", "referral cancel", "validation", "interim response", "full response", "status response", "did not attend"}

// ElementRules returns every row.
func ElementRules() []ElementRule {
	var out []ElementRule
	for _, group := range elementRules {
		for _, r := range group {
			row := ElementRule{ID: r.id, On: r.on, Path: r.path, Text: r.text, Apps: r.apps}
			for i, name := range kindNames {
				if r.kinds&(1<<i) != 0 {
					row.Messages = append(row.Messages, name)
				}
			}
			out = append(out, row)
		}
	}
	return out
}

// ElementCheck is what the element rules made of a message.
type ElementCheck struct {
	Broken   []string // "rule at path"
	Rules    []string // of each, in the same order
	More     bool
	Problems []fhir.Issue // what they add to the errors
	Warnings []fhir.Issue // and to the warnings
	Before   []fhir.Issue // what the checks before them found
}

// CheckElements reads a message, of any kind of the standard, and holds it to
// the element rules alone.
func CheckElements(bundle *fhir.Resource, mode Mode, translated bool) ElementCheck {
	m := &message{bundle: bundle, mode: mode, translated: translated, problems: &fhir.Outcome{Kind: fhir.KindInvariant}}
	m.readEntries(bundle.Get("entry"))
	m.readHeader()
	out := ElementCheck{Before: append(m.problems.Issues, m.warnings...)}
	m.problems.Issues, m.warnings = nil, nil
	x := newElements(m)
	x.run()
	for _, f := range x.faults {
		out.Rules = append(out.Rules, f.rule.id)
		out.Broken = append(out.Broken, f.rule.id+" at "+f.at)
	}
	out.More = x.more
	m.checkElements()
	out.Problems, out.Warnings = m.problems.Issues, m.warnings
	return out
}
