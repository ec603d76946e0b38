package patch

import "slices"

// apply carries out one operation; it returns what is wrong, "" where nothing
// is.
func (e *pathEditor) apply(op *pathOperation) string {
	switch op.kind {
	case "add":
		return e.add(op)
	case "insert", "move":
		return e.rearrange(op)
	}
	spots, why := e.find(op.path)
	switch {
	case why != "":
		return why
	case len(spots) > 1:
		return notOne
	case len(spots) == 0 && op.kind == "delete":
		return "" // R4 fhirpatch.html: no error
	case len(spots) == 0:
		return notFound
	case spots[0].parent == nil:
		return "the whole resource can't be replaced or deleted"
	case op.kind == "delete":
		return e.drop(spots[0])
	}
	return e.swap(spots[0], op)
}

// add adds an element to the one that the path finds: at the end, where it
// repeats.
func (e *pathEditor) add(op *pathOperation) string {
	spots, why := e.find(op.path)
	switch {
	case why != "":
		return why
	case len(spots) > 1:
		return notOne
	case len(spots) == 0:
		return notFound
	}
	object, typ, why := e.open(spots[0], true)
	if why != "" {
		return why
	}
	elements, why := elementsOf(typ, op.name)
	if why != "" {
		return why
	}
	el, value, why := e.build(op.value, elements)
	if why != "" {
		return why
	}
	for _, other := range elements {
		list, why := e.read(object, other)
		if why != "" {
			return why
		}
		if !el.Many && len(list) > 0 {
			return "there is such an element already, and it does not repeat"
		}
		if el.Many {
			write(object, el, append(list, value))
			return ""
		}
	}
	write(object, el, []pair{value})
	return ""
}

// rearrange inserts into a list, or moves within it.
func (e *pathEditor) rearrange(op *pathOperation) string {
	last := len(op.path) - 1
	if op.path[last].kind != stepChild {
		return "its path must end with the name of an element that repeats"
	}
	spots, why := e.find(op.path[:last])
	switch {
	case why != "":
		return why
	case len(spots) > 1:
		return "its path finds more than one list"
	case len(spots) == 0:
		return notFound
	}
	object, typ, why := e.open(spots[0], op.kind == "insert")
	if why != "" {
		return why
	}
	elements, why := elementsOf(typ, op.path[last].name)
	if why != "" {
		return why
	}
	el := elements[0]
	if !el.Many {
		return "the element at its path does not repeat"
	}
	var list []pair
	if object != nil {
		if list, why = e.read(object, el); why != "" {
			return why
		}
	}
	if op.kind == "move" {
		if op.index >= len(list) || op.target >= len(list) {
			return "source or destination is outside the list"
		}
		moved := list[op.index]
		write(object, el, slices.Insert(slices.Delete(list, op.index, op.index+1), op.target, moved))
		return ""
	}
	if op.index > len(list) {
		return "index is outside the list"
	}
	_, value, why := e.build(op.value, elements)
	if why != "" {
		return why
	}
	write(object, el, slices.Insert(list, op.index, value))
	return ""
}

func (e *pathEditor) drop(s spot) string {
	list, why := e.read(s.parent, s.el)
	if why != "" {
		return why
	}
	write(s.parent, s.el, slices.Delete(list, s.at, s.at+1))
	return ""
}

// swap replaces an element, extensions and all. A choice may get another type.
func (e *pathEditor) swap(s spot, op *pathOperation) string {
	elements, why := elementsOf(s.owner, baseName(s.el))
	if why != "" {
		return why
	}
	el, value, why := e.build(op.value, elements)
	if why != "" {
		return why
	}
	list, why := e.read(s.parent, s.el)
	if why != "" {
		return why
	}
	if el != s.el { // in the same place
		for i, name := range s.parent.names {
			switch name {
			case s.el.Name:
				s.parent.names[i] = el.Name
			case "_" + s.el.Name:
				s.parent.names[i] = "_" + el.Name
			}
		}
	}
	list[s.at] = value
	write(s.parent, el, list)
	return ""
}
