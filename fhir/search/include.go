package search

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Include is one "_include" or "_revinclude" (R4 search.html#include), checked
// against the table.
type Include struct {
	Reverse bool   // records that refer to those found
	Iterate bool   // also from records that an include brought
	Type    string // of the records with the reference; "" is any
	Param   string // reference parameter of Type; "" is all
	Target  string // type of the records referred to; "" is any
}

// maxIncludes bounds the includes of one search.
const maxIncludes = 32

// include reads "_include" and "_revinclude" with their values "Type:param",
// "Type:param:Target", "Type:*" and "*".
func (p *parser) include(typ, name, value string) *fhir.Outcome {
	base, modifier, modified := strings.Cut(name, ":")
	i := Include{Reverse: base == "_revinclude", Iterate: modifier == "iterate"}
	switch {
	case !p.o.Includes:
		return refuse(name, "it isn't offered here")
	case modified && !i.Iterate:
		return refuse(name, "the only modifier is iterate")
	case len(p.out.Includes) == maxIncludes:
		return fhir.NewOutcome(fhir.KindTooCostly, "", "the search has more than "+strconv.Itoa(maxIncludes)+" includes")
	}
	parts := strings.Split(value, ":")
	if len(parts) > 3 || slices.Contains(parts, "") || len(parts) == 1 && value != "*" || len(parts) == 3 && parts[1] == "*" {
		return badValue(name, `it must be Type:parameter, Type:parameter:TargetType or Type:*`)
	}
	if value == "*" {
		return p.addInclude(name, value, i)
	}
	if _, held := table[parts[0]]; !held {
		return refuse(name, "it names a type that isn't held here")
	}
	i.Type = parts[0]
	if !i.Reverse && !i.Iterate && typ != "" && i.Type != typ {
		return badValue(name, "it names another type than the one searched for; _include:iterate goes on from what was included")
	}
	if parts[1] != "*" {
		if err := i.check(typ, name, parts[1:]); err != nil {
			return err
		}
	}
	return p.addInclude(name, value, i)
}

// check reads the parameter and the target type.
func (i *Include) check(typ, name string, parts []string) *fhir.Outcome {
	param := paramOf(i.Type, parts[0])
	if param == nil || param.Type != ReferenceType {
		return refuse(name, "the type has no such reference parameter")
	}
	i.Param = param.Name
	if len(parts) == 2 {
		if !slices.Contains(targetsOf(param), parts[1]) {
			return refuse(name, "the parameter can't refer to that type")
		}
		i.Target = parts[1]
	}
	if i.Reverse && !i.Iterate && typ != "" && (!mayRefer(param, typ) || i.Target != "" && i.Target != typ) {
		return badValue(name, "the parameter doesn't refer to the type searched for")
	}
	return nil
}

func (p *parser) addInclude(name, value string, i Include) *fhir.Outcome {
	p.apply(name, value)
	if !slices.Contains(p.out.Includes, i) {
		p.out.Includes = append(p.out.Includes, i)
	}
	return nil
}

// params are the reference parameters of a type that the include goes by.
func (i Include) params(typ string) []Param {
	var list []Param
	for _, p := range ParamsOf(typ) {
		if p.Type == ReferenceType && (i.Param == "" || p.Name == i.Param) && (i.Target == "" || mayRefer(&p, i.Target)) {
			list = append(list, p)
		}
	}
	return list
}
