package nhs111

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestARefusalIsToldToASenderThatAskedForAcknowledgements(t *testing.T) {
	asked := edit{`ackrequested" value="false"`, both}
	item := `mimetype="text/xml" ` + composedProfile
	for _, c := range []struct {
		name  string
		edits []edit
		fail  error
		want  []string // service and code or acknowledgement code
	}{
		{"a wrong envelope", []edit{asked, {item, `mimetype="text/xml" profileid="x"`}}, nil, []string{infrastructureService, "DE0007"}},
		{"a wrong count", []edit{asked, {`<itk:payloads count="1">`, `<itk:payloads count="2">`}}, nil, []string{infrastructureService, "DE0006"}},
		{"no document", []edit{asked, {"<ClinicalDocument ", "<Other "}, {"</ClinicalDocument>", "</Other>"}}, nil, []string{infrastructureService, "DE0012"}},
		{"wrong content", []edit{asked, {`<effectiveTime value="20260302102200"/>`, `<effectiveTime value="x"/>`}}, nil, []string{infrastructureService, "OK", businessService, "AE"}},
		{"refused by the room", []edit{asked}, fhir.NewOutcome(fhir.KindConflict, "Bundle.x", "another version came"), []string{infrastructureService, "OK", businessService, "AE"}},
		{"not asked for", []edit{{item, `mimetype="text/xml" profileid="x"`}}, nil, nil},
		{"try again later", []edit{asked}, unavailable(), nil},
		{"a message that has expired", []edit{asked, {"2026-03-02T10:35:00Z", "2026-03-02T10:25:00Z"}, {"2026-03-02T10:25:00Z", "2026-03-02T09:25:00Z"}}, nil, nil},
		{"to another than who speaks", []edit{asked, {item, `mimetype="text/xml" profileid="x"`}, {composedAudit, auditURI + "A1002"}}, nil, nil},
		{"not allowed to speak", []edit{asked, {item, `mimetype="text/xml" profileid="x"`}, {composedAudit, auditURI + "A1003"}, {odsURI + "A1001:442", odsURI + "A1003"}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			desk := &recordingDesk{fail: c.fail}
			o := acknowledging()
			o.Entitled = func(_ *http.Request, organisation nhs.ODSCode) bool { return organisation != "A1003" }
			body := compose(t, c.edits...)
			h := New(desk, o)
			require.NotEqual(t, http.StatusOK, send(h, reportPath, "text/xml", body).Code)
			list := queued(t, desk.told)
			var got []string
			for _, ack := range list {
				require.Equal(t, "A1001", ack.Recipient)
				e := readDistribution(t, ack.Body)
				payload := payloadElement(e.Payloads[0])
				if said := payload.Child("errors", "errorInfo", "ErrorCode").Content(); said != "" {
					require.Equal(t, "Failure", payload.Attr("result"))
					got = append(got, e.Service, said)
				} else {
					got = append(got, e.Service, payload.Attr("result")+payload.Child("acknowledgedBy3").Attr("typeCode"))
				}
			}
			require.Equal(t, c.want, got)
			desk.told = nil
			send(h, reportPath, "text/xml", body)
			for i, again := range queued(t, desk.told) {
				require.Equal(t, list[i].ID, again.ID, "the same refusal waits once")
			}
		})
	}
}
