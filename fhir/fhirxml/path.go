package fhirxml

import "strconv"

// path is where the decoder or encoder stands.
type path []step

type step struct {
	name  string
	index int // -1: no index
}

func (p *path) push(name string) { *p = append(*p, step{name, -1}) }
func (p *path) pop()             { *p = (*p)[:len(*p)-1] }
func (p path) at(index int)      { p[len(p)-1].index = index }

// String gives a simple FHIRPath expression, such as "Bundle.entry[3].resource".
func (p path) String() string {
	out := []byte{}
	for i, s := range p {
		if i > 0 {
			out = append(out, '.')
		}
		out = append(out, s.name...)
		if s.index >= 0 {
			out = strconv.AppendInt(append(out, '['), int64(s.index), 10)
			out = append(out, ']')
		}
	}
	return string(out)
}

// pathName is a name from the input as it may stand in a path: one that isn't
// of the form of a FHIR element's is never repeated.
func pathName(raw []byte) string {
	if len(raw) == 0 || len(raw) > 64 {
		return "?"
	}
	for _, c := range raw {
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (c < '0' || c > '9') {
			return "?"
		}
	}
	return string(raw)
}
