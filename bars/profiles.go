package bars

import "github.com/onward-health/onward/fhir"

// Profiles holds resources to the profiles that they claim in meta.profile.
// Check returns what is wrong (KindInvariant), or nil.
type Profiles interface {
	Check(r *fhir.Resource) *fhir.Outcome
}

// keepsProfiles refuses a resource, or a bundle of them, that breaks a profile
// which it claims, where the operator has that enforced.
func (d *Desk) keepsProfiles(r *fhir.Resource) error {
	if d.profiles == nil {
		return nil
	}
	if o := d.profiles.Check(r); o != nil {
		return o
	}
	return nil
}

// checkProfiles holds the resources of a message to the profiles that they
// claim; in lenient mode a broken one is a warning.
func (m *message) checkProfiles(d *Desk) error {
	err := d.keepsProfiles(m.bundle)
	if err == nil || m.mode == Strict {
		return err
	}
	m.warnings = append(m.warnings, fhir.AsOutcome(err).Issues...)
	return nil
}
