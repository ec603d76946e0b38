package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// reader turns the tree of a file into values.
type reader struct {
	settings []Setting
	known    map[string]Setting
	groups   map[string]bool
	values   map[string]Value
	faults   *Faults
}

func newReader(settings []Setting, faults *Faults) *reader {
	r := &reader{settings: settings, known: map[string]Setting{}, groups: map[string]bool{}, values: map[string]Value{}, faults: faults}
	for _, s := range settings {
		r.known[s.Key] = s
		if group, _, found := strings.Cut(s.Key, "."); found {
			r.groups[group] = true
		}
	}
	return r
}

// top reads the keys of the file.
func (r *reader) top(node ast.Node) {
	r.each(node, "", func(key string, n *ast.MappingValueNode) {
		if strings.Contains(key, ".") {
			r.faults.add(n.Key.GetToken(), named(key), "a group's keys are written below its name")
			return
		}
		if !r.groups[key] {
			r.setting(key, n)
			return
		}
		r.each(n.Value, key, func(below string, n *ast.MappingValueNode) { r.setting(key+"."+below, n) })
	})
}

// each calls take for every pair of a map. Nothing in place of a map is an empty
// one: that is what is left of a group when its keys are comments.
func (r *reader) each(node ast.Node, path string, take func(key string, n *ast.MappingValueNode)) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.faults.add(node.GetToken(), path, "must be a map of keys and values")
	}
	first := map[string]int{}
	for _, pair := range pairs {
		t := pair.Key.GetToken()
		key, what := scalar(pair.Key)
		if what != aText && what != aNumber {
			r.faults.add(t, path, "a key must be a text")
			continue
		}
		if line, twice := first[key]; twice {
			r.faults.add(t, under(path, named(key)), fmt.Sprintf("is there twice, first in line %d", line))
			continue
		}
		first[key] = t.Position.Line
		take(key, pair)
	}
}

func under(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// setting reads one setting.
func (r *reader) setting(key string, n *ast.MappingValueNode) {
	t := n.Key.GetToken()
	s, known := r.known[key]
	if !known {
		text := "there is no such setting"
		if len(key) < 50 && len(r.faults.List) < maxFaults { // that takes its time
			if meant := closest(key, r.settings); meant != "" {
				text += "; is " + meant + " meant?"
			}
		}
		group, name, found := strings.Cut(key, ".")
		if name = named(name); found {
			key = group + "." + name
		} else {
			key = named(group)
		}
		r.faults.add(t, key, text)
		return
	}
	before := len(r.faults.List) + r.faults.More
	value := r.value(s, n.Value)
	if len(r.faults.List)+r.faults.More > before {
		return
	}
	if s.Valid != nil && !s.Valid(value) {
		r.faults.add(n.Value.GetToken(), key, "has a value that can't be read")
		return
	}
	r.values[key] = Value{Value: value, Line: t.Position.Line}
}

// wholeNumber is how numbers are written: 010 would be eight to some.
var wholeNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

func (r *reader) value(s Setting, node ast.Node) any {
	text, what := scalar(node)
	switch s.Kind {
	case Bool:
		if what == aBool {
			return text == "true"
		}
		r.wrong(node, s.Key, "must be true or false")
	case Number:
		n, err := strconv.ParseInt(text, 10, 64)
		if what == aNumber && err == nil && wholeNumber.MatchString(text) {
			return n
		}
		r.wrong(node, s.Key, "must be a whole number")
	case List:
		return r.list(s, node)
	case Map:
		out := map[string]any{}
		if what == aNull {
			r.wrong(node, s.Key, "")
			return out
		}
		r.each(node, s.Key, func(key string, n *ast.MappingValueNode) {
			if list, is := n.Value.(*ast.SequenceNode); is && s.Joined != "" {
				out[key] = r.joined(s, list)
				return
			}
			out[key] = r.text(n.Value, s.Key+"."+named(key))
		})
		return out
	default:
		return r.one(s, node, s.Key)
	}
	return nil
}

// one reads a text that may have to be one of a few.
func (r *reader) one(s Setting, node ast.Node, path string) string {
	before := len(r.faults.List) + r.faults.More
	text := r.text(node, path)
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) && len(r.faults.List)+r.faults.More == before {
		r.faults.add(node.GetToken(), path, "must be one of "+strings.Join(s.Enum, ", "))
	}
	return text
}

func (r *reader) list(s Setting, node ast.Node) []any {
	list, is := node.(*ast.SequenceNode)
	if !is {
		r.wrong(node, s.Key, "must be a list")
		return nil
	}
	out := make([]any, 0, len(list.Values))
	for i, n := range list.Values {
		out = append(out, r.one(s, n, s.Key+"["+strconv.Itoa(i)+"]"))
	}
	return out
}

func (r *reader) joined(s Setting, list *ast.SequenceNode) string {
	var texts []string
	for _, text := range r.list(Setting{Key: s.Key}, list) {
		texts = append(texts, text.(string))
	}
	return strings.Join(texts, s.Joined)
}

// text reads a text. Ids and codes may be made of digits, so a number is a text
// as it is written.
func (r *reader) text(node ast.Node, path string) string {
	text, what := scalar(node)
	if what != aText && what != aNumber {
		r.wrong(node, path, "must be a text; put it in quotes if it is one")
	}
	return text
}

func (r *reader) wrong(node ast.Node, path, text string) {
	if _, what := scalar(node); what == aNull {
		text = "has no value"
	}
	r.faults.add(node.GetToken(), path, text)
}

// what a node is.
type what int

const (
	noScalar what = iota
	aText
	aNumber
	aBool
	aNull
)

// scalar returns the text of a scalar, of a number as it is written.
func scalar(node ast.Node) (string, what) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, aText
	case *ast.LiteralNode:
		return n.Value.Value, aText
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, aNumber
	case *ast.BoolNode:
		return strconv.FormatBool(n.Value), aBool
	case *ast.NullNode:
		return "", aNull
	}
	return "", noScalar
}
