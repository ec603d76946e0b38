package validate

import (
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
)

// inSet says whether a value set holds a code; an empty system stands for any.
func inSet(set *def.CodeSet, system string, code []byte) bool {
	for i := range set.Systems {
		s := &set.Systems[i]
		if system != "" && system != s.URL {
			continue
		}
		low, high := 0, len(s.Codes)
		for low < high {
			middle := int(uint(low+high) / 2)
			if s.Codes[middle] < string(code) {
				low = middle + 1
			} else {
				high = middle
			}
		}
		if low < len(s.Codes) && s.Codes[low] == string(code) {
			return true
		}
	}
	return false
}

// holdsCoding says whether a Coding is of the value set.
func holdsCoding(set *def.CodeSet, v fhir.Value) bool {
	system, code := v.Get("system").TextBytes(), v.Get("code").TextBytes()
	for i := range set.Systems {
		if set.Systems[i].URL == string(system) {
			return inSet(set, set.Systems[i].URL, code)
		}
	}
	return false
}

// coded checks the required binding of a CodeableConcept, the only bound type
// in R4 whose values are objects. It needs one coding of the value set and may
// have others beside it (R4 terminologies.html); one that only has extensions
// (a reason why it is absent) says nothing that could break a binding.
func (c *checker) coded(m fhir.Value, r *row) {
	codings := m.Get("coding")
	if !codings.Exists() && !has(m, "text") && has(m, "extension") {
		return
	}
	for coding := range codings.Items() {
		if holdsCoding(r.codes, coding) {
			return
		}
	}
	c.rule(m, "", "one coding must be of the value set "+r.codes.URL)
}
