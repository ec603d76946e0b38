package profile

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir/def"
)

const (
	// maxExpression bounds an expression in bytes.
	maxExpression = 4000
	// maxExpressionDepth bounds brackets in one another.
	maxExpressionDepth = 40
)

// parseExpression reads an expression; false: it is none, or uses what this
// server doesn't evaluate.
func parseExpression(text string) (expression, bool) {
	p := pathParser{}
	if len(text) > maxExpression || !p.read(text) {
		return nil, false
	}
	e := p.binary(0, 0)
	if e == nil || p.at != len(p.tokens) {
		return nil, false
	}
	return e, true
}

// pathParser reads tokens: a name, a symbol, a whole number, or a string, which
// begins with an apostrophe and has no second.
type pathParser struct {
	tokens []string
	at     int
}

var tokenForm = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z0-9_]*|\$this|[0-9]+|'(?:[^'\\]|\\['"` + "`" + `\\/])*'|!=|<=|>=|[=<>|().])`)

func (p *pathParser) read(text string) bool {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return true
		}
		token := tokenForm.FindString(text)
		if token == "" {
			return false
		}
		text = text[len(token):]
		if token[0] == '\'' {
			token = "'" + unquote(token[1:len(token)-1])
		}
		p.tokens = append(p.tokens, token)
	}
}

func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (p *pathParser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *pathParser) take(token string) bool {
	if p.peek() != token {
		return false
	}
	p.at++
	return true
}

// levels are the operators, those that bind least first (FHIRPath, operator
// precedence).
var levels = [][]string{{"implies"}, {"or", "xor"}, {"and"}, {"in"}, {"=", "!="}, {"<", "<=", ">", ">="}, {"|"}}

func (p *pathParser) binary(level, depth int) expression {
	if level == len(levels) {
		return p.path(depth)
	}
	left := p.binary(level+1, depth)
	for left != nil && slices.Contains(levels[level], p.peek()) {
		symbol := p.peek()
		p.at++
		right := p.binary(level+1, depth)
		if right == nil {
			return nil
		}
		left = operate(symbol, left, right)
	}
	return left
}

func operate(symbol string, left, right expression) expression {
	return func(t *def.Tables, focus collection) collection {
		a, b := left(t, focus), right(t, focus)
		switch symbol {
		case "implies":
			return of(or(not(truth(a)), truth(b)))
		case "or":
			return of(or(truth(a), truth(b)))
		case "xor":
			return of(xor(truth(a), truth(b)))
		case "and":
			return of(and(truth(a), truth(b)))
		case "in":
			return of(in(a, b))
		case "=":
			return of(same(a, b))
		case "!=":
			return of(not(same(a, b)))
		case "|":
			return union(a, b)
		}
		return of(compare(symbol, a, b))
	}
}

// path reads a term and what is called on it.
func (p *pathParser) path(depth int) expression {
	e := p.term(depth)
	for e != nil && p.take(".") {
		name := p.peek()
		if !isName(name) {
			return nil
		}
		p.at++
		e = p.step(e, name, false, depth)
	}
	return e
}

func (p *pathParser) term(depth int) expression {
	token := p.peek()
	if token == "" || depth > maxExpressionDepth {
		return nil
	}
	p.at++
	switch {
	case token == "(":
		e := p.binary(0, depth+1)
		if !p.take(")") {
			return nil
		}
		return e
	case token == "$this":
		return func(_ *def.Tables, focus collection) collection { return focus }
	case token[0] == '\'':
		return literal(token[1:])
	case token == "true", token == "false":
		return literal(token == "true")
	case token[0] >= '0' && token[0] <= '9':
		n, err := strconv.ParseInt(token, 10, 64)
		if err != nil {
			return nil
		}
		return literal(n)
	case isName(token):
		return p.step(func(_ *def.Tables, focus collection) collection { return focus }, token, true, depth)
	}
	return nil
}

func literal(v any) expression {
	return func(*def.Tables, collection) collection { return collection{{literal: v}} }
}

func isName(token string) bool {
	return token != "" && (token[0]|0x20 >= 'a' && token[0]|0x20 <= 'z' || token[0] == '_')
}

// step is an element or a function of what stands before it.
func (p *pathParser) step(before expression, name string, first bool, depth int) expression {
	next := elements(name, first)
	if p.take("(") {
		var argument expression
		text := ""
		if !p.take(")") {
			if quoted := p.peek(); quoted != "" && quoted[0] == '\'' {
				text = quoted[1:]
			}
			start := p.at
			if argument = p.binary(0, depth+1); argument == nil || !p.take(")") {
				return nil
			}
			if p.at != start+2 {
				text = "" // more than the string
			}
		}
		if next = function(name, argument, text); next == nil {
			return nil
		}
	}
	return func(t *def.Tables, focus collection) collection { return next(t, before(t, focus)) }
}
