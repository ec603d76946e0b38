package roomtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirtest"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store/sqlite"
)

// strictDesk hands what the door translated to the room as if it were a BaRS
// sender's: strict, with no allowance for translated content, and then once more
// on its own, without the documents, as it would be sent on.
type strictDesk struct {
	*bars.Desk
	sentOn *bars.Desk
	taken  int
}

func (d *strictDesk) Message(ctx context.Context, req bars.MessageRequest) (*bars.MessageResult, error) {
	req.Mode, req.Translated = bars.Strict, false
	result, err := d.Desk.Message(ctx, req)
	if err != nil {
		return nil, err
	}
	alone := bars.MessageRequest{Caller: req.Caller, Key: req.Key, Target: req.Target, Bundle: req.Bundle, Body: req.Bundle.JSON(), Mode: bars.Strict}
	alone.Caller.Door = "bars"
	if _, err := d.sentOn.Message(ctx, alone); err != nil {
		return nil, fmt.Errorf("sent on: %w", err)
	}
	d.taken++
	return result, nil
}

func (d *strictDesk) Attach(ctx context.Context, req bars.AttachRequest) (*bars.MessageResult, error) {
	req.Translated = false
	d.taken++
	return d.Desk.Attach(ctx, req)
}

var (
	dosAddress  = regexp.MustCompile(`type="2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.18\.44"\s+uri="(\d+)"|uri="(\d+)"\s+type="2\.16\.840\.1\.113883\.2\.1\.3\.2\.4\.18\.44"`)
	odsAddress  = regexp.MustCompile(`uri="urn:nhs-uk:addressing:ods:([A-Z0-9]+)`)
	serviceName = regexp.MustCompile(`service="([^"]*)"`)
	placeholder = regexp.MustCompile(`@@[A-Za-z0-9_-]+@@`)
	otherNumber = regexp.MustCompile(`root="2\.16\.840\.1\.113883\.2\.1\.4\.1" extension="(\d{10})"`)
	comment     = regexp.MustCompile(`(?s)<!--.*?-->`)
	xmlHeader   = regexp.MustCompile(`^\s*<\?xml[^>]*\?>`)
)

// exceptions are published messages that strict BaRS refuses, and why.
var exceptions = map[string]string{
	"REPC_EX200001GB02_02_ITK.xml": "the NHS number's check digit is wrong",
	// The report names the condition in words alone, and we make no codes up. As
	// translated messages they are taken, with a warning.
	"repeat-caller-exampleV1.request.xml": "code needs a coding",
	"repeat-caller.request.xml":           "code needs a coding",
	"POCD_EX200001GB02_03_ITK.xml":        "code needs a coding",
	"fhir-structure-itk-request.xml":      "code needs a coding",
}

func TestEveryPublishedReportIsAStrictBaRSReferralAndCanBeSentOn(t *testing.T) {
	dir := fhirtest.Published(t, "samples", "nhs111")
	var files []string
	for _, pattern := range []string{"adaptor-pairs/*.request.xml", "iuc-spec-examples/POCD*_ITK.xml", "iuc-spec-examples/REPC*_ITK.xml", "test-pack-templates/*.xml"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		files = append(files, found...)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			message := prepared(string(raw), name)
			dos := "9999999"
			if m := dosAddress.FindStringSubmatch(message); m != nil {
				dos = m[1] + m[2]
			}
			ods := odsAddress.FindStringSubmatch(message)[1]
			desk := &strictDesk{Desk: hosting(t, ods, dos), sentOn: hosting(t, ods, dos)}
			h := nhs111.New(desk, nhs111.Options{Mode: nhs111.Compat, Clock: now, NewID: uuid.NewString})
			w := post(h, "text/xml", []byte(message))
			if reason := exceptions[name]; reason != "" {
				require.Equal(t, http.StatusInternalServerError, w.Code)
				require.Contains(t, w.Body.String(), reason)
				return
			}
			_, fault, _ := strings.Cut(w.Body.String(), "<itk:ErrorText>")
			require.Equal(t, http.StatusOK, w.Code, fault)
			require.Equal(t, 1, desk.taken)
		})
	}
}

// prepared fills a template's places and wraps what has no SOAP envelope.
func prepared(text, name string) string {
	text = strings.Replace(text, `"201121121305+00"`, `"201112210905+00"`, 1) // month 21
	number := "9990057699"
	if other := otherNumber.FindStringSubmatch(text); other != nil {
		number = other[1] // the documents of a set are of one patient
	}
	text = placeholder.ReplaceAllStringFunc(text, func(place string) string {
		for part, value := range map[string]string{"encounter-date-time": "202603021026", "ods-code": "B2002", "dos-code": "2000072489",
			"nhs-number": number, "disposition-code": "Dx06"} {
			if strings.Contains(place, part) {
				return value
			}
		}
		if strings.Contains(place, "date-time") {
			return "2026-03-02T10:26:00"
		}
		return "filled in"
	})
	if !strings.HasSuffix(name, "_ITK.xml") {
		return text
	}
	text = comment.ReplaceAllString(text, "") // some show an address in a comment
	if !odsAddress.MatchString(text[:strings.Index(text, "auditIdentity")]) {
		text = strings.Replace(text, "<itk:auditIdentity>", `<itk:addresslist><itk:address uri="urn:nhs-uk:addressing:ods:B2002"/></itk:addresslist><itk:auditIdentity>`, 1)
	}
	return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:MessageID>0A1B2C3D-0000-4000-8000-0A1B2C3D4E5F</a:MessageID><a:Action>` +
		serviceName.FindStringSubmatch(text)[1] + `</a:Action></s:Header><s:Body>` + xmlHeader.ReplaceAllString(text, "") + `</s:Body></s:Envelope>`
}

// hosting is a room that hosts one service.
func hosting(t *testing.T, ods, dos string) *bars.Desk {
	t.Helper()
	db, err := sqlite.Open(context.Background(), ":memory:", sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	desk := bars.NewDesk(db, bars.Options{Base: "https://onward.test/FHIR/R4", Now: now})
	load(t, desk, ods, dos, "")
	return desk
}

func load(t testing.TB, desk *bars.Desk, ods, dos, useCase string) {
	t.Helper()
	offers := ""
	if useCase != "" {
		offers = fmt.Sprintf(`,"type":[{"coding":[{"system":%q,"code":%q}]}]`, bars.SystemUseCases, useCase)
	}
	var directory []*fhir.Resource
	for _, text := range []string{
		fmt.Sprintf(`{"resourceType":"Organization","id":%q,"identifier":[{"system":%q,"value":%q}],"name":"Centre"}`, ods, nhs.SystemODS, ods),
		fmt.Sprintf(`{"resourceType":"HealthcareService","id":%q,"identifier":[{"system":%q,"value":%q}],"name":"Service","providedBy":{"reference":"Organization/%s"}%s}`, dos, nhs.SystemDoS, dos, ods, offers),
	} {
		r, err := fhir.Parse([]byte(text))
		require.NoError(t, err)
		directory = append(directory, r)
	}
	_, err := desk.Load(context.Background(), bars.Caller{Door: "setup"}, directory)
	require.NoError(t, err)
}
