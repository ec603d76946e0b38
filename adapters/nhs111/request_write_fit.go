package nhs111

import (
	"slices"
	"strings"
)

// The classes of a request take their parts in an order of their own, and fewer
// than a report's: an element that was written for a report is brought into that
// form, and what is left over is said in words.

// inOrder puts children into this order; one for each name, any number where "*"
// follows it. whole says that none was left over.
func (e *xmlElement) inOrder(order string) (whole bool) {
	var kept []*xmlElement
	for name := range strings.FieldsSeq(order) {
		name, many := strings.CutSuffix(name, "*")
		for _, c := range e.children {
			if c.name == name {
				if kept = append(kept, c); !many {
					break
				}
			}
		}
	}
	whole = len(kept) == len(e.children)
	e.children = kept
	return whole
}

// needs puts an element that says that there is none where one has to be.
func (e *xmlElement) needs(names ...string) {
	for _, name := range names {
		if e.child(name) == nil {
			e.add(el(name, at("nullFlavor", "NI")))
		}
	}
}

func (e *xmlElement) child(name string) *xmlElement {
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (e *xmlElement) attr(name string) string {
	for _, a := range e.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

func (e *xmlElement) drop(attributes ...string) {
	e.attrs = slices.DeleteFunc(e.attrs, func(a attr) bool { return slices.Contains(attributes, a.name) })
}

func (e *xmlElement) all(name string) []*xmlElement {
	var out []*xmlElement
	for _, c := range e.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

// only keeps the children of a name that pass, up to most of them; whole says that
// all did.
func (e *xmlElement) only(name string, most int, fits func(c *xmlElement) bool) (whole bool) {
	had, kept := len(e.children), 0
	e.children = slices.DeleteFunc(e.children, func(c *xmlElement) bool {
		if c.name != name {
			return false
		}
		if kept < most && fits(c) {
			kept++
			return false
		}
		return true
	})
	return len(e.children) == had
}

// dropAll takes the children of a name away.
func (e *xmlElement) dropAll(name string) {
	e.children = slices.DeleteFunc(e.children, func(c *xmlElement) bool { return c.name == name })
}

// bare takes from a coded value what a plain one (CV) can't hold.
func (w *documentWriter) bare(e *xmlElement, path string) {
	for _, other := range e.all("translation") {
		words := other.attr("code") + " " + other.attr("displayName")
		if text := other.child("originalText"); text != nil {
			words += " " + text.text
		}
		w.tell(path, "Also coded: "+words)
	}
	e.dropAll("translation")
}

// plain is bare for the codes that have no words beside their name either, in
// schema terms a CV.NPfIT.Codedplain. It says whether all is there.
func plain(e *xmlElement) (whole bool) {
	if text := e.child("originalText"); text != nil && e.attr("displayName") == "" {
		e.attrs = append(e.attrs, at("displayName", text.text)...)
		e.children = slices.DeleteFunc(e.children, func(c *xmlElement) bool { return c == text })
	}
	whole = len(e.children) == 0 && e.attr("codeSystemVersion") == ""
	e.children = nil
	e.drop("codeSystemVersion")
	return whole
}
