package profile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/fhir/validate/profile"
)

const ukCore = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"

// notEnforced are the parts of the published profiles that can't be checked.
// Most are definitions of the standard's own extensions, which the packages of
// UK Core don't hold; add those to the folder and they are checked too.
var notEnforced = []string{
	"CodeSystem-UKCore-EthnicCategoryScotland.xml ",                          // a stray letter between elements
	"Extension-UKCore-ObservationTriggeredBy.xml Extension.extension:type",   // an R5 value set
	"Extension-UKCore-PatientFetalStatus.xml Extension.value[x]",             // an R6 value set
	"Extension-UKCore-SubscriptionContent.xml Extension.value[x]",            // an R5 value set
	"UKCore-Observation-Lab.xml Observation.code.coding.extension:reference", // extension of the standard
	"UKCore-Observation-VitalSigns-BodyHeight.xml Observation.value[x]",      // units, selected by a filter
	"UKCore-Observation-VitalSigns.xml Observation.extension:bodyPosition",   // extension of the standard
	"UKCore-Organization.xml Organization.extension:organizationPeriod",      // extension of the standard
	"UKCore-Patient.xml Patient.birthDate.extension:birthTime",               // extension of the standard
	"UKCore-Patient.xml Patient.communication.extension:proficiency",         // extension of the standard
	"UKCore-Patient.xml Patient.extension:birthPlace",                        // extension of the standard
	"UKCore-Patient.xml Patient.extension:cadavericDonor",                    // extension of the standard
	"UKCore-Patient.xml Patient.extension:patientInterpreterRequired",        // extension of the standard
	"UKCore-Specimen.xml Specimen.collection.extension:specialHandling",      // extension of the standard
}

func TestThePublishedProfilesLoadAndSayWhatIsNotEnforced(t *testing.T) {
	s := publishedSet(t)
	require.Equal(t, 163, s.Len())
	var got []string
	for _, u := range s.Unenforced() {
		got = append(got, filepath.Base(u.File)+" "+u.Element)
	}
	require.Equal(t, notEnforced, got)
	require.Contains(t, s.Supported("ServiceRequest"), ukCore+"ServiceRequest")
	require.Contains(t, s.Supported("ServiceRequest"), "https://fhir.nhs.uk/StructureDefinition/BARSServiceRequest-request-referral")
}

// loadPublished loads them once for all tests.
var loadPublished = sync.OnceValues(func() (*profile.Set, error) { return profile.Load(os.DirFS(fhirtest.Place("profiles"))) })

func publishedSet(t testing.TB) *profile.Set {
	fhirtest.Published(t, "profiles")
	s, err := loadPublished()
	require.NoError(t, err)
	return s
}

// disagreements are the rules that published samples break, by how the sample's
// file and the broken rule's profile and element end. All are the samples'.
var disagreements = []struct{ file, rule, reason string }{
	{"", "NHSNumberVerificationStatus Extension.value[x]", "UK Core 2 has new code systems; BaRS still sends the words of the retired one"},
	{"", "UKCore-Patient Patient.communication.language", "UK Core 2 asks for BCP 47; BaRS still sends UK Core's own code system of languages"},
	{"slot-search-success.json", "Extension-UKCore-DeliveryChannel Extension.value[x]", "a code where the definition has a CodeableConcept"},
	{"slot-searchset.xml", "Extension-UKCore-DeliveryChannel Extension.value[x]", "a code where the definition has a CodeableConcept"},
	{"patient-contact-relationship-self.xml", "Extension-UKCore-BirthSex Extension.value[x]", "a code where the definition has a CodeableConcept"},
	{"servicerequest-patch-body.json", "UKCore-Appointment ", "a ServiceRequest that claims the profile of an Appointment"},
	{"process-message-validation-http-response.json", "servicerequest-request MessageHeader.reason.coding.system", "the system's name is spelled otherwise"},
}

