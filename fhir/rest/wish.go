package rest

import (
	"net/http"
	"net/url"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/def"
	"github.com/onward-health/onward/fhir/r4"
)

// wish is how a request wants its answer written.
type wish struct {
	accept  []string // as they came, for a Binary, whose own type is yet unknown
	formats []string
	format  format
	pretty  bool
	gzip    bool
	head    bool
	unfit   error // why no format fits; format is JSON then
	wrong   error // what is wrong with _pretty
}

// readWish reads Accept, Accept-Encoding and, of the parameters, _format and
// _pretty (R4 http.html#parameters).
func readWish(r *http.Request, query url.Values) wish {
	w := wish{
		accept:  r.Header.Values("Accept"),
		formats: query["_format"],
		gzip:    takesGzip(r.Header.Values("Accept-Encoding")),
		head:    r.Method == http.MethodHead,
	}
	w.format, w.unfit = negotiate(w.accept, w.formats, "")
	w.pretty, w.wrong = parsePretty(query["_pretty"])
	return w
}

func parsePretty(values []string) (pretty bool, err error) {
	for i, value := range values {
		if i > 0 && value != values[0] {
			return false, fhir.NewOutcome(fhir.KindInvalid, "", "the parameter _pretty is given more than once")
		}
		switch value {
		case "true":
			pretty = true
		case "false", "":
		default:
			return false, fhir.NewOutcome(fhir.KindValue, "", "_pretty must be true or false")
		}
	}
	return pretty, nil
}

// fault is the first thing that is wrong with the wish.
func (w wish) fault() error {
	if w.wrong != nil {
		return w.wrong
	}
	return w.unfit
}

// reply is what one answer is written by.
type reply struct {
	wish
	tables *def.Tables
}

// replyOf finds what an answer is to be written by: what this package's Handler
// noted for it, also where others have wrapped the writer since, else what the
// request says. r may be nil, which is a request without wishes.
func replyOf(w http.ResponseWriter, r *http.Request) reply {
	if t := trackerOf(w); t != nil {
		return t.reply
	}
	if r == nil {
		return reply{tables: r4.Tables}
	}
	query, err := parseQuery(r.URL.RawQuery)
	p := reply{readWish(r, query), r4.Tables}
	if err != nil {
		p.wrong = err
	}
	return p
}

func trackerOf(w http.ResponseWriter) *tracker {
	for { // a nil writer is none of ours either
		if t, ok := w.(*tracker); ok {
			return t
		}
		wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = wrapped.Unwrap()
	}
}
