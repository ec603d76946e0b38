package bars

import (
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// patientRules are about the Patient and the people to call. The contact of
// rank 1 and its telecom of rank 1 are the number to call back: two of a rank
// would leave that open.
var patientRules = []elementRule{
	{id: "nhs-number-status", on: "Patient", path: "identifier.extension", apps: []int{1, 2, 3, 4, 5, 7}, check: numberStatus(nhs.NumberVerified, nhs.NumberNotTraced),
		text: "an NHS number may only be sent with the verification status number-present-and-verified or number-present-but-not-traced"},
	{id: "nhs-number-verified", on: "Patient", path: "identifier.extension", apps: []int{8}, check: numberStatus(nhs.NumberVerified),
		text: "an NHS number may only be sent with the verification status number-present-and-verified"},
	{id: "nhs-number-given", on: "Patient", path: "identifier", apps: []int{8}, check: numberGiven,
		text: "the NHS number is needed"},
	{id: "sex-and-age-as-observation", on: "Patient", path: "extension", check: noSexOrAge,
		text: "birth sex and estimated age must be Observations, not extensions of the Patient"},
	{id: "patient-address", on: "Patient", path: "address", apps: []int{8}, check: someWith("use", "line", "postalCode"),
		text: "an address with use, line and postalCode is needed"},
	{id: "contact-given", on: "Patient", path: "contact", apps: []int{1, 2, 3, 4, 5, 6, 7}, check: present,
		text: "at least one contact is needed"},
	{id: "contact-rank", on: "Patient", path: "contact.extension", check: contactRank,
		text: "each contact needs its ContactRank, a positive number"},
	{id: "contact-first", on: "Patient", path: "contact", check: contactFirst,
		text: "exactly one contact must have the rank 1"},
	{id: "contact-relationship", on: "Patient", path: "contact.relationship", apps: []int{1, 2, 3, 4, 5, 6, 7}, check: eachContact(codedAnyhow),
		text: "each contact needs a relationship with system and code"},
	{id: "contact-telecom", on: "Patient", path: "contact.telecom", check: eachContact(present),
		text: "each contact needs a telecom"},
	{id: "telecom-content", on: "Patient", path: "contact.telecom", apps: []int{1, 2, 3, 4, 5, 6, 7}, check: eachWith("system", "value"),
		text: "each telecom of a contact needs system and value"},
	{id: "telecom-rank", on: "Patient", path: "contact.telecom", check: eachWith("rank"),
		text: "each telecom of a contact needs a rank"},
	{id: "telecom-first", on: "Patient", path: "contact.telecom", check: telecomFirst,
		text: "exactly one telecom of each contact must have the rank 1"},
	{id: "contact-phone", on: "Patient", path: "contact.telecom", check: contactPhone,
		text: "the contact of rank 1 needs a phone"},
}

// numbers ranges over the NHS numbers of a Patient.
func numbers(patient fhir.Value) []fhir.Value {
	var list []fhir.Value
	for id := range patient.Get("identifier").Items() {
		if nhs.Canonical(id.Get("system").Text()) == nhs.SystemNHSNumber && id.Get("value").Text() != "" {
			list = append(list, id)
		}
	}
	return list
}

func numberStatus(permitted ...string) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		for _, id := range numbers(v) {
			if !slices.Contains(permitted, nhs.VerificationOf(id)) {
				x.fail(r, id, "extension")
			}
		}
	}
}

func numberGiven(x *elements, r *elementRule, v fhir.Value) {
	if len(numbers(v)) == 0 {
		x.fail(r, v, "identifier")
	}
}

// noSexOrAge looks at the names of extensions, because more than one has been
// published for each.
func noSexOrAge(x *elements, r *elementRule, v fhir.Value) {
	for ext := range v.Get("extension").Items() {
		url := strings.ToLower(strings.ReplaceAll(ext.Get("url").Text(), "-", ""))
		if strings.HasSuffix(url, "birthsex") || strings.HasSuffix(url, "estimatedage") {
			x.fail(r, ext, "")
		}
	}
}

// rankOf returns a contact's rank, 0 where it has none that is a positive
// number.
func rankOf(contact fhir.Value) int64 {
	for ext := range contact.Get("extension").Items() {
		if ext.Get("url").Text() != nhs.ExtContactRank {
			continue
		}
		if n, ok := ext.Get("valuePositiveInt").Int(); ok && n > 0 {
			return n
		}
	}
	return 0
}

func contactRank(x *elements, r *elementRule, v fhir.Value) {
	for contact := range v.Get("contact").Items() {
		if rankOf(contact) == 0 {
			x.fail(r, contact, "extension")
		}
	}
}

func contactFirst(x *elements, r *elementRule, v fhir.Value) {
	if first := firstContacts(v); v.Get("contact").Len() > 0 && len(first) != 1 {
		x.fail(r, v, "contact")
	}
}

func firstContacts(patient fhir.Value) []fhir.Value {
	var list []fhir.Value
	for contact := range patient.Get("contact").Items() {
		if rankOf(contact) == 1 {
			list = append(list, contact)
		}
	}
	return list
}

// eachContact applies a form to each contact; the rule's path begins with
// "contact.".
func eachContact(check elementCheck) elementCheck {
	return func(x *elements, r *elementRule, v fhir.Value) {
		within := *r
		within.path = strings.TrimPrefix(r.path, "contact.")
		for contact := range v.Get("contact").Items() {
			check(x, &within, contact)
		}
	}
}

func telecomFirst(x *elements, r *elementRule, v fhir.Value) {
	for contact := range v.Get("contact").Items() {
		first := 0
		for telecom := range contact.Get("telecom").Items() {
			if n, ok := telecom.Get("rank").Int(); ok && n == 1 {
				first++
			}
		}
		if first != 1 && contact.Get("telecom").Len() > 0 {
			x.fail(r, contact, "telecom")
		}
	}
}

func contactPhone(x *elements, r *elementRule, v fhir.Value) {
	for _, contact := range firstContacts(v) {
		phone := false
		for telecom := range contact.Get("telecom").Items() {
			phone = phone || telecom.Get("system").Text() == "phone"
		}
		if !phone && contact.Get("telecom").Len() > 0 {
			x.fail(r, contact, "telecom")
		}
	}
}
