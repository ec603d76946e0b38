package validate

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/fhirtest"
)

// invalidExamples are the official R4 examples that break R4's own rules, each
// with one of the issues that it must have.
var invalidExamples = map[string]string{
	"ActivityDefinition-blood-tubes-supply.json":                                               "rule ActivityDefinition.text.div txt-2",                     // white space only
	"ActivityDefinition-heart-valve-replacement.json":                                          "rule ActivityDefinition.text.div txt-2",                     // white space only
	"EventDefinition-example.json":                                                             "rule EventDefinition.text.div txt-2",                        // white space only
	"Questionnaire-zika-virus-exposure-assessment.json":                                        "rule Questionnaire.text.div txt-2",                          // white space only
	"Bundle-dataelements.json":                                                                 "rule Bundle bdl-7",                                          // the same fullUrls several times
	"DeviceMetric-example.json":                                                                "rule DeviceMetric.parent.reference",                         // a DeviceDefinition for a Device
	"DeviceUseStatement-example.json":                                                          "rule DeviceUseStatement.reasonReference[0].reference",       // a Procedure
	"MedicationRequest-medrx0301.json":                                                         "rule MedicationRequest.dispenseRequest.performer.reference", // a Practitioner for an Organization
	"Observation-clinical-gender.json":                                                         "rule Observation.performer[0].reference",                    // an Encounter
	"ImplementationGuide-fhir.json":                                                            "rule ImplementationGuide.status",                            // missing
	"ig-r4.json":                                                                               "rule ImplementationGuide.status",                            // missing
	"Questionnaire-qs1.json":                                                                   "rule Questionnaire.item[0].item[0].linkId",                  // missing
	"SearchParameter-codesystem-extensions-CodeSystem-author.json":                             "rule SearchParameter.base",                                  // missing, as in the next nine
	"SearchParameter-codesystem-extensions-CodeSystem-effective.json":                          "rule SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-end.json":                                "rule SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-keyword.json":                            "rule SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-workflow.json":                           "rule SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-author.json":                                 "rule SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-effective.json":                              "rule SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-end.json":                                    "rule SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-keyword.json":                                "rule SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-workflow.json":                               "rule SearchParameter.base",
	"SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "value SearchParameter.id", // 67 characters
}

func TestOfficialExamplesAreAcceptedExceptWrongOnes(t *testing.T) {
	folder := fhirtest.Examples(t)
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	require.Greater(t, len(files), 5000)
	accepted, refused := 0, 0
	for _, file := range files {
		name := filepath.Base(file)
		if name == "package.json" || name == ".index.json" {
			continue // of the package, not a resource
		}
		got := checkSample(t, file)
		if want, wrong := invalidExamples[name]; wrong {
			refused++
			require.Contains(t, got, want, name)
			continue
		}
		accepted++
		require.Empty(t, got, name)
	}
	require.Len(t, invalidExamples, refused, "an invalid example isn't there any more")
	t.Logf("%d examples accepted, %d rightly refused", accepted, refused)
}
