package bars

import "github.com/onward-health/onward/fhir"

// Profiles holds resources to the profiles that they claim in meta.profile.
// Check returns what is wrong (KindInvariant), or nil.
type Profiles interface {
	Check(r *fhir.Resource) *fhir.Outcome
}

// brokenProfile says what is wrong with a resource, or a bundle of them, by the
// profiles which it claims, where the operator has that enforced.
func (d *Desk) brokenProfile(r *fhir.Resource) *fhir.Outcome {
	if d.profiles == nil {
		return nil
	}
	return d.profiles.Check(r)
}

// keepsProfiles refuses what breaks a profile.
func (d *Desk) keepsProfiles(r *fhir.Resource) error {
	return asError(d.brokenProfile(r))
}

// checkProfiles holds the resources of a message to the profiles that they
// claim. In lenient mode a broken one is a warning, and so is one of a message
// that a door translated: the claim is our own.
func (m *message) checkProfiles(d *Desk, translated bool) error {
	o := d.brokenProfile(m.bundle)
	if o == nil {
		return nil
	}
	if m.mode == Strict && !translated {
		return o
	}
	m.warnings = append(m.warnings, o.Issues...)
	return nil
}
