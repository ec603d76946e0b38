package nhs111

import (
	"embed"
	"net/http"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// descriptions are the WSDL and its schemas, of our own writing.
//
//go:embed wsdl
var descriptions embed.FS

// schemas are the documents that ?xsd= names.
var schemas = map[string]string{
	"distribution-envelope": "wsdl/distribution-envelope.xsd",
	"responses":             "wsdl/responses.xsd",
}

// described says whether a request asks for the description.
func described(r *http.Request) bool {
	q := r.URL.Query()
	return q.Has("wsdl") || q.Has("xsd")
}

// describe answers ?wsdl and ?xsd=NAME.
func (d *door) describe(w http.ResponseWriter, r *http.Request) {
	name := "wsdl/nhs111.wsdl"
	if q := r.URL.Query(); !q.Has("wsdl") {
		if name = schemas[q.Get("xsd")]; name == "" {
			http.NotFound(w, r)
			return
		}
	}
	raw, err := descriptions.ReadFile(name)
	if err != nil {
		panic("nhs111: " + err.Error()) // it is part of the program
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write([]byte(strings.ReplaceAll(string(raw), "@@BASE@@", xmltree.EscapeAttr(d.BaseURL))))
}
