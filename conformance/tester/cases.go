package tester

import "slices"

// Cases lists the cases that no TestScript can say, in the order in which they
// run: a case that cancels what others look at comes after them.
func Cases() []Case {
	return slices.Concat(bookingCases(), referralCases(), applicationCases(), contentCases(), bookingFaults(),
		freedomCases(), linkCases(), validationCases(), responseCases(), answersToRequests(), onceCases(), visibilityCases(), restCases(), rescheduleCases(), writeCases(), cancelFaults(), cancelCases(), registryCases(), catalogueCases())
}
