package profile

// prepare makes a constraint ready. It returns why it can't be checked, or "".
func (c *constraint) prepare() string {
	return "FHIRPath isn't evaluated"
}

// constraint checks an invariant of a profile.
func (c *checker) constraint(it item, k *constraint) {}
