package barsapi

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/nhs"
)

const slotPath = "/Slot?status=free&start=ge2026-11-21T00:00:00Z&start=le2026-11-22T00:00:00Z&Schedule.actor:HealthcareService=" + clinic +
	"&_include=Slot:schedule&_include=Schedule:actor:HealthcareService"

func TestHeadersThatAreMissingOrWrongAreRefused(t *testing.T) {
	const target, organisation, software, practitioner = "NHSD-Target-Identifier", "NHSD-End-User-Organisation", "NHSD-Requesting-Software", "NHSD-Requesting-Practitioner"
	s := open(t)
	for _, row := range []struct {
		name  string
		pairs []string
		issue string
	}{
		{"no request id", []string{"X-Request-Id", ""}, "required"},
		{"no correlation id", []string{"X-Correlation-Id", ""}, "required"},
		{"no target", []string{target, ""}, "required"},
		{"no organisation", []string{organisation, ""}, "required"},
		{"no software", []string{software, ""}, "required"},
		{"request id no UUID", []string{"X-Request-Id", "S3CRET"}, "value"},
		{"request id in braces", []string{"X-Request-Id", "{" + uuid.NewString() + "}"}, "value"},
		{"request id without hyphens", []string{"X-Request-Id", strings.ReplaceAll(uuid.NewString(), "-", "")}, "value"},
		{"correlation id no UUID", []string{"X-Correlation-Id", "1"}, "value"},
		{"missing before wrong", []string{"X-Request-Id", "S3CRET", target, ""}, "required"},

		{"target not Base64", []string{target, "%%%%"}, "value"},
		{"target in the clear", []string{target, `{"system":"S3CRET","value":"1"}`}, "value"},
		{"target in the URL alphabet", []string{target, base64.URLEncoding.EncodeToString([]byte(`{"system":"a???","value":"~~~>>>"}`))}, "value"},
		{"target no JSON", []string{target, encode("S3CRET")}, "value"},
		{"target cut off", []string{target, encode(`{"system":"x","value":`)}, "value"},
		{"target too long", []string{target, encode(`{"system":"x","value":"` + strings.Repeat("1", maxHeader) + `"}`)}, "value"},
		{"target with two values", []string{target, encode(`{"system":"x","value":"1","value":"2"}`)}, "value"},
		{"target an array", []string{target, encode(`[{"system":"x","value":"1"}]`)}, "structure"},
		{"target a text", []string{target, encode(`"S3CRET"`)}, "structure"},
		{"target null", []string{target, encode(` null `)}, "structure"},
		{"target empty", []string{target, encode(`{}`)}, "structure"},
		{"target without system", []string{target, encode(`{"value":"S3CRET"}`)}, "structure"},
		{"target without value", []string{target, encode(`{"system":"https://fhir.nhs.uk/Id/dos-service-id"}`)}, "structure"},
		{"target's value empty", []string{target, encode(`{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":""}`)}, "structure"},
		{"target's value a number", []string{target, encode(`{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":2000072489}`)}, "structure"},

		{"organisation not Base64", []string{organisation, "S3CRET!"}, "value"},
		{"organisation no JSON", []string{organisation, encode("S3CRET")}, "value"},
		{"organisation another type", []string{organisation, encode(`{"resourceType":"Patient"}`)}, "value"},
		{"organisation without ODS code", []string{organisation, encode(`{"resourceType":"Organization","name":"S3CRET"}`)}, "value"},
		{"organisation with nonsense for a code", []string{organisation, encode(`{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"S3CRET OR 1=1"}]}`)}, "value"},
		{"software not Base64", []string{software, "S3CRET!"}, "value"},
		{"software another type", []string{software, encode(`{"resourceType":"Organization"}`)}, "value"},
		{"practitioner not Base64", []string{practitioner, "S3CRET!"}, "value"},
		{"practitioner another type", []string{practitioner, encode(`{"resourceType":"Practitioner"}`)}, "value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := changed(row.pairs...)
			s.refused(s.do("GET", slotPath, h, ""), h, 400, row.issue, "REC_BAD_REQUEST")
		})
	}
}

func TestEveryMissingHeaderIsNamedAtOnce(t *testing.T) {
	s := open(t)
	h := http.Header{"Nhsd-Requesting-Practitioner": {encode(`{}`)}}
	r := s.refused(s.do("GET", slotPath, h, ""), h, 400, "required", "REC_BAD_REQUEST")
	require.Equal(t, 5, r.Get("issue").Len())
	for i, name := range []string{"X-Request-Id", "X-Correlation-Id", "NHSD-Target-Identifier", "NHSD-End-User-Organisation", "NHSD-Requesting-Software"} {
		require.Contains(t, r.Get("issue").At(i).Get("diagnostics").Text(), name)
	}
}

