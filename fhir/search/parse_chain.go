package search

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Bounds of chained parameters; more is fhir.KindTooCostly.
const (
	MaxLinks  = 8  // links of one chain, forward and backward
	MaxChains = 64 // inner queries of the whole search
)

// link counts one inner query that stands this deep.
func (p *parser) link(name string) *fhir.Outcome {
	p.chains++
	if p.depth >= MaxLinks || p.chains > MaxChains {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "search parameter "+nameOf(name)+": the search has more than "+
			strconv.Itoa(MaxLinks)+" links in a chain or "+strconv.Itoa(MaxChains)+" chained searches; name the type behind a colon")
	}
	return nil
}

// inner compiles what stands behind a link.
func (p *parser) inner(typ, name, value string) (Node, *fhir.Outcome) {
	p.depth++
	defer func() { p.depth-- }()
	return p.filter(typ, name, value)
}

// chain compiles "patient.identifier" and "actor:HealthcareService.identifier",
// to any depth. Without a type it asks every target type in which the rest of
// the chain leads to a parameter.
func (p *parser) chain(typ, name, left, right, value string) (Node, *fhir.Outcome) {
	base, target, typed := strings.Cut(left, ":")
	param := paramOf(typ, base)
	if param == nil {
		return nil, unknown(typ, name)
	}
	if param.Type != ReferenceType {
		return nil, refuse(name, "it can't be chained, because it is no reference")
	}
	targets := targetsOf(param)
	if typed {
		if !slices.Contains(targets, target) {
			return nil, refuse(name, "the type isn't one that it can refer to")
		}
		targets = []string{target}
	}
	var chains []Node
	for _, target := range targets {
		if !p.leads(target, right) {
			continue
		}
		if err := p.link(name); err != nil {
			return nil, err
		}
		where, err := p.inner(target, right, value)
		if err != nil {
			return nil, err
		}
		chains = append(chains, Chain{param.Name, &Query{Type: target, Where: where}})
	}
	if len(chains) == 0 {
		return nil, refuse(name, "no type that it refers to has the parameter behind the dot")
	}
	return anyOf(chains), nil
}

// reverse compiles "_has:Appointment:slot:status" (R4 search.html#has); what
// stands last may be a chain or another "_has".
func (p *parser) reverse(typ, name, value string) (Node, *fhir.Outcome) {
	if !p.o.ReverseChains {
		return nil, refuse(name, "it isn't offered here")
	}
	source, param, right, ok := cutHas(name)
	if !ok {
		return nil, refuse(name, `it must be "_has", a type, a reference parameter of it and a parameter, divided by colons`)
	}
	if _, held := table[source]; !held {
		return nil, refuse(name, "the type isn't one that is held here")
	}
	if param == nil || !mayRefer(param, typ) {
		return nil, refuse(name, "the type has no such reference parameter to "+typeName(typ))
	}
	if err := p.link(name); err != nil {
		return nil, err
	}
	where, err := p.inner(source, right, value)
	if err != nil {
		return nil, err
	}
	return ReverseChain{param.Name, &Query{Type: source, Where: where}}, nil
}

// cutHas divides "_has:Type:param:rest"; param is nil where Type hasn't got it.
func cutHas(name string) (source string, param *Param, right string, ok bool) {
	parts := strings.SplitN(name, ":", 4)
	if len(parts) != 4 || parts[3] == "" {
		return "", nil, "", false
	}
	param = paramOf(parts[1], parts[2])
	return parts[1], param, parts[3], true
}

func isHas(name string) bool { return name == "_has" || strings.HasPrefix(name, "_has:") }

// leads says whether the names of a chain lead from a type to a parameter that
// is there. Answers are kept, since the same rest is asked for many types.
func (p *parser) leads(typ, name string) bool {
	if _, held := table[typ]; !held {
		return false
	}
	key := [2]string{typ, name}
	if known, asked := p.leading[key]; asked {
		return known
	}
	if p.leading == nil {
		p.leading = map[[2]string]bool{}
	}
	found := leads(typ, name, p.leads)
	p.leading[key] = found
	return found
}

func leads(typ, name string, further func(typ, name string) bool) bool {
	if isHas(name) {
		source, param, right, ok := cutHas(name)
		return ok && param != nil && mayRefer(param, typ) && further(source, right)
	}
	left, right, chained := strings.Cut(name, ".")
	base, target, typed := strings.Cut(left, ":")
	param := paramOf(typ, base)
	if param == nil || !chained {
		return param != nil
	}
	return param.Type == ReferenceType && slices.ContainsFunc(targetsOf(param), func(t string) bool {
		return (!typed || t == target) && further(t, right)
	})
}

// targetsOf lists the types that a reference parameter may point to.
func targetsOf(p *Param) []string {
	if p.Targets == nil {
		return Types()
	}
	return p.Targets
}

// mayRefer says whether p is a reference parameter that may point to the type.
func mayRefer(p *Param, typ string) bool {
	return p.Type == ReferenceType && (p.Targets == nil || slices.Contains(p.Targets, typ))
}
