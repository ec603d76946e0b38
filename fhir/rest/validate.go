package rest

import (
	"net/http"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/fhir/validate/profile"
)

// validate answers POST [base]/Type/$validate and [base]/Type/id/$validate (R4
// resource-operation-validate.html). Nothing is stored. What is wrong with the
// resource is the answer, so its status is 200; a body that can't be read at all
// is refused as everywhere. Where profiles are loaded, the resource is also held
// against that which is asked for and those that it claims.
func (h *Handler) validate(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header); err != nil {
		return err
	}
	query, err := general(r, "mode", "profile")
	if err != nil {
		return err
	}
	asked := validation{mode: query.Get("mode"), profile: query.Get("profile"), profiled: query.Has("profile")}
	body, _, err := readResource(w, r, h.o.MaxBody, h.o.Tables)
	if err != nil {
		return err
	}
	if err := asked.read(body, at.typ); err != nil {
		return err
	}
	if err := asked.check(at); err != nil {
		return err
	}
	held, err := h.profileOf(asked)
	if err != nil {
		return err
	}
	if asked.mode == "delete" { // the content doesn't count
		_, err := h.backend.Read(r.Context(), at.typ, at.id)
		if err != nil {
			return err
		}
		return WriteResource(w, r, http.StatusOK, verdict(&validate.Report{}, &profile.Report{}))
	}
	report := h.validator.Resource(asked.res, validate.Options{})
	return WriteResource(w, r, http.StatusOK, verdict(report, h.o.Profiles.Validate(asked.res, held...)))
}

// profileOf finds the profile that is asked for.
func (h *Handler) profileOf(asked validation) ([]*profile.Profile, error) {
	if !asked.profiled || asked.mode == "delete" {
		return nil, nil
	}
	if p := h.o.Profiles.Find(asked.profile); p != nil {
		return []*profile.Profile{p}, nil
	}
	if h.o.Profiles.Len() == 0 {
		return nil, fhir.NewOutcome(fhir.KindNotSupported, "", "validation against a profile is not offered: this server has no profiles loaded")
	}
	return nil, fhir.NewOutcome(fhir.KindNotSupported, "", "this server has not loaded that profile, or not in that version; its CapabilityStatement lists those that it has")
}

// validation is what a $validate asks for.
type validation struct {
	res      *fhir.Resource
	mode     string // create, update, delete, profile or ""
	profile  string // canonical, perhaps with |version
	profiled bool
}

// read takes the resource and the parameters out of the body, which is a
// Parameters or the resource itself.
func (v *validation) read(body *fhir.Resource, typ string) error {
	if body.Type() != "Parameters" || typ == "Parameters" && !holdsResource(body) {
		v.res = body
		return nil
	}
	for p := range body.Get("parameter").Items() {
		switch p.Get("name").Text() {
		case "resource":
			if v.res != nil || p.Get("resource").Kind() != fhir.ObjectKind {
				return fhir.NewOutcome(fhir.KindInvalid, p.Path(), "the parameter resource must be there once and hold a resource")
			}
			v.res = p.Get("resource").Resource()
		case "mode":
			text := p.Get("valueCode").Text()
			if text == "" || v.mode != "" && v.mode != text {
				return fhir.NewOutcome(fhir.KindInvalid, p.Path(), "the parameter mode must be there once and hold a valueCode")
			}
			v.mode = text
		case "profile":
			text := p.Get("valueUri").Text() + p.Get("valueCanonical").Text()
			if text == "" || v.profiled && v.profile != text {
				return fhir.NewOutcome(fhir.KindInvalid, p.Path(), "the parameter profile must be there once and hold a valueUri or valueCanonical")
			}
			v.profile, v.profiled = text, true
		default:
			return fhir.NewOutcome(fhir.KindNotSupported, p.Path(), "this operation has no such parameter")
		}
	}
	return nil
}

func holdsResource(parameters *fhir.Resource) bool {
	for p := range parameters.Get("parameter").Items() {
		if p.Get("name").Text() == "resource" {
			return true
		}
	}
	return false
}

// check refuses what can't be asked of this place.
func (v *validation) check(at place) error {
	switch v.mode {
	case "", "create", "update":
	case "delete":
		if at.id == "" {
			return fhir.NewOutcome(fhir.KindInvalid, "", "mode delete needs an id in the path")
		}
		return nil
	case "profile":
		if !v.profiled {
			return fhir.NewOutcome(fhir.KindRequired, "", "mode profile needs the parameter profile")
		}
	default:
		return fhir.NewOutcome(fhir.KindValue, "", "mode must be create, update, delete or profile")
	}
	if v.res == nil {
		return fhir.NewOutcome(fhir.KindRequired, "", "there is no resource to validate")
	}
	if v.res.Type() != at.typ {
		return fhir.NewOutcome(fhir.KindInvalid, "resourceType", "resourceType must equal the type in the path")
	}
	id := v.res.ID()
	if at.id != "" && id != at.id && (v.mode == "update" || id != "") {
		return fhir.NewOutcome(fhir.KindInvalid, at.typ+".id", "the resource's id must equal the id in the path")
	}
	if v.mode == "update" && id == "" {
		return fhir.NewOutcome(fhir.KindInvalid, at.typ+".id", "a resource to update with must have an id")
	}
	return nil
}

// verdict is what the definitions and the profiles say, as an OperationOutcome.
func verdict(report *validate.Report, profiles *profile.Report) *fhir.Resource {
	var list []*fhir.Object
	for _, issue := range report.Issues {
		text := issue.Text
		if issue.Key != "" {
			text += " (" + issue.Key + ")"
		}
		item := fhir.Obj("severity", "error", "code", issueCode(issue.Class), "diagnostics", text)
		if issue.Expression != "" {
			item.Set("expression", []string{issue.Expression})
		}
		list = append(list, item)
	}
	for _, issue := range profiles.Issues {
		item := fhir.Obj("severity", string(issue.Severity), "code", issue.Code, "diagnostics", issue.Diagnostics())
		if issue.Expression != "" {
			item.Set("expression", []string{issue.Expression})
		}
		list = append(list, item)
	}
	switch {
	case report.Cut || profiles.Cut:
		list = append(list, fhir.Obj("severity", "error", "code", "incomplete", "diagnostics", "there are more problems than are listed here"))
	case len(list) == 0:
		list = append(list, fhir.Obj("severity", "information", "code", "informational", "diagnostics", "all is well"))
	}
	return fhir.NewObject("OperationOutcome").Set("issue", list).Resource()
}

func issueCode(c validate.Class) string {
	switch c {
	case validate.Structure:
		return "structure"
	case validate.Value:
		return "value"
	}
	return "invariant"
}
