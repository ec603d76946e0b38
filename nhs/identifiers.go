package nhs

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// Identifier systems in the spelling that we emit and index by (BaRS
// Core 1.5, identifiers). Peers also write "id" for "Id" and "http" for "https"; Canonical
// folds those.
const (
	SystemNHSNumber  = "https://fhir.nhs.uk/Id/nhs-number"
	SystemODS        = "https://fhir.nhs.uk/Id/ods-organization-code"
	SystemODSSite    = "https://fhir.nhs.uk/Id/ods-site-code"
	SystemDoS        = "https://fhir.nhs.uk/Id/dos-service-id"
	SystemERSDoS     = "https://fhir.nhs.uk/Id/ers-dos-service-id"
	SystemProduct    = "https://fhir.nhs.uk/Id/product-id"
	SystemSDSRole    = "https://fhir.nhs.uk/Id/sds-role-profile-id"
	SystemSDSUser    = "https://fhir.nhs.uk/Id/sds-user-id"
	SystemUBRN       = "https://fhir.nhs.uk/Id/UBRN"
	SystemSNOMED     = "http://snomed.info/sct"
	SystemDxCodes    = "https://fhir.nhs.uk/CodeSystem/pathways-dx-codes"
	SystemSGCodes    = "https://fhir.nhs.uk/CodeSystem/pathways-sg-codes"
	SystemSDCodes    = "https://fhir.nhs.uk/CodeSystem/pathways-sd-codes"
	SystemJourneyOID = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.49"
)

// UK Core extension and code system addresses.
const (
	ExtVerification    = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
	SystemVerification = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus"
	// SystemVerificationEngland took the place of SystemVerification in UK Core 2;
	// its codes have two digits, but words are sent under it too.
	SystemVerificationEngland = SystemVerification + "England"
	ExtContactRank            = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactRank"
	ExtDeliveryChannel        = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-DeliveryChannel"
	ProfileBase               = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"
)

// NHSNumber is a person's NHS number: ten digits without blanks.
type NHSNumber string

// Valid checks length, digits and the modulus 11 check digit.
func (n NHSNumber) Valid() bool {
	if len(n) != 10 {
		return false
	}
	sum := 0
	for i := 0; i < 10; i++ {
		c := n[i]
		if c < '0' || c > '9' {
			return false
		}
		if i < 9 {
			sum += int(c-'0') * (10 - i)
		}
	}
	check := (11 - sum%11) % 11 // 10 is no digit: such numbers aren't issued
	return check == int(n[9]-'0')
}

// ParseNHSNumber drops the blanks and hyphens that people write.
func ParseNHSNumber(s string) NHSNumber {
	return NHSNumber(strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "-", ""))
}

// ODSCode is an organisation or site code of the Organisation Data Service,
// upper case.
type ODSCode string

// ParseODSCode folds case and blanks; ok is false for what can't be a code.
func ParseODSCode(s string) (code ODSCode, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 3 || len(s) > 12 {
		return "", false
	}
	for i := 0; i < len(s); i++ { // before folding: some other letters fold to A to Z
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", false
		}
	}
	return ODSCode(strings.ToUpper(s)), true
}

// ServiceID names a service as a target identifier does: a system and a value,
// usually a DoS service id. The zero value names none.
type ServiceID struct{ System, Value string }

// ParseServiceID reads "system|value" or a bare value, which counts as a DoS
// service id (design D3). Without a value it names none. The bar may be written
// %7C, as in any URL.
func ParseServiceID(s string) ServiceID {
	system, value, found := CutServiceID(s)
	if !found {
		system, value = SystemDoS, s
	}
	if value == "" {
		return ServiceID{}
	}
	return ServiceID{Canonical(system), value}
}

// CutServiceID splits "system|value" at the bar as it was written, | or %7C.
func CutServiceID(s string) (system, value string, found bool) {
	for _, bar := range []string{"|", "%7C", "%7c"} {
		if system, value, found = strings.Cut(s, bar); found {
			return system, value, true
		}
	}
	return s, "", false
}

// String writes "system|value".
func (s ServiceID) String() string { return s.System + "|" + s.Value }

// Canonical folds the spellings of a system of the nhs.uk namespaces: scheme
// and the case of "Id" and of the last part. Any other system is returned as it
// is.
func Canonical(system string) string {
	lower := strings.ToLower(system)
	lower, found := strings.CutPrefix(lower, "https://")
	if !found {
		if lower, found = strings.CutPrefix(lower, "http://"); !found {
			return system
		}
	}
	name, found := strings.CutPrefix(lower, "fhir.nhs.uk/id/")
	if !found {
		return system
	}
	return "https://fhir.nhs.uk/Id/" + published(name)
}

// published gives the published spelling of the few names that aren't all
// lower case.
func published(lower string) string {
	switch lower {
	case "ubrn":
		return "UBRN"
	case "usrn":
		return "USRN"
	case "bars-identifier":
		return "BaRS-Identifier"
	case "pathwayid":
		return "PathwayId"
	case "nhsserviceinteractionid":
		return "nhsServiceInteractionId"
	case "nhsmhspartykey":
		return "nhsMhsPartyKey"
	case "nhsmhsfqdn":
		return "nhsMhsFQDN"
	case "nhsmhscpaid":
		return "nhsMhsCPAId"
	case "nhsmhsid":
		return "nhsMHSId"
	case "nhsspineasid":
		return "nhsSpineASID"
	}
	return lower
}

// NHSNumberOf returns the first NHS number of a Patient, "" where it has none.
func NHSNumberOf(patient *fhir.Resource) NHSNumber {
	for id := range fhir.Identifiers(patient.Get("identifier")) {
		if Canonical(id.System) == SystemNHSNumber && id.Value != "" {
			return ParseNHSNumber(id.Value)
		}
	}
	return ""
}

// ODSOf returns the first ODS code of an Organization, "" where it has none.
func ODSOf(organization *fhir.Resource) ODSCode {
	for id := range fhir.Identifiers(organization.Get("identifier")) {
		if Canonical(id.System) != SystemODS {
			continue
		}
		if code, ok := ParseODSCode(id.Value); ok {
			return code
		}
	}
	return ""
}