func TestAnUnknownTargetIsNotFound(t *testing.T) {
	s := open(t)
	h := changed("NHSD-Target-Identifier", targetOf("2000099999"))
	s.refused(s.do("GET", strings.Replace(slotPath, clinic, "2000099999", 1), h, ""), h, 404, "not-found", "REC_NOT_FOUND")
}

func TestOrganisationAndSoftwareMayBeAbsentInLenientMode(t *testing.T) {
	h := changed("NHSD-End-User-Organisation", "", "NHSD-Requesting-Software", "")
	s := openOn(t, bars.Options{Mode: bars.Lenient})
	require.Equal(t, 200, s.do("GET", slotPath, h, "").Code)
	for _, path := range []string{"/metadata", "/MessageDefinition?context=a1t2"} {
		require.Equal(t, 200, open(t).do("GET", path, h, "").Code, path)
	}
	h.Set("NHSD-End-User-Organisation", "S3CRET!")
	s.refused(s.do("GET", slotPath, h, ""), h, 400, "value", "REC_BAD_REQUEST")
}

func strictly(nhs.ServiceID) bars.Mode { return bars.Strict }

func TestHeadersAreReadInEverySpelling(t *testing.T) {
	for name, h := range map[string]http.Header{
		"as published":    changed(),
		"without padding": changed("NHSD-Target-Identifier", strings.TrimRight(targetOf(clinic), "=")),
		"upper-case ids":  changed("X-Request-Id", strings.ToUpper(uuid.NewString())),
		"old systems": changed("NHSD-Target-Identifier", encode(`{"system":"http://fhir.nhs.uk/id/dos-service-id","value":"`+clinic+`"}`),
			"NHSD-End-User-Organisation", encode(`{"name":"Test","identifier":[{"system":"https://fhir.nhs.uk/id/ods-organization-code","value":"a1001"}]}`)),
		"white space": changed("NHSD-Target-Identifier", encode(" {\n\"system\" : \"https://fhir.nhs.uk/Id/dos-service-id\", \"value\":\""+clinic+"\"} ")),
		"with a role": changed("NHSD-Requesting-Practitioner", encode(`{"resourceType":"PractitionerRole","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-role-profile-id","value":"555"}],"practitioner":{"identifier":{"system":"https://fhir.nhs.uk/Id/sds-user-id","value":"777"}},"code":[{"coding":[{"system":"http://snomed.info/sct","code":"62247001"}]}]}`),
			"NHSD-Requesting-Software", encode(`{"resourceType":"Device","identifier":[{"value":"T-1"}],"deviceName":{"name":"Product","type":"manufacturer-name"},"version":{"value":"1.0.0"}}`)),
		"a product id beside others": changed("NHSD-Requesting-Software", encode(`{"resourceType":"Device","identifier":[{"system":"https://supplier.example/Id/device","value":"T-1"},{"system":"https://fhir.nhs.uk/id/product-id","value":"P.1"}]}`)),
		"a product as in R4":         changed("NHSD-Requesting-Software", encode(`{"resourceType":"Device","identifier":[{"value":"T-1"}],"deviceName":[{"name":"Product","type":"manufacturer-name"}],"version":[{"value":"1.0.0"}]}`)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readHeaders(&http.Request{Header: h}, need{target: true, who: true}, strictly)
			require.NoError(t, err)
			require.Equal(t, nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, got.target)
			want := bars.Caller{Door: "bars", Organisation: "A1001", OrganisationName: "Test", Software: "T-1", RequestID: h.Get("X-Request-Id"), Correlation: h.Get("X-Correlation-Id"), Target: got.target}
			switch name {
			case "with a role":
				want.Practitioner, want.User, want.Role, want.SoftwareName, want.SoftwareVersion = "555", "777", "62247001", "Product", "1.0.0"
			case "a product as in R4":
				want.SoftwareName, want.SoftwareVersion = "Product", "1.0.0"
			case "a product id beside others":
				want.Software, want.SoftwareSystem = "P.1", nhs.SystemProduct
			default:
				want.SoftwareSystem = "https://supplier.example/Id/device"
			}
			require.Equal(t, want, got.caller)
		})
	}
}

// Lenient mode reads what is clear though the standard has it otherwise.
func TestLenientModeReadsHeadersThatAreClear(t *testing.T) {
	name := `{"resourceType":"Organization","identifier":[{"value":"A1001","system":"https://fhir.nhs.uk/Id/ods-organization-code"}],"name":"\u00ff>>>???~~~"}`
	forURLs := base64.URLEncoding.EncodeToString([]byte(strings.Replace(name, "\\u00ff", "\u00ff", 1)))
	require.Contains(t, forURLs, "_")
	for _, row := range [][2]string{
		{"NHSD-End-User-Organisation", forURLs},
		{"NHSD-End-User-Organisation", strings.TrimRight(forURLs, "=")},
		{"NHSD-Requesting-Practitioner", encode(`{"resourceType":"Practitioner","identifier":[{"system":"https://fhir.nhs.uk/Id/sds-user-id","value":"777"}]}`)},
	} {
		h := changed(row[0], row[1])
		require.Equal(t, 200, openOn(t, bars.Options{Mode: bars.Lenient}).do("GET", slotPath, h, "").Code, row[0])
		s := open(t)
		s.refused(s.do("GET", slotPath, h, ""), h, 400, "value", "REC_BAD_REQUEST")
	}
}

