package testscript

import (
	"errors"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// maxPath bounds an expression in bytes.
const maxPath = 1000

var errPath = errors.New("only member paths with [n], where(member = literal), first(), last(), count(), exists() and empty() are known")

// path is a parsed expression: what is done to the values, step by step.
type path []step

type step struct {
	member  string // descend into a member
	call    string // or one of the functions
	index   int    // or [n]; -1 otherwise
	where   path   // of where()
	literal string // of where()
	differs bool   // where(… != …)
}

// parsePath reads an expression.
func parsePath(text string) (path, error) {
	if len(text) > maxPath {
		return nil, errors.New("the expression is too long")
	}
	var out path
	rest := strings.TrimSpace(text)
	for {
		var name string
		name, rest = word(rest)
		if name == "" {
			return nil, errPath
		}
		s := step{index: -1, member: name}
		if strings.HasPrefix(rest, "(") {
			var err error
			if s, rest, err = parseCall(name, rest); err != nil {
				return nil, err
			}
		}
		out = append(out, s)
		for strings.HasPrefix(rest, "[") {
			digits, after, closed := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil || !closed {
				return nil, errPath
			}
			out, rest = append(out, step{index: int(n)}), after
		}
		if rest == "" {
			return out, nil
		}
		if rest[0] != '.' {
			return nil, errPath
		}
		rest = rest[1:]
	}
}

// parseCall reads a function's brackets.
func parseCall(name, rest string) (step, string, error) {
	s := step{index: -1, call: name}
	if name != "where" {
		switch name {
		case "first", "last", "count", "exists", "empty":
		default:
			return s, "", errPath
		}
		rest, ok := strings.CutPrefix(rest, "()")
		if !ok {
			return s, "", errPath
		}
		return s, rest, nil
	}
	end := strings.IndexAny(rest, "=!")
	if end < 0 {
		return s, "", errPath
	}
	var err error
	if s.where, err = parsePath(rest[1:end]); err != nil {
		return s, "", err
	}
	rest = rest[end:]
	if s.differs = rest[0] == '!'; s.differs {
		rest = rest[1:]
	}
	if !strings.HasPrefix(rest, "=") {
		return s, "", errPath
	}
	rest = strings.TrimLeft(rest[1:], " ")
	closing := ")"
	if strings.HasPrefix(rest, "'") {
		rest, closing = rest[1:], "'"
	}
	end = strings.Index(rest, closing)
	if end < 0 {
		return s, "", errPath
	}
	s.literal, rest = strings.TrimSpace(rest[:end]), rest[end:]
	if closing == "'" {
		rest = strings.TrimLeft(rest[1:], " ")
	}
	rest, ok := strings.CutPrefix(rest, ")")
	if !ok {
		return s, "", errPath
	}
	return s, rest, nil
}

// word cuts a member or function name off.
func word(text string) (name, rest string) {
	end := strings.IndexFunc(text, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	})
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

// found is what an expression finds: values of the document, or the answer of a
// function.
type found struct {
	values []fhir.Value
	answer string // of count(), exists() and empty()
	called bool
}

// texts are the found values as text: a primitive's own, JSON of all others.
func (f found) texts() []string {
	if f.called {
		return []string{f.answer}
	}
	out := make([]string, 0, len(f.values))
	for _, v := range f.values {
		out = append(out, textOf(v))
	}
	return out
}

func textOf(v fhir.Value) string {
	if v.Kind() == fhir.StringKind {
		return v.Text()
	}
	return string(v.Raw())
}

// find evaluates the expression on a resource. A leading type name stands for
// the resource itself, if it is of that type.
func (p path) find(r *fhir.Resource) found {
	return p.from(r.Root(), r.Type())
}

func (p path) from(root fhir.Value, typ string) found {
	f := found{values: []fhir.Value{root}}
	for i, s := range p {
		if i == 0 && s.member != "" && s.member[0] >= 'A' && s.member[0] <= 'Z' {
			if s.member != typ {
				return found{}
			}
			continue
		}
		if f.called {
			return found{} // a number or a boolean has no members
		}
		f = s.apply(f.values)
	}
	return f
}

func (s step) apply(in []fhir.Value) found {
	var out []fhir.Value
	switch {
	case s.member != "":
		for _, v := range in {
			member := v.Get(s.member)
			if member.Kind() != fhir.ArrayKind {
				out = appendThere(out, member)
				continue
			}
			for item := range member.Items() {
				out = appendThere(out, item)
			}
		}
	case s.call == "":
		if s.index < len(in) {
			out = in[s.index : s.index+1]
		}
	case s.call == "first" && len(in) > 0:
		out = in[:1]
	case s.call == "last" && len(in) > 0:
		out = in[len(in)-1:]
	case s.call == "count":
		return found{called: true, answer: strconv.Itoa(len(in))}
	case s.call == "exists":
		return found{called: true, answer: strconv.FormatBool(len(in) > 0)}
	case s.call == "empty":
		return found{called: true, answer: strconv.FormatBool(len(in) == 0)}
	case s.call == "where":
		for _, v := range in {
			if s.holds(v) {
				out = append(out, v)
			}
		}
	}
	return found{values: out}
}

func appendThere(list []fhir.Value, v fhir.Value) []fhir.Value {
	if !v.Exists() || v.Kind() == fhir.NullKind {
		return list
	}
	return append(list, v)
}

// holds says whether where() keeps a value. As in FHIRPath, nothing there is
// neither equal nor unequal.
func (s step) holds(v fhir.Value) bool {
	texts := s.where.from(v, v.Get("resourceType").Text()).texts()
	return len(texts) == 1 && (texts[0] == s.literal) != s.differs
}
