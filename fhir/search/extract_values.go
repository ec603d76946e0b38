package search

import (
	"bytes"
	"unicode/utf8"

	"github.com/onward-health/onward/fhir"
)

// token enters a code, boolean, CodeableConcept, Coding, Identifier or
// ContactPoint.
func (x *extractor) token(v fhir.Value) {
	kind := v.Kind()
	switch {
	case x.p.whether:
		x.present = true
		x.holds = x.holds || kind != fhir.BoolKind || v.Bool()
	case x.p.system == booleans:
		if kind == fhir.BoolKind {
			x.present = true
			x.simpleToken(v.Raw())
		}
	case kind == fhir.StringKind:
		x.present = true
		x.simpleToken(v.TextBytes())
	case kind == fhir.ObjectKind && x.p.system == "":
		x.present = true
		x.complexToken(v)
	}
}

func (x *extractor) simpleToken(value []byte) {
	if len(value) == 0 {
		return
	}
	x.add(':', value)
	if x.p.system == "" {
		x.add('=', []byte{'|'}, value)
	}
	x.sortBy(value)
}

func (x *extractor) complexToken(v fhir.Value) {
	switch {
	case x.p.contact:
		x.simpleToken(v.Get("value").TextBytes())
	case v.Get("coding").Exists():
		for item := range v.Get("coding").Items() {
			x.systemToken(':', item.Get("system"), item.Get("code").TextBytes())
			x.label(item.Get("display"))
		}
		x.label(v.Get("text"))
	case v.Get("code").Exists():
		x.systemToken(':', v.Get("system"), v.Get("code").TextBytes())
		x.label(v.Get("display"))
	case v.Get("value").Exists():
		x.systemToken(':', v.Get("system"), v.Get("value").TextBytes())
		x.label(v.Get("type").Get("text"))
	default: // a system, or words alone
		x.systemToken(':', v.Get("system"), nil)
		x.label(v.Get("text"))
		x.label(v.Get("display"))
	}
}

// maxLabelWords bounds the words of one text beside a code that can be searched
// for by themselves.
const maxLabelWords = 16

// label enters the text beside a code for :text: the whole and each word.
func (x *extractor) label(v fhir.Value) {
	written := v.TextBytes()
	if len(written) == 0 {
		return
	}
	x.scratch = normalise(x.scratch[:0], written)
	if len(x.scratch) > 0 {
		x.add('~', x.scratch)
		x.words('~', x.scratch, maxLabelWords)
	}
}

// systemToken enters a code or value with its system. anySystem separates the
// name from the value in the entry that serves any system.
func (x *extractor) systemToken(anySystem byte, system fhir.Value, value []byte) {
	if len(value) > 0 {
		x.add(anySystem, value)
		x.sortBy(value)
	}
	uri := x.fold(system.TextBytes())
	if uri == "" {
		if len(value) > 0 {
			x.add('=', []byte{'|'}, value)
		}
		return
	}
	x.begin('=')
	x.buf = append(append(x.buf, uri...), '|')
	x.end()
	if len(value) > 0 {
		x.begin('=')
		x.buf = append(append(x.buf, uri...), '|')
		x.buf = append(x.buf, value...)
		x.end()
	}
}

// fold gives the entries' spelling of a system. A resource names few systems
// and names them often, so the first ones are remembered.
func (x *extractor) fold(system []byte) string {
	for i := range x.systems {
		if x.systems[i].written == string(system) {
			return x.systems[i].folded
		}
	}
	written := string(system)
	folded := x.o.canonical(written)
	if len(x.systems) < maxSystems {
		x.systems = append(x.systems, systemPair{written, folded})
	}
	return folded
}

// maxSystems bounds what fold remembers.
const maxSystems = 16

type systemPair struct{ written, folded string }

// textMembers are the searchable parts of a HumanName and an Address.
var textMembers = [...]string{
	"text", "family", "given", "prefix", "suffix",
	"line", "city", "district", "state", "postalCode", "country",
}

// str enters a string, HumanName or Address.
func (x *extractor) str(v fhir.Value) {
	switch v.Kind() {
	case fhir.StringKind:
		x.present = true
		x.text(v.TextBytes())
	case fhir.ObjectKind:
		x.present = true
		for _, name := range textMembers {
			member := v.Get(name)
			if member.Kind() == fhir.StringKind {
				x.text(member.TextBytes())
			}
			for item := range member.Items() {
				if item.Kind() == fhir.StringKind {
					x.text(item.TextBytes())
				}
			}
		}
		x.wholeName(v)
	}
}

// wholeName enters a HumanName's given and family names in one piece, since
// people search for them so.
func (x *extractor) wholeName(name fhir.Value) {
	family := name.Get("family").TextBytes()
	if len(family) == 0 {
		return
	}
	var whole []byte
	for given := range name.Get("given").Items() {
		whole = append(append(whole, given.TextBytes()...), ' ')
	}
	if len(whole) > 0 {
		x.normalised(append(whole, family...))
	}
}

func (x *extractor) text(written []byte) {
	if len(written) == 0 {
		return
	}
	if !x.p.sounds {
		x.add('=', []byte{'|'}, written)
	}
	x.normalised(written)
}

// normalised enters the normalised forms: the whole, its words, its suffixes.
func (x *extractor) normalised(written []byte) {
	x.scratch = normalise(x.scratch[:0], written)
	if x.p.compact {
		x.scratch = squeeze(x.scratch)
	}
	whole := x.scratch
	if len(whole) == 0 {
		return
	}
	if x.p.sounds {
		x.sounds(whole)
		return
	}
	x.add(':', whole)
	x.sortBy(whole)
	x.words(':', whole, len(whole))
	if x.p.suffixes {
		x.suffixes(whole)
	}
}

// words enters the words of a text, at most so many.
func (x *extractor) words(separator byte, whole []byte, most int) {
	start := -1
	for i := 0; i <= len(whole) && most > 0 && !x.over; {
		r, size := utf8.RuneError, 1
		if i < len(whole) {
			r, size = utf8.DecodeRune(whole[i:])
		}
		inWord := i < len(whole) && isWordRune(r)
		if inWord && start < 0 {
			start = i
		}
		if !inWord && start >= 0 {
			if word := bytes.Trim(whole[start:i], "'"); len(word) > 0 && len(word) < len(whole) {
				x.add(separator, word)
				most--
			}
			start = -1
		}
		i += size
	}
}

func (x *extractor) suffixes(whole []byte) {
	left := utf8.RuneCount(whole)
	for count := 0; left >= minNeedle && count < maxSuffixes; left-- {
		if whole[0] != ' ' { // no needle starts with a blank
			x.add('~', whole[:wholeRunes(whole, keptPart)])
			count++
		}
		_, size := utf8.DecodeRune(whole)
		whole = whole[size:]
	}
}
