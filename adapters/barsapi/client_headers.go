package barsapi

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Headers are those of a request to another system (BaRS Core 1.5, request
// headers).
type Headers struct {
	// RequestID names the message and stays the same over its repetitions;
	// Correlation names the case.
	RequestID, Correlation string
	Target                 nhs.ServiceID
	Organisation           nhs.ODSCode
	OrganisationName       string
	Practitioner           string // SDS role profile id of who asks; "" where nobody does
	Role                   string // their role, a SNOMED code
	UseContext             string
	// Base is the FHIR base of the target where the caller knows it; else the
	// Router does. It isn't sent.
	Base string
}

// Software is a product as the standard identifies it.
type Software struct{ System, ID, Name, Version string }

// ids makes the ids that are missing.
func (h Headers) ids(newID func() string) Headers {
	if h.RequestID == "" {
		h.RequestID = newID()
	}
	if h.Correlation == "" {
		h.Correlation = newID()
	}
	return h
}

func (h Headers) write(to http.Header, s Software) {
	to.Set(headerRequestID, h.RequestID)
	to.Set(headerCorrelation, h.Correlation)
	if h.Target.Value != "" {
		to.Set(headerTarget, encode64(fhir.Obj("value", h.Target.Value, "system", h.Target.System)))
	}
	if h.Organisation != "" {
		to.Set(headerOrganisation, encode64(fhir.NewObject("Organization").
			Set("identifier", []*fhir.Object{fhir.Obj("value", string(h.Organisation), "system", nhs.SystemODS)}).
			Set("name", h.OrganisationName)))
	}
	if h.Practitioner != "" {
		to.Set(headerPractitioner, encode64(fhir.NewObject("PractitionerRole").
			Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemSDSRole, "value", h.Practitioner)}).
			Set("code", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", nhs.SystemSNOMED, "code", h.Role)})})))
	}
	// The standard has one object where R4's Device has a list of them.
	to.Set(headerSoftware, encode64(fhir.NewObject("Device").
		Set("identifier", []*fhir.Object{fhir.Obj("system", s.System, "value", s.ID)}).
		Set("deviceName", fhir.Obj("name", s.Name, "type", "manufacturer-name")).
		Set("version", fhir.Obj("value", s.Version))))
	if h.UseContext != "" {
		to.Set("use-context", h.UseContext)
	}
}

func encode64(o *fhir.Object) string { return base64.StdEncoding.EncodeToString(o.JSON()) }

// equalFold compares ids, whose case doesn't count; an empty one equals none.
func equalFold(a, b string) bool { return a != "" && strings.EqualFold(a, b) }
