package rest

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
)

// checkEnvelope looks for what isn't FHIR in a batch or transaction around the
// resources, which go through the checks of their own writes: a member that is
// none of FHIR's would else be dropped unseen. The entries of a batch are
// carried out by themselves, so their faults come back by their paths; the rules
// of a request are checked where it is read.
func (h *Handler) checkEnvelope(body *fhir.Resource) (faults map[string]*fhir.Outcome, err error) {
	report := h.validator.Resource(body, validate.Options{Envelope: true})
	report.Issues = slices.DeleteFunc(report.Issues, func(i validate.Issue) bool { return i.Class == validate.Rule })
	if body.Get("type").Text() != "batch" {
		if o := report.Outcome(); o != nil {
			return nil, o
		}
		return nil, nil
	}
	whole := validate.Report{}
	byEntry := map[string]*validate.Report{}
	for _, issue := range report.Issues {
		entry, _, found := strings.Cut(issue.Expression, "]")
		switch {
		case !found || !strings.HasPrefix(entry, "Bundle.entry["):
			whole.Issues = append(whole.Issues, issue)
		case byEntry[entry+"]"] == nil:
			byEntry[entry+"]"] = &validate.Report{Issues: []validate.Issue{issue}}
		default:
			byEntry[entry+"]"].Issues = append(byEntry[entry+"]"].Issues, issue)
		}
	}
	if o := whole.Outcome(); o != nil {
		return nil, o
	}
	faults = map[string]*fhir.Outcome{}
	for path, r := range byEntry {
		faults[path] = r.Outcome()
	}
	return faults, nil
}
