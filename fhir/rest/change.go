package rest

import (
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// Change is one write of a resource.
type Change struct {
	Method string // POST, PUT, PATCH or DELETE
	Type   string
	// ID names the record; "" with POST, and where Where says which it is.
	ID string
	// Where makes the change conditional (R4 http.html#cond-update and its
	// neighbours): with POST nothing may match, else nothing is done; with the
	// others the one match is what is changed, and several refuse the change.
	// PUT without a match creates, DELETE without one does nothing.
	Where *search.Query
	// Resource is what POST and PUT write.
	Resource *fhir.Resource
	// Patch makes the next version of the current one, which it gets with its
	// meta.versionId and meta.lastUpdated. It may be called again when another
	// write came between.
	Patch func(current *fhir.Resource) (*fhir.Resource, error)
	// IfMatch is the version that the record must stand at; 0: any.
	IfMatch int64
	// IfLive demands that there is such a record.
	IfLive bool
	// IfNew demands, with PUT, that there is no such record.
	IfNew bool
	// Name is what other changes call this record by (Bundle.entry.fullUrl).
	Name string
	// Resolve asks for references of Resource to be resolved as in a
	// transaction: names of other changes, and searches ("Type?…").
	Resolve bool
}

// Changed is what a Change did.
type Changed struct {
	// Version is what stands now, after a delete the tombstone; nil where there
	// never was what should be deleted.
	Version *Version
	Created bool // there was no such record before
	Found   bool // a conditional create found a match and did nothing
}

// ChangeError says which of several changes an error is about.
type ChangeError struct {
	Change int // its index
	Err    error
}

func (e *ChangeError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *ChangeError) Unwrap() error { return e.Err }

// criteria compiles the condition of a conditional interaction. It is always
// read strictly: a parameter that is dropped would widen the condition.
func (h *Handler) criteria(typ, raw string) (*search.Query, error) {
	o := h.o.Search
	o.Own, o.Lenient = nil, false
	parsed, err := search.Parse(typ, raw, o)
	if err != nil {
		return nil, err
	}
	q := parsed.Query
	switch {
	case q.Where == nil:
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the condition holds no search parameter that selects anything")
	case parsed.CountOnly, parsed.Total != "", q.Count != 0, q.Cursor != "", len(q.Sort) > 0:
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "a condition takes no parameters that shape a search's result")
	}
	return q, nil
}

// ifNoneExist reads the header of a conditional create; nil where it isn't
// there.
func (h *Handler) ifNoneExist(head http.Header, typ string) (*search.Query, error) {
	values := head.Values("If-None-Exist")
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the header If-None-Exist is given more than once")
	}
	return h.criteria(typ, values[0])
}

// ifNew reads If-None-Match of a write, which may only be "*".
func ifNew(head http.Header) (bool, error) {
	values := head.Values("If-None-Match")
	if len(values) == 0 {
		return false, nil
	}
	if len(values) > 1 || strings.Trim(values[0], " \t") != "*" {
		return false, fhir.NewOutcome(fhir.KindNotImplemented, "", "a write takes the header If-None-Match as * only")
	}
	return true, nil
}
