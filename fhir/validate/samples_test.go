package validate

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/fhir/fhirxml"
)

// invalidSamples are published samples that are rightly refused: each with one
// of the issues that it must have, as "class expression key", or how its bytes
// fail to be read.
var invalidSamples = map[string]string{
	"bars/api-json/capability-statement-v1.4.json":                     "structure CapabilityStatement.rest[0].security",                     // an array
	"bars/api-json/document-reference-search-empty.json":               "structure Bundle.entry",                                             // an empty array
	"bars/api-json/document-reference-search-success.json":             "unreadable: a member name stands twice",                             //
	"bars/api-json/endpoint-read-success.json":                         "structure Endpoint.connectionType.coding",                           // a concept where a Coding belongs
	"bars/api-json/endpoint-search-success.json":                       "structure Bundle.entry[0].resource.header",                          // a single value
	"bars/api-json/endpoint-template-post-body.json":                   "structure Endpoint.managingOrganization",                            // an array
	"bars/api-json/endpoint-template-read-success.json":                "structure Endpoint.managingOrganization",                            // an array
	"bars/api-json/healthcareservice-read-success.json":                "structure HealthcareService.providedBy",                             // an array
	"bars/api-json/healthcareservice-search-success.json":              "structure Bundle.entry[0].resource.providedBy",                      // an array
	"bars/api-json/message-definition-search-success.json":             "structure Bundle.entry[0].resource.useContext[0].code",              // an array
	"bars/api-json/process-message-booking-http-response.json":         "structure Bundle.entry[3].resource.Schedule",                        // a capital letter
	"bars/api-json/servicerequest-patch-body.json":                     "structure ServiceRequest.PatientInstruction",                        // a capital letter
	"bars/api-json/servicerequest-read-success.json":                   "structure ServiceRequest.basedOn",                                   // a single value
	"bars/api-json/servicerequest-search-success.json":                 "structure Bundle.entry[0].resourceType",                             // a resource as the entry itself
	"bars/bundles/referral-request-cad-out-of-area.xml":                "rule Bundle.entry[19].resource.clinicalStatus",                      // a coding without system
	"bars/bundles/slot-searchset.xml":                                  "value Bundle.entry[0].resource.serviceCategory[0].coding[0].system", // a space in front
	"bars/conformance/CodeSystem/rejected-reasons-bars.xml":            "unreadable: only XML 1.0 in UTF-8",                                  //
	"bars/fragments/questionnaire-response-pts.xml":                    "rule QuestionnaireResponse.encounter.reference",                     // "Ecounter"
	"bars/operation-outcomes/rec/500-REC_SERVER_ERROR-too-costly.json": "rule OperationOutcome.issue[0].code",                                // a space for the hyphen
	"bars/operation-outcomes/sandbox/invalid-base64.json":              "rule OperationOutcome.issue[0].code",                                // an HTTP status
	"bars/operation-outcomes/sandbox/unavailable.json":                 "rule OperationOutcome.issue[0].code",                                // an HTTP status
}

func TestPublishedSamplesAreAcceptedExceptWrongOnes(t *testing.T) {
	folder := fhirtest.Published(t, "samples")
	accepted, refused := 0, 0
	for _, standard := range []string{"bars", "uk-core"} {
		err := filepath.WalkDir(filepath.Join(folder, standard), func(path string, _ fs.DirEntry, err error) error {
			if extension := filepath.Ext(path); err != nil || extension != ".json" && extension != ".xml" {
				return err
			}
			name, err := filepath.Rel(folder, path)
			require.NoError(t, err)
			name = filepath.ToSlash(name)
			got := checkSample(t, path)
			if want, wrong := invalidSamples[name]; wrong {
				refused++
				require.Contains(t, got, want, name)
				return nil
			}
			accepted++
			require.Empty(t, got, name)
			return nil
		})
		require.NoError(t, err)
	}
	require.Len(t, invalidSamples, refused, "an invalid sample isn't there any more")
	t.Logf("%d samples accepted, %d rightly refused", accepted, refused)
}

// checkSample returns what is wrong with a file, in lines.
func checkSample(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var r *fhir.Resource
	if filepath.Ext(path) == ".xml" {
		r, err = fhirxml.ToJSON(text, tables)
	} else {
		r, err = fhir.Parse(text)
	}
	if err != nil {
		return "unreadable: " + err.Error()[strings.LastIndex(err.Error(), ": ")+2:]
	}
	return strings.Join(issues(t, string(r.JSON())), "\n")
}
