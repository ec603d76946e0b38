// Package config reads a YAML file of settings: bounded, with every key known and
// every value of its type, or refused with line and column. Which settings there
// are, the caller says; it knows no flags.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize bounds a file in bytes.
const MaxSize = 1 << 20

const (
	maxTokens = 20_000 // the parser's time grows with their square: about half a second
	maxDepth  = 8      // of brackets
)

// Kind is what a setting's value is.
type Kind int

// The kinds of values.
const (
	Text   Kind = iota // a string; a number counts as it is written
	Number             // an int64
	Bool
	List // []any of strings
	Map  // map[string]any of strings
)

// Setting is something that a file may set.
type Setting struct {
	Key    string // "listen", or with its group "bars.mode"
	Flag   string // its flag without dashes, which people may write in place of Key
	Kind   Kind
	Enum   []string // the texts that may stand there; none: any
	Joined string   // what joins the texts where a value of a Map is a list; "": none may be
	// Valid says whether the program can read a value of this kind; nil: it can.
	Valid func(value any) bool
}

// Value is what a file says of a setting.
type Value struct {
	Value any // as its Kind says
	Line  int // from 1
}

// File holds the values of a file, by key.
type File struct {
	Name   string
	values map[string]Value
}

// Get returns what the file says of a setting. A nil file says nothing.
func (f *File) Get(key string) (Value, bool) {
	if f == nil {
		return Value{}, false
	}
	v, found := f.values[key]
	return v, found
}

// Len counts the settings of the file.
func (f *File) Len() int { return len(f.values) }

// Load reads a file. One that holds a password and that everybody may read is
// refused.
func Load(name string, settings []Setting) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("the file of settings can't be read: %w", err)
	}
	if !info.Mode().IsRegular() { // a pipe might never end
		return nil, fmt.Errorf("%s: is no regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the file of settings can't be read: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("the file of settings can't be read: %w", err)
	}
	f, err := Parse(name, text, settings)
	if err != nil {
		return nil, err
	}
	const others = 0o004 // the owner's group may read it: it is how a service is given its file
	if runtime.GOOS != "windows" && info.Mode().Perm()&others != 0 {
		for key, v := range f.values {
			if HoldsPassword(v.Value) {
				return nil, fmt.Errorf("%s:%d: %s: holds a password, and everybody on this machine may read the file: chmod o-r", name, v.Line, key)
			}
		}
	}
	return f, nil
}

// Parse reads the text of a file. What is wrong with it is told as *Faults, all at
// once and never with a value.
func Parse(name string, text []byte, settings []Setting) (*File, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: is larger than %d bytes", name, MaxSize)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: isn't UTF-8", name)
	}
	faults := &Faults{Name: name}
	docs, fault := parse(strings.TrimPrefix(string(text), "\ufeff"))
	if fault != nil {
		faults.List = []Fault{*fault}
		return nil, faults
	}
	r := newReader(settings, faults)
	for i, doc := range docs {
		if i > 0 {
			faults.add(doc.GetToken(), "", "a file is one document")
			break
		}
		r.top(doc)
	}
	if len(faults.List) > 0 {
		return nil, faults
	}
	return &File{Name: name, values: r.values}, nil
}

// parse makes the trees of the documents in a text, leaving out empty ones.
func parse(text string) ([]ast.Node, *Fault) {
	tokens := lexer.Tokenize(text)
	if fault := bounded(tokens); fault != nil {
		return nil, fault
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the reader names them with their path
	if err != nil {
		return nil, syntax(err)
	}
	if !whole(tokens, text) {
		return nil, &Fault{Line: 1, Column: 1, Text: "isn't YAML: something in it can't be read, a tag perhaps"}
	}
	var docs []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			docs = append(docs, doc.Body)
		}
	}
	return docs, nil
}

// bounded refuses what a file of settings has no use for, before it is parsed:
// aliases above all, which a few bytes can make a mountain of.
func bounded(tokens token.Tokens) *Fault {
	if len(tokens) > maxTokens {
		return at(tokens[maxTokens], "", "the file has too many parts")
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return at(t, "", "anchors, aliases and merge keys aren't taken")
		case token.TagType, token.DirectiveType:
			return at(t, "", "tags and directives aren't taken")
		case token.MappingKeyType:
			return at(t, "", "keys with a question mark aren't taken")
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		if depth > maxDepth {
			return at(t, "", "is nested too deep")
		}
	}
	return nil
}

// whole says whether the tokens hold all of the text: the lexer drops a tag at the
// end of a line that ends the file.
func whole(tokens token.Tokens, text string) bool {
	var held strings.Builder
	for _, t := range tokens {
		held.WriteString(t.Origin)
	}
	return squeezed(held.String()) == squeezed(text)
}

// squeezed leaves out white space.
func squeezed(text string) string { return strings.Join(strings.Fields(text), "") }

// syntax words an error of the parser. Some quote the text of the file, which may
// be a password.
func syntax(err error) *Fault {
	var e yaml.Error
	if !errors.As(err, &e) {
		return &Fault{Line: 1, Column: 1, Text: "isn't YAML"}
	}
	said, _, _ := strings.Cut(e.GetMessage(), `"`)
	said = strings.TrimRight(said, ": ")
	if strings.HasPrefix(said, "mapping value") { // sqlite::memory: is a key to YAML
		said += "; put a text that ends with a colon in quotes"
	}
	return at(e.GetToken(), "", "isn't YAML: "+said)
}
