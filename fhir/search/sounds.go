package search

import "github.com/onward-health/onward/fhir"

// sounds enters the sound of each word of a normalised text.
func (x *extractor) sounds(whole []byte) {
	for _, sound := range soundsOf(whole) {
		x.add(':', []byte(sound))
	}
}

// phonetic compiles words that must all be there by their sound, in any order.
func (t term) phonetic(values []string) (Node, *fhir.Outcome) {
	if t.modifier != "" {
		return nil, badModifier(t.name, t.param)
	}
	nodes := make([]Node, 0, len(values))
	for _, value := range values {
		needle, err := t.needle(value)
		if err != nil {
			return nil, err
		}
		var words []Node
		for _, sound := range soundsOf([]byte(needle)) {
			words = append(words, Has(entry(t.param.Name, ":", sound)))
		}
		if len(words) == 0 {
			return nil, badValue(t.name, "it holds no letter that has a sound")
		}
		t.p.terms += len(words)
		nodes = append(nodes, all(words))
	}
	return anyOf(nodes), nil
}

// soundsOf gives the Soundex code of each word of a normalised text, as the
// United States census writes it: a letter and three digits. Letters other than
// a to z have no sound.
func soundsOf(normalised []byte) []string {
	var list []string
	start := -1
	for i := 0; i <= len(normalised); i++ {
		inWord := i < len(normalised) && (isLetter(normalised[i]) || normalised[i] == '\'' && start >= 0)
		switch {
		case inWord && start < 0:
			start = i
		case !inWord && start >= 0:
			list = append(list, soundex(normalised[start:i]))
			start = -1
		}
	}
	return list
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' }

// soundexDigits are the digits of a to z: 0 for vowels and y, which part two
// equal digits; h and w have 0 too and don't part them.
const soundexDigits = "01230120022455012623010202"

func soundex(word []byte) string {
	out := make([]byte, 0, 4)
	out = append(out, word[0]-'a'+'A')
	last := soundexDigits[word[0]-'a']
	for _, c := range word[1:] {
		if len(out) == 4 {
			break
		}
		if c == 'h' || c == 'w' || !isLetter(c) {
			continue
		}
		digit := soundexDigits[c-'a']
		if digit != '0' && digit != last {
			out = append(out, digit)
		}
		last = digit
	}
	for len(out) < 4 {
		out = append(out, '0')
	}
	return string(out)
}
