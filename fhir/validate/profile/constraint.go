package profile

// prepare makes a constraint ready. It returns why it can't be checked, or "".
func (c *constraint) prepare() string {
	if c.expression == "" {
		return "it has no FHIRPath expression"
	}
	test, ok := parseExpression(c.expression)
	if !ok {
		return "its FHIRPath is more than this server evaluates"
	}
	c.test = test
	return ""
}

// constraint checks an invariant of a profile. As in other validators it is
// broken unless it is true, so also where its operands aren't there.
func (c *checker) constraint(it item, k *constraint) {
	if truth(k.test(c.set.tables, collection{{it: it}})) == isTrue {
		return
	}
	severity := Error
	if k.warning {
		severity = Warning
	}
	text := "the constraint " + k.key + " is broken"
	if k.human != "" {
		text += ": " + k.human
	}
	c.say(severity, "invariant", it.path(), text, k.src)
}
