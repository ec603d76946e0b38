package dos

import (
	_ "embed"
	"io"
	"net/http"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// description is the stand-in's WSDL, of our own writing.
//
//go:embed service.wsdl
var description string

// wsdl answers "?wsdl" and "?wsdl=1.5".
func (s *Sandbox) wsdl(w http.ResponseWriter, r *http.Request) {
	version, asked := r.URL.Query()["wsdl"]
	if !asked {
		w.Header().Set("Allow", "POST")
		http.Error(w, "the web service takes POST; its description is at ?wsdl", http.StatusMethodNotAllowed)
		return
	}
	if version[0] != "" && version[0] != "1.5" {
		w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(writeFault(&Fault{109, "WSDL Validation: WSDL version not found"}, nsSOAP12))
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	address := xmltree.EscapeAttr(s.o.Root + s.o.Path + soapPath)
	_, _ = io.WriteString(w, strings.Replace(description, "@@ADDRESS@@", address, 1))
}
