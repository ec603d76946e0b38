package profile

// sliced sorts the values of an element into its slices and holds each group
// against its slice.
func (c *checker) sliced(found []item, n *node, place func() string) {
	if n.slicing == nil {
		return
	}
	s := c.sort(found, n)
	for i, slice := range n.slices {
		if slice.untold {
			continue
		}
		group := s.groups[i]
		if !s.unsure || slice.min == nil || len(group) >= slice.min.n {
			c.count(group, slice, place, " of the slice "+slice.name)
		}
		for _, it := range group {
			c.value(it, slice)
		}
		c.sliced(group, slice, place)
	}
	c.order(found, n, s)
}

// sorted is the values of an element by slice.
type sorted struct {
	groups [][]item
	of     []int // the slice of each value; -1: none
	unsure bool  // some value leads to what isn't here
}

func (c *checker) sort(found []item, n *node) sorted {
	s := sorted{groups: make([][]item, len(n.slices)), of: make([]int, len(found))}
	fallback := -1
	for i, it := range found {
		s.of[i] = -1
		doubt := false
		for j, slice := range n.slices {
			if slice.name == defaultSlice {
				fallback = j
				continue
			}
			if slice.untold {
				continue
			}
			v := c.belongs(it, slice)
			doubt = doubt || v == unsure
			if v == yes {
				s.of[i] = j
				break
			}
		}
		if s.of[i] < 0 && doubt {
			s.of[i], s.unsure = doubtful, true
			c.say(Information, "not-found", it.path(), "the slice of this element depends on what it refers to, which isn't here, so it wasn't checked", source{n.slicing.src.profile, n.slicing.src.element})
			continue
		}
		if s.of[i] < 0 {
			s.of[i] = fallback
		}
		if j := s.of[i]; j >= 0 {
			s.groups[j] = append(s.groups[j], it)
		}
	}
	return s
}

// doubtful is a value of which can't be said whether it belongs to a slice.
const doubtful = -2

// order checks what a slicing says of values outside the slices and of the order.
func (c *checker) order(found []item, n *node, s sorted) {
	rule := n.slicing
	if !rule.closed && !rule.atEnd && !rule.ordered {
		return
	}
	for _, slice := range n.slices {
		if slice.untold {
			return // a value could be of that slice
		}
	}
	last, outside := -1, false
	for i, it := range found {
		j := s.of[i]
		switch {
		case j == doubtful:
		case j < 0 && rule.closed:
			c.broken("structure", it.path(), "this element belongs to none of the slices, and no others are allowed", rule.src)
		case j < 0:
			outside = true
		case outside && rule.atEnd:
			c.broken("structure", it.path(), "elements of the slices stand before all others", rule.src)
		case j < last && rule.ordered:
			c.broken("structure", it.path(), "elements stand in the order of the slices", rule.src)
		}
		last = max(last, j)
	}
}
