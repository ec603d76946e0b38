package fhir

import "slices"

// Edit collects changes to a Resource and makes a new one of them. What isn't
// named in a change is copied byte by byte, so an edit loses nothing. A change
// to a value wins over changes inside it.
// The Values given to its methods must come from the Resource being edited.
type Edit struct {
	r       *Resource
	changes map[int32]change
	added   map[int32][]addition
}

type change struct {
	raw    []byte
	remove bool
}

// addition is a new member of an object, or a new element (name "") of an array.
type addition struct {
	name string
	raw  []byte
}

// Edit starts changing the resource.
func (r *Resource) Edit() *Edit {
	return &Edit{r: r, changes: map[int32]change{}, added: map[int32][]addition{}}
}

// Replace puts raw JSON in the place of v.
func (e *Edit) Replace(v Value, raw []byte) *Edit {
	if v.Exists() {
		e.changes[v.i] = change{raw: raw}
	}
	return e
}

// Set gives an object's member a value: in its old place where it has one,
// else at the end. A new "id" goes behind resourceType and a new "meta" behind
// both, where readers look for them.
func (e *Edit) Set(object Value, name string, raw []byte) *Edit {
	if old := object.Get(name); old.Exists() {
		return e.Replace(old, raw)
	}
	if object.Kind() != ObjectKind {
		return e
	}
	list := e.added[object.i]
	for i := range list {
		if list[i].name == name {
			list[i].raw = raw
			return e
		}
	}
	e.added[object.i] = append(list, addition{name, raw})
	return e
}

// SetText is Set with a JSON string.
func (e *Edit) SetText(object Value, name, text string) *Edit {
	return e.Set(object, name, Quote(text))
}

// Remove takes a member out of an object, also one that this Edit has set.
func (e *Edit) Remove(object Value, name string) *Edit {
	if old := object.Get(name); old.Exists() {
		e.changes[old.i] = change{remove: true}
		return e
	}
	if object.Kind() == ObjectKind {
		e.added[object.i] = slices.DeleteFunc(e.added[object.i], func(a addition) bool { return a.name == name })
	}
	return e
}

// Append adds an element at the end of an array.
func (e *Edit) Append(array Value, raw []byte) *Edit {
	if array.Kind() == ArrayKind {
		e.added[array.i] = append(e.added[array.i], addition{raw: raw})
	}
	return e
}

// Done returns the changed resource. The error is that of Parse, if a change
// was given text that isn't one JSON value.
func (e *Edit) Done() (*Resource, error) {
	if len(e.changes) == 0 && len(e.added) == 0 {
		return e.r, nil
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	w := editWriter{e: e, touched: make([]int32, 0, len(e.changes)+len(e.added))}
	for i := range e.changes {
		w.touched = append(w.touched, i)
	}
	for i := range e.added {
		w.touched = append(w.touched, i)
	}
	slices.Sort(w.touched)
	w.value(e.r.root)
	return Parse(w.out)
}

// check refuses a raw text that is more or less than one value: pasted in, it
// could close its surroundings and bring members that nobody asked for.
func (e *Edit) check() error {
	for _, c := range e.changes {
		if c.remove {
			continue
		}
		if err := checkValue(c.raw); err != nil {
			return err
		}
	}
	for _, list := range e.added {
		for _, a := range list {
			if err := checkValue(a.raw); err != nil {
				return err
			}
		}
	}
	return nil
}

type editWriter struct {
	e       *Edit
	touched []int32
	out     []byte
}

func (w *editWriter) value(i int32) {
	r := w.e.r
	n := &r.nodes[i]
	if c, ok := w.e.changes[i]; ok {
		w.out = append(w.out, c.raw...)
		return
	}
	if at, _ := slices.BinarySearch(w.touched, i); at == len(w.touched) || w.touched[at] >= n.next {
		w.out = append(w.out, r.text[n.start:n.end]...)
		return
	}
	isObject := n.kind == ObjectKind
	w.out = append(w.out, r.text[n.start])
	head, tail := splitAdditions(w.e.added[i])
	behind := w.headPlace(i, head)
	if behind == i {
		w.additions(head, isObject)
	}
	for child := i + 1; child < n.next; child = r.nodes[child].next {
		if !w.e.changes[child].remove {
			w.comma()
			if isObject {
				c := &r.nodes[child]
				w.name(r.text[c.keyStart-1 : c.keyEnd+1])
			}
			w.value(child)
		}
		if child == behind {
			w.additions(head, isObject)
		}
	}
	w.additions(tail, isObject)
	w.out = append(w.out, r.text[n.end-1])
}

// headPlace returns the member that a new id and meta follow, or the object
// itself if they come first.
func (w *editWriter) headPlace(object int32, head []addition) int32 {
	if len(head) == 0 {
		return -1
	}
	r := w.e.r
	place := object
	for child := object + 1; child < r.nodes[object].next; child = r.nodes[child].next {
		switch c := &r.nodes[child]; string(r.text[c.keyStart:c.keyEnd]) {
		case "resourceType", "id":
			place = child
		}
	}
	return place
}

func (w *editWriter) additions(list []addition, isObject bool) {
	for _, a := range list {
		w.comma()
		if isObject {
			w.name(Quote(a.name))
		}
		w.out = append(w.out, a.raw...)
	}
}

// comma separates from what stands before, unless that is an opening bracket.
func (w *editWriter) comma() {
	if last := w.out[len(w.out)-1]; last != '{' && last != '[' {
		w.out = append(w.out, ',')
	}
}

func (w *editWriter) name(quoted []byte) {
	w.out = append(w.out, quoted...)
	w.out = append(w.out, ':')
}

// splitAdditions takes the new id and meta, in this order, out of the list.
func splitAdditions(list []addition) (head, tail []addition) {
	for _, a := range list {
		switch a.name {
		case "id":
			head = slices.Insert(head, 0, a)
		case "meta":
			head = append(head, a)
		default:
			tail = append(tail, a)
		}
	}
	return head, tail
}