// A service may be held to the standard otherwise than the rest.
func TestHeadersAreAskedForAsTheServiceIsHeldToTheStandard(t *testing.T) {
	for _, row := range []struct {
		all, elsewhere bars.Mode
	}{{bars.Strict, bars.Lenient}, {bars.Lenient, bars.Strict}} {
		s := openOn(t, bars.Options{Mode: row.all, Modes: map[string]bars.Mode{elsewhere: row.elsewhere}})
		for service, mode := range map[string]bars.Mode{clinic: row.all, elsewhere: row.elsewhere} {
			h := changed("NHSD-End-User-Organisation", "", "NHSD-Target-Identifier", targetOf(service))
			w := s.do("GET", strings.Replace(slotPath, clinic, service, 1), h, "")
			if mode == bars.Lenient {
				require.Equal(t, 200, w.Code, "%s", w.Body)
				continue
			}
			s.refused(w, h, 400, "required", "REC_BAD_REQUEST")
		}
	}
}

func TestWhichRequestsSpeakBaRS(t *testing.T) {
	for _, row := range []struct {
		path, header string
		want         bool
	}{
		{"/FHIR/R4/Slot", "", false},
		{"/FHIR/R4/Slot", "X-Request-Id", false},
		{"/FHIR/R4/Slot", "X-Correlation-Id", false},
		{"/FHIR/R4/Slot", "Nhsd", false},
		{"/FHIR/R4/Slot", "X-Nhsd-Target-Identifier", false},
		{"/FHIR/R4/Slot", "Use-Context", false},
		{"/FHIR/R4/Slot", "Nhsd-Target-Identifier", true},
		{"/FHIR/R4/Slot", "Nhsd-End-User-Organisation", true},
		{"/FHIR/R4/Slot", "NHSD-anything", true},
		{"/FHIR/R4/Slot", "nhsd-Requesting-Software", true},
		{"/FHIR/R4/$process-message", "", true},
		{"/FHIR/R4/$process-messages", "", false},
	} {
		r := httptest.NewRequest("GET", "http://x"+row.path, nil)
		if row.header != "" {
			r.Header[row.header] = []string{"1"}
		}
		require.Equal(t, row.want, speaksBaRS(r), "%s %s", row.path, row.header)
	}
}

func TestTheDialectDecidesWhoAnswers(t *testing.T) {
	s := open(t)
	require.Equal(t, "plain", s.do("GET", slotPath, http.Header{}, "").Body.String())
	require.Equal(t, "Bundle", resource(t, s.do("GET", slotPath, speaking(), "")).Type())
	always := open(t, func(o *Options) { o.Always = true })
	h := http.Header{}
	always.refused(always.do("GET", slotPath, h, ""), h, 400, "required", "REC_BAD_REQUEST")

	// The standard's dialect doesn't reach what plain FHIR alone offers.
	for _, path := range []string{"/Patient/1", "/Patient", "/", "", "/Slot/1", "/Appointment/1/_history", "/metadata/", "/appointment", "/Appointment/", "/Appointment/1/2", "/$process-message/x"} {
		for _, verb := range []string{"GET", "PUT", "POST", "DELETE"} {
			h = speaking()
			s.refused(s.do(verb, path, h, ""), h, 404, "not-found", "REC_NOT_FOUND")
		}
	}
}

func FuzzHeaders(f *testing.F) {
	for _, text := range []string{targetOf(clinic), encode(`{"resourceType":"Organization","identifier":[{"value":"A1001","system":"https://fhir.nhs.uk/Id/ods-organization-code"}]}`),
		encode(`[]`), encode(`null`), "%%", "", "e30", encode(`{"identifier":{}}`)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := readTarget(text, bars.Lenient)
		if err == nil && text != "" && (id.System == "" || id.Value == "") {
			t.Fatal("a target without system or value was taken")
		}
		h := http.Header{}
		for _, name := range []string{headerOrganisation, headerSoftware, headerPractitioner} {
			h.Set(name, text)
			c, err := readCaller(h, bars.Lenient)
			if err != nil {
				continue
			}
			if code, ok := nhs.ParseODSCode(string(c.Organisation)); c.Organisation != "" && (!ok || code != c.Organisation) {
				t.Fatal("the organisation is no ODS code")
			}
		}
	})
}
