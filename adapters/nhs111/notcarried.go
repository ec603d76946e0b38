package nhs111

// Omission is a part of a document that the mapping leaves to the original,
// which is kept whole.
type Omission struct {
	Path string // from ClinicalDocument; "//" stands for any place
	Why  string
}

// NotCarried lists every part of an NHS 111 report that has no place in the
// FHIR resources. A test holds the mapping to it.
var NotCarried = []Omission{}