// TestPublishedSamplesKeepTheirProfiles holds each sample against what it claims
// and against the UK Core profile of its type.
func TestPublishedSamplesKeepTheirProfiles(t *testing.T) {
	s := publishedSet(t)
	folder := fhirtest.Published(t, "samples")
	used := make([]int, len(disagreements))
	checked, clean := 0, 0
	for _, standard := range []string{"bars", "uk-core"} {
		err := filepath.WalkDir(filepath.Join(folder, standard), func(path string, _ fs.DirEntry, err error) error {
			if extension := filepath.Ext(path); err != nil || extension != ".json" && extension != ".xml" {
				return err
			}
			r := readSample(t, path)
			if r == nil {
				return nil // package validate's test lists it
			}
			var fitting []*profile.Profile
			if p := s.Find(ukCore + r.Type()); p != nil {
				fitting = append(fitting, p)
			}
			checked++
			report := s.Validate(r, fitting...)
			if report.OK() {
				clean++
			}
			for _, i := range report.Issues {
				if i.Severity != profile.Error {
					continue
				}
				at := slices.IndexFunc(disagreements, func(d struct{ file, rule, reason string }) bool {
					return strings.HasSuffix(path, d.file) && strings.HasSuffix(i.Profile+" "+i.Element, d.rule)
				})
				require.GreaterOrEqual(t, at, 0, "%s: %s: %s", path, i.Expression, i.Diagnostics())
				used[at]++
			}
			return nil
		})
		require.NoError(t, err)
	}
	for i, d := range disagreements {
		require.Positive(t, used[i], "%s: %s isn't broken any more", d.file, d.rule)
	}
	t.Logf("%d samples checked, %d without a broken rule", checked, clean)
}

func readSample(t testing.TB, path string) *fhir.Resource {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var r *fhir.Resource
	if filepath.Ext(path) == ".xml" {
		r, err = fhirxml.ToJSON(text, r4.Tables)
	} else {
		r, err = fhir.Parse(text)
	}
	if err != nil {
		return nil
	}
	return r
}

// TestUKCoreRefusesWhatItShould breaks UK Core's own rules.
func TestUKCoreRefusesWhatItShould(t *testing.T) {
	s := publishedSet(t)
	for _, c := range []struct{ name, resource, want string }{
		{"two NHS numbers", patient(nhs + "," + nhs), "structure Patient.identifier[1]"},
		{"an NHS number without value", patient(`{"system":"https://fhir.nhs.uk/Id/nhs-number"}`), "required Patient.identifier[0].value"},
		{"two identifiers", patient(nhs + "," + local), ""},
		{"ethnic category twice", extended("extension", ethnic+","+ethnic), "structure Patient.extension[1]"},
		{"a booking organisation that is a Patient", `{"resourceType":"Appointment","extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BookingOrganization","valueReference":{"reference":"Patient/1"}}]}`,
			"structure Appointment.extension[0].valueReference"},
		{"an address key without value or with a type of no system", `{"resourceType":"Patient","address":[{"extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-AddressKey","extension":[{"url":"type","valueCodeableConcept":{"text":"t"}}]}]}]}`,
			"required Patient.address[0].extension[0].extension,required Patient.address[0].extension[0].extension"},
	} {
		var got []string
		r := parse(t, c.resource)
		for _, i := range s.Validate(r, s.Find(ukCore+r.Type())).Issues {
			if i.Severity == profile.Error {
				got = append(got, i.Code+" "+i.Expression)
			}
		}
		require.Equal(t, c.want, strings.Join(got, ","), c.name)
	}
}

const ethnic = `{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory","valueCodeableConcept":{"coding":[{"system":"https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland","code":"A"}]}}`

// BenchmarkUKCorePatient is the cost of holding a Patient of some 2.4 kB against
// UK Core's profile.
func BenchmarkUKCorePatient(b *testing.B) {
	s := publishedSet(b)
	r := readSample(b, filepath.Join(fhirtest.Published(b, "samples"), "uk-core", "UKCore-Patient-RichardSmith-Example.xml"))
	p := s.Find(ukCore + "Patient")
	b.ReportMetric(float64(len(r.JSON())), "bytes")
	b.ReportAllocs()
	for b.Loop() {
		if !s.Validate(r, p).OK() {
			b.Fatal("the sample keeps its profile")
		}
	}
}

func BenchmarkLoadPublished(b *testing.B) {
	folder := os.DirFS(fhirtest.Published(b, "profiles"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := profile.Load(folder); err != nil {
			b.Fatal(err)
		}
	}
}
