package testscript

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// How a variable's value is written where it goes.
func plainText(value string) string { return value }
func queryText(value string) string { return url.QueryEscape(value) }
func jsonText(value string) string {
	quoted := fhir.Quote(value)
	return string(quoted[1 : len(quoted)-1])
}

// fill puts the values of the variables in the places of ${name}. A variable
// that has no value is an error: a request without it would be another one.
func (r *run) fill(text string, write func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", fmt.Errorf("a ${ is not closed")
		}
		value, err := r.value(name)
		if err != nil {
			return "", err
		}
		b.WriteString(write(value))
		text = rest
	}
}

// value finds a variable's value: what its source holds now, else what the
// caller gave for it, else its default.
func (r *run) value(name string) (string, error) {
	for _, v := range r.script.variables {
		if v.name != name {
			continue
		}
		if found := r.fromSource(v); found != "" {
			return found, nil
		}
		if given, ok := r.o.Variables[name]; ok {
			return given, nil
		}
		if v.defaultValue != "" {
			return v.defaultValue, nil
		}
		return "", fmt.Errorf("the variable %s has no value", name)
	}
	return "", fmt.Errorf("there is no variable %s", name)
}

func (r *run) fromSource(v variable) string {
	if v.sourceID == "" {
		return ""
	}
	if v.headerField != "" {
		if a := r.record(v.sourceID); a != nil {
			return a.header.Get(v.headerField)
		}
		return ""
	}
	res := r.resourceOf(v.sourceID)
	if res == nil {
		return ""
	}
	texts := v.expression.find(res).texts()
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// resourceOf is the resource that an id of the script stands for: of an answer,
// of a record's last write, or the fixture itself.
func (r *run) resourceOf(id string) *fhir.Resource {
	if a := r.record(id); a != nil && a.resource != nil {
		return a.resource
	}
	f := r.fixture(id)
	if f == nil {
		return nil
	}
	text, err := r.fill(string(f.text), jsonText)
	if err != nil {
		return nil
	}
	res, err := fhir.Parse([]byte(text))
	if err != nil {
		return nil
	}
	return res
}
