package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/onward-health/onward/fhir/validate/profile"
)

// loadProfiles reads the folder of --profiles and logs what of it isn't
// enforced. Without a folder there are none.
func (c *serveCommand) loadProfiles(log *slog.Logger) (*profile.Set, error) {
	if c.Profiles == "" {
		if c.Enforce {
			return nil, errors.New("--enforce-profiles needs --profiles")
		}
		return nil, nil
	}
	profiles, err := profile.Load(os.DirFS(c.Profiles))
	if err != nil {
		return nil, fmt.Errorf("--profiles %s: %w", c.Profiles, err)
	}
	left := profiles.Unenforced()
	log.Info("profiles loaded", "count", profiles.Len(), "enforcedOnWrites", c.Enforce, "notEnforced", len(left))
	for _, u := range left {
		log.Warn("a rule of a profile is not enforced", "file", u.File, "element", u.Element, "reason", u.Reason)
	}
	return profiles, nil
}
