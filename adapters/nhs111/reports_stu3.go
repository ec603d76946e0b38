package nhs111

import (
	"mime"
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// mediaSTU3 is the type of the STU3 form.
const mediaSTU3 = "application/fhir+json; fhirVersion=3.0; charset=utf-8"

// wantsSTU3 says whether FHIR 3.0 is the first version that an Accept header
// names.
func wantsSTU3(r *http.Request) bool {
	for one := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		typ, parameters, err := mime.ParseMediaType(one)
		version := parameters["fhirversion"]
		if err != nil || version == "" || parameters["q"] == "0" || typ != "application/fhir+json" && typ != "application/json" {
			continue
		}
		return version == "3.0" || strings.HasPrefix(version, "3.0.")
	}
	return false
}

// readSTU3 maps a kept message to the STU3 form, which reports alone have.
func (d *door) readSTU3(message source) (*fhir.Resource, error) {
	switch message.Envelope.kind() {
	case referral, documentSet, forInformation:
		return mapSTU3(message, orElse(d.SendTo, message.Envelope.To), d.Version)
	}
	return nil, fhir.NewOutcome(fhir.KindNotAcceptable, "", "ambulance requests and nullifications have no STU3 form")
}
