package profile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// wordless are the members of an ElementDefinition that make no rule for data.
var wordless = []string{
	"id", "extension", "path", "representation", "sliceName", "sliceIsConstraining", "label", "code", "short",
	"definition", "comment", "requirements", "alias", "base", "contentReference", "meaningWhenMissing",
	"orderMeaning", "example", "condition", "mustSupport", "isModifierReason", "isSummary", "mapping",
}

// apply adds the rules of one ElementDefinition to its node. It returns what is
// wrong with them, or "".
func (p *Profile) apply(t *def.Tables, n *node, e fhir.Value) string {
	src := source{p, e.Get("id").Text()}
	n.id = src.element
	if n.owner == nil {
		n.owner = p
	}
	for name, v := range e.Members() {
		var wrong string
		switch {
		case name[0] == '_', slices.Contains(wordless, name), strings.HasPrefix(name, "defaultValue"):
		case name == "min", name == "max":
			wrong = n.cardinality(name, v, src)
		case name == "maxLength":
			length, ok := v.Int()
			if !ok || length < 0 || length > 1<<30 {
				return "maxLength must be a whole number"
			}
			n.maxLength = &bound{int(length), src}
		case name == "type":
			wrong = n.setTypes(t, v, src)
		case name == "binding":
			n.binding = &binding{strength: v.Get("strength").Text(), valueSet: v.Get("valueSet").Text(), src: src}
		case name == "slicing":
			wrong = n.setSlicing(v, src)
		case name == "constraint":
			n.addConstraints(t, v, src)
		case name == "isModifier":
			n.modifier = v.Bool()
		case strings.HasPrefix(name, "fixed"):
			n.fixed = &constant{v, src}
		case strings.HasPrefix(name, "pattern"):
			n.pattern = &constant{v, src}
		case strings.HasPrefix(name, "minValue"), strings.HasPrefix(name, "maxValue"):
			p.skip(src.element, name[:8]+"[x] isn't checked")
		default:
			return "this server doesn't understand the rule " + name
		}
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

func (n *node) cardinality(name string, v fhir.Value, src source) string {
	if name == "min" {
		least, ok := v.Int()
		if !ok || least < 0 || least > 1<<30 {
			return "min must be a whole number"
		}
		n.min = &bound{int(least), src}
		return ""
	}
	if v.Text() == "*" {
		n.max = nil
		return ""
	}
	most, err := strconv.Atoi(v.Text())
	if err != nil || most < 0 {
		return "max must be * or a whole number"
	}
	n.max = &bound{most, src}
	return ""
}

func (n *node) setTypes(t *def.Tables, list fhir.Value, src source) string {
	rule := &typing{src: src}
	var types []*def.Type
	for v := range list.Items() {
		one := typeRule{code: v.Get("code").Text()}
		if one.code == "" {
			return "a type needs a code"
		}
		for p := range v.Get("profile").Items() {
			one.profiles = append(one.profiles, p.Text())
		}
		for p := range v.Get("targetProfile").Items() {
			one.targets = append(one.targets, p.Text())
		}
		if v.Get("aggregation").Exists() || v.Get("versioning").Exists() {
			src.profile.skip(src.element, "aggregation and versioning of references aren't checked")
		}
		rule.types = append(rule.types, one)
		if typ := t.Type(one.code); typ != nil {
			types = append(types, typ)
		}
	}
	n.typing = rule
	// Elements of a backbone element are found in the base's own type.
	if len(types) > 0 && !slices.ContainsFunc(n.types, func(b *def.Type) bool { return b.Kind == def.Backbone }) {
		n.types = types
	}
	return ""
}

func (n *node) setSlicing(v fhir.Value, src source) string {
	s := &slicing{ordered: v.Get("ordered").Bool(), src: src}
	switch v.Get("rules").Text() {
	case "open", "":
	case "closed":
		s.closed = true
	case "openAtEnd":
		s.atEnd = true
	default:
		return "slicing.rules must be open, closed or openAtEnd"
	}
	for d := range v.Get("discriminator").Items() {
		one := discriminator{kind: d.Get("type").Text(), path: d.Get("path").Text()}
		if !slices.Contains([]string{"value", "pattern", "exists", "type", "profile"}, one.kind) {
			return "the type of a discriminator must be value, exists, pattern, type or profile"
		}
		steps, ok := parseSteps(one.path)
		if !ok {
			return "this server doesn't understand the path of the discriminator"
		}
		one.steps = steps
		s.discriminators = append(s.discriminators, one)
	}
	if len(s.discriminators) == 0 && n.slicing != nil { // a derived profile closes the slices of its base
		s.discriminators = n.slicing.discriminators
	}
	n.slicing = s
	return ""
}

// core is how canonicals of the standard's own definitions begin.
const core = "http://hl7.org/fhir/StructureDefinition/"

func (n *node) addConstraints(t *def.Tables, list fhir.Value, src source) {
	for v := range list.Items() {
		c := &constraint{key: v.Get("key").Text(), human: v.Get("human").Text(), expression: v.Get("expression").Text(),
			warning: v.Get("severity").Text() == "warning", src: src}
		// A snapshot repeats the invariants of R4, which package validate checks.
		if from, ok := strings.CutPrefix(v.Get("source").Text(), core); ok && t.Type(strings.Split(from, ".")[0]) != nil {
			continue
		}
		if slices.ContainsFunc(t.Constraints, func(k def.Constraint) bool { return k.Key == c.key }) {
			continue
		}
		n.constraints = slices.DeleteFunc(n.constraints, func(old *constraint) bool { return old.key == c.key })
		n.constraints = append(n.constraints, c)
	}
}
