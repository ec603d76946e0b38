package main

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAReportSentBySOAPIsReadBackAsSTU3(t *testing.T) {
	s := start(t)
	report, err := os.ReadFile("../../testdata/tour/report.xml")
	require.NoError(t, err)
	id := regexp.MustCompile(`MessageID>([^<]+)<`).FindSubmatch(report)[1]
	require.Equal(t, 200, s.do("POST", "/nhs111/report", http.Header{"Content-Type": {"text/xml"}}, report).status)

	a := s.do("GET", "/nhs111/report/"+string(id), http.Header{"Accept": {"application/fhir+json; fhirVersion=3.0"}}, nil)
	require.Equal(t, 200, a.status, "%s", a.body)
	var bundle struct {
		ResourceType, Type string
		Entry              []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	require.NoError(t, json.Unmarshal(a.body, &bundle))
	require.Equal(t, "message", bundle.Type)
	require.Equal(t, "MessageHeader", bundle.Entry[0].Resource.ResourceType)
	require.Equal(t, 404, s.do("GET", "/nhs111/report/00000000-0000-4000-8000-000000000000", http.Header{"Accept": {"application/fhir+json; fhirVersion=3.0"}}, nil).status)
}
