package nhs111

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	composedMessageID = `<ad:MessageID>8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F</ad:MessageID>`
	composedAction    = `<ad:Action e:mustUnderstand="1">urn:nhs-itk:services:201005:SendNHS111Report-v2-0</ad:Action>`
	composedTo        = `<ad:To>https://onward.test/nhs111/report</ad:To>`
	composedStamp     = `<u:Timestamp u:Id="T1"><u:Created>2026-03-02T10:25:00Z</u:Created><u:Expires>2026-03-02T10:35:00Z</u:Expires></u:Timestamp>`
	composedProfile   = `profileid="urn:nhs-en:profile:nhs111CDADocument-v2-0"`
	composedAudit     = `urn:nhs-uk:identity:ods:A1001:desk4`
	composedService   = `service="urn:nhs-itk:services:201005:SendNHS111Report-v2-0"`
	composedPayloadID = `uuid_8A1F0C52-3333-4E6B-9C55-0A1B2C3D4E5F`
	composedSpec      = `primaryOutofHourRecipientNHS111CDADocument-v2-0`
)

func soapChecks(rules checkRules) checkRules {
	rules.SOAPChecks, rules.SendTo = true, "https://onward.test/nhs111/report"
	return rules
}

func allowList(rules checkRules) checkRules {
	rules.ODSCodes, rules.DoSIDs = []string{"Z9999"}, []string{"1"}
	return rules
}

// row is one line of the reference adaptor's table of checks.
type row struct {
	name       string
	edits      []edit
	rules      func(checkRules) checkRules // nil: as they are
	text, diag string
	strictOnly bool
	code       string
}

func TestEachCheckOfTheReferenceHasItsTextInBothModes(t *testing.T) {
	item := `<itk:manifestitem id="` + composedPayloadID + `" mimetype="text/xml" ` + composedProfile + `/>`
	rows := []row{
		{name: "1 not XML", edits: []edit{{"</e:Envelope>", ""}}, text: "This is not a valid XML message", diag: "line 80: the XML ends too early"},
		{name: "2 no MessageID", edits: []edit{{composedMessageID, ""}}, text: "MessageId missing", strictOnly: true},
		{name: "2 empty MessageID", edits: []edit{{composedMessageID, "<ad:MessageID> </ad:MessageID>"}}, text: "MessageId missing", strictOnly: true},
		{name: "2 MessageID of another namespace", edits: []edit{{composedMessageID, `<MessageID xmlns="x">8A1F0C52-1111-4E6B-9C55-0A1B2C3D4E5F</MessageID>`}}, text: "MessageId missing", strictOnly: true},
		{name: "3 no DistributionEnvelope", edits: []edit{{"itk:DistributionEnvelope", "itk:Other"}}, text: "DistributionEnvelope missing"},
		{name: "3 DistributionEnvelope of another namespace", edits: []edit{{`xmlns:itk="urn:nhs-itk:ns:201005"`, `xmlns:itk="urn:nhs-itk:ns:201006"`}}, text: "DistributionEnvelope missing"},
		{name: "4 no trackingid", edits: []edit{{` trackingid="8A1F0C52-2222-4E6B-9C55-0A1B2C3D4E5F"`, ""}}, text: "Itk TrackingId missing"},
		{name: "4 no header", edits: []edit{{"itk:header", "itk:head"}}, text: "Itk TrackingId missing"},
		{name: "5 no Action", edits: []edit{{composedAction, ""}}, text: "Action node missing"},
		{name: "5 Action of another namespace", edits: []edit{{composedAction, `<x:Action xmlns:x="y">urn:nhs-itk:services:201005:SendNHS111Report-v2-0</x:Action>`}}, text: "Action node missing"},
		{name: "6 Action isn't the service", edits: []edit{{composedService, composedService[:len(composedService)-1] + `_DMS"`}}, text: "Soap Action is not equal to ITK service"},
		{name: "7 counts differ", edits: []edit{{`<itk:payloads count="1">`, `<itk:payloads count="01">`}}, text: "Manifest count and payload count don't match"},
		{name: "7 no manifest", edits: []edit{{"itk:manifest ", "itk:nomanifest "}, {"/itk:manifest>", "/itk:nomanifest>"}}, text: "Manifest count and payload count don't match"},
		{name: "8 manifest items", edits: []edit{{item, item + item}}, text: "Manifest count attribute and manifest items size don't match"},
		{name: "9 payload items", edits: []edit{{"</itk:payloads>", `<itk:payload id="x"/></itk:payloads>`}}, text: "Payload count attribute and payload items size don't match"},
		{name: "10 ids", edits: []edit{{`<itk:payload id="` + composedPayloadID, `<itk:payload id="X` + composedPayloadID}}, text: "Manifest and payload items IDs don't match"},
		{name: "11 no profile", edits: []edit{{composedProfile, ""}}, text: "Manifest profile Id missing"},
		{name: "12 wrong profile", edits: []edit{{composedProfile, `profileid="a&lt;b&amp;c"`}}, text: "Invalid manifest profile Id: a<b&c"},
		{name: "13 wrong identity", edits: []edit{{composedAudit, "urn:nhs-uk:identity:A1001"}}, text: "Invalid Audit Identity value: urn:nhs-uk:identity:A1001"},
		{name: "13 no identity", edits: []edit{{"itk:auditIdentity", "itk:noIdentity"}}, text: "Invalid Audit Identity value: "},
		{name: "13 identity that can't be a code", edits: []edit{{composedAudit, auditURI + "a b"}}, text: "Invalid Audit Identity value: " + auditURI + "a b"},
		{name: "14 no To", edits: []edit{{composedTo, ""}}, rules: soapChecks, text: "Send To missing"},
		{name: "15 other To", edits: []edit{{composedTo, "<ad:To>http://other.test/&lt;a&gt;</ad:To>"}}, rules: soapChecks, text: "Invalid Send To value: http://other.test/<a>"},
		{name: "16 no Timestamp", edits: []edit{{composedStamp, ""}}, rules: soapChecks, text: "Timestamp missing"},
		{name: "17 Created after Expires", edits: []edit{{"2026-03-02T10:25:00Z", "2026-03-02T10:36:00Z"}}, rules: soapChecks, text: "Invalid timestamp"},
		{name: "18 no Username", edits: []edit{{"sec:UsernameToken", "sec:Other"}}, rules: soapChecks, text: "Username missing"},
		{name: "19 ReplyTo", edits: []edit{{anonymous, "http://other.test/"}}, rules: soapChecks, text: "Invalid ReplyTo: http://other.test/"},
		{name: "20 foreign header", edits: []edit{{composedTo, composedTo + `<LocalHeaderElement xmlns="x" e:mustUnderstand="1"/>`}}, rules: soapChecks, text: "Rejecting foreign header", code: faultMustUnderstand},
		{name: "21 addresses", rules: allowList, text: "Message rejected", diag: "Both ODS code (B2002) and DOS ID (2000072489) are invalid"},
		{name: "21 no address", edits: []edit{{"itk:addresslist", "itk:noList"}}, text: "Message rejected", diag: "Both ODS code () and DOS ID () are invalid"},
		{name: "22 not a DistributionEnvelope", edits: []edit{{"</itk:header>", "</itk:header><itk:other/>"}}, text: "A DistributionEnvelope holds one header and one payloads and nothing else", diag: "DistributionEnvelope missing"},
		{name: "23 envelope", edits: []edit{{"8A1F0C52-2222", "8a1f0c52-2222"}}, text: "schema validation failed", diag: "header/@trackingid must be an upper-case UUID"},
		{name: "23 document", edits: []edit{{`<effectiveTime value="20260302102200"/>`, ""}}, text: "schema validation failed", diag: "ClinicalDocument/effectiveTime: must be there"},
		{name: "24 no document", edits: []edit{{"ClinicalDocument", "OtherDocument"}}, text: "Unable to find ClinicalDocument element", diag: "ClinicalDocument missing"},
		{name: "24 document of another namespace", edits: []edit{{`xmlns="urn:hl7-org:v3"`, `xmlns="urn:hl7-org:v2"`}}, text: "Unable to find ClinicalDocument element", diag: "ClinicalDocument missing"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for _, rules := range []checkRules{strictRules(), compatRules()} {
				if r.rules != nil {
					rules = r.rules(rules)
				}
				_, _, err := through(compose(t, r.edits...), "", rules)
				if rules.Mode == Compat && r.strictOnly {
					require.NoError(t, err)
					continue
				}
				diag, code := r.diag, r.code
				if diag == "" {
					diag = diagSOAP
				}
				if code == "" {
					code = faultClient
				}
				require.Equal(t, &fault{Code: code, Number: codeInvalid, Text: r.text, Diag: diag}, err)
			}
		})
	}
}

func TestOptionalChecksAreOffByDefault(t *testing.T) {
	bare := compose(t, edit{composedTo, ""}, edit{composedStamp, ""}, edit{"sec:UsernameToken", "sec:Other"})
	for _, rules := range []checkRules{strictRules(), compatRules()} {
		_, _, err := through(bare, "", rules)
		require.NoError(t, err)
	}
	_, _, err := through(compose(t), "", soapChecks(strictRules()))
	require.NoError(t, err)
}

func TestTimestampsMayHaveTheFormsThatSendersWrite(t *testing.T) {
	for stamp, ok := range map[string]bool{"2026-03-02T10:25:00.123Z": true, "2026-03-02T10:25:00": true, "2026-03-02T10:25:00+00:00": true,
		"2026-03-02T10:25:00+0000": true, "2026-03-02T05:25:00-0500": true, "2026-03-02 10:25:00": false, "20260302102500+0000": false, "2026-03-02+0000": false} {
		_, _, err := through(compose(t, edit{"2026-03-02T10:25:00Z", stamp}), "", strictRules())
		require.Equal(t, ok, err == nil, "%s: %v", stamp, err)
	}
}

func TestStrictModeAsksTheClockAndCompatDoesNot(t *testing.T) {
	for _, c := range []struct {
		name string
		now  time.Time
		diag string
	}{
		{"in force", testNow, ""},
		{"just expired", testNow.Add(13 * time.Minute), ""},
		{"expired", testNow.Add(15 * time.Minute), "The message has expired"},
		{"sender's clock a little ahead", testNow.Add(-5 * time.Minute), ""},
		{"from the future", testNow.Add(-10 * time.Minute), "The message was created in the future"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := through(compose(t), "", checkRules{Mode: Strict, Now: c.now})
			if c.diag == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, refuse("Invalid timestamp", c.diag), err)
			}
			_, _, err = through(compose(t), "", checkRules{Mode: Compat, Now: c.now})
			require.NoError(t, err)
		})
	}
	for _, bad := range []string{"", "yesterday", "2026-03-02"} {
		_, _, err := through(compose(t, edit{"2026-03-02T10:35:00Z", bad}), "", strictRules())
		require.Equal(t, refuse("Invalid timestamp", diagSOAP), err)
	}
}

func TestHeadersThatMustBeUnderstood(t *testing.T) {
	add := func(header string) []byte { return compose(t, edit{composedTo, composedTo + header}) }
	for _, c := range []struct {
		name    string
		body    []byte
		refused bool
	}{
		{"any name and prefix", add(`<q:anything xmlns:q="urn:q" e:mustUnderstand="1"/>`), true},
		{"written true", add(`<q:anything xmlns:q="urn:q" e:mustUnderstand="true"/>`), true},
		{"unknown addressing header", add(`<ad:Unknown e:mustUnderstand="1"/>`), true},
		{"for the next actor", add(`<q:a xmlns:q="urn:q" e:mustUnderstand="1" e:actor="http://schemas.xmlsoap.org/soap/actor/next"/>`), true},
		{"for another actor", add(`<q:a xmlns:q="urn:q" e:mustUnderstand="1" e:actor="urn:someone"/>`), false},
		{"a second Security for another actor", add(`<sec:Security e:mustUnderstand="1" e:actor="urn:someone"><u:Timestamp/><Signature xmlns="` + nsDSig + `"/></sec:Security>`), false},
		{"an Action for another actor", add(`<ad:Action e:actor="urn:someone">urn:another</ad:Action>`), false},
		{"not compulsory", add(`<q:a xmlns:q="urn:q" e:mustUnderstand="0"/>`), false},
		{"attribute without namespace", add(`<q:a xmlns:q="urn:q" mustUnderstand="1"/>`), false},
		{"a signature in a compulsory Security", compose(t, edit{"</sec:Security>", `<Signature xmlns="` + nsDSig + `"/></sec:Security>`}), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := through(c.body, "", strictRules())
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.Equal(t, faultMustUnderstand, err.(*fault).Code)
		})
	}
}

func TestWrappedAndRepeatedPartsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		edits []edit
		text  string
	}{
		{"a second body", []edit{{"</e:Body>", "</e:Body><e:Body/>"}}, "Soap Header or Body is repeated"},
		{"a second body child", []edit{{"</e:Body>", "<x/></e:Body>"}}, "Soap Body holds more than one element"},
		{"a second envelope", []edit{{"</e:Body>", `<itk:DistributionEnvelope xmlns:itk="` + nsITK + `"/></e:Body>`}}, "Soap Body holds more than one element"},
		{"the envelope wrapped in the header", []edit{{"<e:Body>", "<e:Header2><e:Body>"}, {"</e:Body>", "</e:Body></e:Header2>"}}, "DistributionEnvelope missing"},
		{"Action twice", []edit{{composedAction, composedAction + composedAction}}, "Soap header Action is repeated"},
		{"To twice", []edit{{composedTo, composedTo + composedTo}}, "Soap header To is repeated"},
		{"MessageID twice", []edit{{composedMessageID, composedMessageID + composedMessageID}}, "Soap header MessageID is repeated"},
		{"Action wrapped in a foreign header", []edit{{composedAction, "<x>" + composedAction + "</x>"}}, "Action node missing"},
		{"Action only in the document", []edit{{composedAction, ""}, {"<typeId", `<a:Action xmlns:a="` + nsWSA + `">urn:nhs-itk:services:201005:SendNHS111Report-v2-0</a:Action><typeId`}}, "Action node missing"},
		{"two ITK headers", []edit{{"</itk:header>", "</itk:header><itk:header/>"}}, "DistributionEnvelope holds header twice"},
		{"two audit identities", []edit{{"<itk:auditIdentity>", "<itk:auditIdentity/><itk:auditIdentity>"}}, "Itk header holds auditIdentity twice"},
		{"two interactions", []edit{{"ackrequested\" value=\"false\"", "interaction\" value=\"x\""}}, "Itk interaction is given twice"},
		{"a SOAP 1.2 envelope", []edit{{nsSOAP, "http://www.w3.org/2003/05/soap-envelope"}}, "SOAP version not supported"},
		{"a document type declaration", []edit{{"<e:Envelope ", "<!DOCTYPE x><e:Envelope "}}, "This is not a valid XML message"},
		{"two documents in a payload", []edit{{"</ClinicalDocument>", "</ClinicalDocument><ClinicalDocument/>"}}, "schema validation failed"},
		{"two patients", []edit{{"</recordTarget>", "</recordTarget><recordTarget><patientRole/></recordTarget>"}}, "schema validation failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := through(compose(t, c.edits...), "", strictRules())
			require.Error(t, err)
			require.Equal(t, c.text, err.(*fault).Text)
			if c.name == "a SOAP 1.2 envelope" {
				require.Equal(t, faultVersionMismatch, err.(*fault).Code)
			}
		})
	}
}

func TestOperationsThatAreNotOfferedAreNamed(t *testing.T) {
	for spec, says := range map[string]string{
		"ITKBusinessAcknowledgement-v1-0":                           "acknowledgement",
		"copyRecipientIntegratedUrgentCareCDADocumentResponse-v3-0": "FHIR bundle",
		"somethingElse-v1-0":                                        "",
	} {
		_, _, err := through(compose(t, edit{composedSpec, spec}), "", strictRules())
		require.Error(t, err, spec)
		if says == "" {
			require.Equal(t, textNotSupported, err.(*fault).Text)
			continue
		}
		require.Equal(t, textNotOffered, err.(*fault).Text, spec)
		require.Contains(t, err.(*fault).Diag, says)
	}
}

// ITK sends attachments beside the document; only the document makes the referral,
// and the Provenance says what else there was.
func TestPayloadsBesideTheDocumentAreKeptWithTheMessage(t *testing.T) {
	beside := func(attributes, content string) []byte {
		item := `<itk:manifestitem id="a1" ` + composedProfile + ` ` + attributes + `/>`
		return compose(t, edit{"</itk:manifest>", item + "</itk:manifest>"}, edit{`manifest count="1"`, `manifest count="2"`},
			edit{`payloads count="1"`, `payloads count="2"`}, edit{"</itk:payloads>", `<itk:payload id="a1">` + content + "</itk:payload></itk:payloads>"})
	}
	pdf := base64.StdEncoding.EncodeToString([]byte("%PDF-1.4 invented"))
	for name, body := range map[string][]byte{
		"a PDF":    beside(`mimetype="application/pdf" base64="true"`, pdf),
		"words":    beside(`mimetype="text/plain"`, "plain words"),
		"metadata": beside(`mimetype="text/xml" metadata="true"`, "<x/>"),
	} {
		t.Run(name, func(t *testing.T) {
			mapped, _, err := through(body, "", strictRules())
			require.NoError(t, err)
			requireSound(t, mapped)
			requireWhole(t, mapped, body)
			require.Contains(t, string(resourcesOf(mapped)["Provenance"][0].JSON()), "DistributionEnvelope/payloads/payload[2]")
		})
	}
	_, _, err := through(beside(`mimetype="text/xml" base64="true"`, pdf), "", strictRules())
	require.ErrorContains(t, err, textNotXML, "what is said to be XML must be")
	_, _, err = through(beside(`mimetype="application/pdf" base64="true"`, "!"), "", strictRules())
	require.ErrorContains(t, err, "base64")
}

// packed puts the document into its payload as base64, gzipped or not.
func packed(t *testing.T, compress bool, content []byte) []byte {
	t.Helper()
	text := string(compose(t))
	document := cut(t, text, "<ClinicalDocument ", "</ClinicalDocument>")
	if content == nil {
		content = []byte(document)
	}
	attributes := ` base64="true"`
	if compress {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(content)
		require.NoError(t, w.Close())
		content, attributes = b.Bytes(), ` base64="1" compressed="true"`
	}
	text = strings.Replace(text, document, base64.StdEncoding.EncodeToString(content), 1)
	return []byte(strings.Replace(text, ` mimetype="text/xml"`, ` mimetype="text/xml"`+attributes, 1))
}

func TestPackedPayloadsAreReadWithinBounds(t *testing.T) {
	plain, _, err := through(compose(t), "", strictRules())
	require.NoError(t, err)
	for _, compress := range []bool{false, true} {
		body := packed(t, compress, nil)
		mapped, _, err := through(body, "", strictRules())
		require.NoError(t, err)
		require.Equal(t, string(plain.Bundle.JSON()), string(mapped.Bundle.JSON()))
		requireWhole(t, mapped, body)
	}
	for _, c := range []struct {
		name     string
		compress bool
		content  []byte
		says     string
	}{
		{"gzip bomb by ratio", true, bytes.Repeat([]byte{' '}, 1<<20), "unfolds to too much"},
		{"too large base64", false, bytes.Repeat([]byte{' '}, maxDecoded+1), "too large"},
		{"a document type declaration", false, []byte("<!DOCTYPE a><a/>"), "document type"},
		{"not XML", true, []byte("no"), "outside the root"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := through(packed(t, c.compress, c.content), "", strictRules())
			require.ErrorContains(t, err, c.says)
		})
	}
	_, _, err = through(compose(t, edit{` mimetype="text/xml"`, ` mimetype="text/xml" compressed="true"`}), "", strictRules())
	require.ErrorContains(t, err, "can't be read")
	_, _, err = through(compose(t, edit{` mimetype="text/xml"`, ` mimetype="text/xml" encrypted="true"`}), "", strictRules())
	require.ErrorContains(t, err, "Encrypted payloads")
}

func TestTargetIsTheFirstAllowedAddress(t *testing.T) {
	two := compose(t, edit{"</itk:addresslist>", `<itk:address uri="urn:nhs-uk:addressing:ods:E5005:branch"/><itk:address type="` + dosType + `" uri="2000073917"/></itk:addresslist>`})
	for _, c := range []struct {
		name     string
		ods, dos []string
		target   string
		notFound bool
	}{
		{"no lists", nil, nil, "https://fhir.nhs.uk/Id/dos-service-id|2000072489", false},
		{"second DoS service", nil, []string{"2000073917"}, "https://fhir.nhs.uk/Id/dos-service-id|2000073917", false},
		{"only the organisation", []string{"b2002"}, nil, "https://fhir.nhs.uk/Id/ods-organization-code|B2002", false},
		{"the branch's organisation", []string{"E5005"}, []string{"1"}, "https://fhir.nhs.uk/Id/ods-organization-code|E5005", false},
		{"none", []string{"X9999"}, []string{"1"}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules := strictRules()
			rules.ODSCodes, rules.DoSIDs = c.ods, c.dos
			mapped, _, err := through(two, "", rules)
			if c.notFound {
				require.ErrorContains(t, err, "Message rejected")
				return
			}
			require.NoError(t, err)
			header := resourcesOf(mapped)["MessageHeader"][0]
			require.Equal(t, c.target, header.Get("destination", "endpoint").Text())
			service := resourcesOf(mapped)["HealthcareService"][0]
			require.Equal(t, c.target, service.Get("identifier", "system").Text()+"|"+service.Get("identifier", "value").Text())
			requireSound(t, mapped)
		})
	}
}

func TestMoreThanTwentyPayloadsAreRefused(t *testing.T) {
	var items, payloads strings.Builder
	for i := range maxPayloads + 1 {
		id := "p" + strings.Repeat("x", i)
		items.WriteString(`<itk:manifestitem id="` + id + `" mimetype="text/xml" ` + composedProfile + `/>`)
		payloads.WriteString(`<itk:payload id="` + id + `"/>`)
	}
	text := string(compose(t, edit{`count="1"`, `count="21"`}))
	text = strings.Replace(text, cut(t, text, "<itk:manifestitem", "/>"), items.String(), 1)
	text = strings.Replace(text, cut(t, text, "<itk:payload ", "</itk:payload>"), payloads.String(), 1)
	_, _, err := through([]byte(text), "", strictRules())
	require.ErrorContains(t, err, "Too many payloads")
}

func TestAnUnreadableEffectiveTimeIsOneError(t *testing.T) {
	for value, want := range map[string]string{
		"2026030210220":  "ClinicalDocument/effectiveTime/@value: " + errHL7Odd.Error(),
		"20260230102200": "ClinicalDocument/effectiveTime/@value: " + errHL7Time.Error(),
		" ":              "ClinicalDocument/effectiveTime: must be there",
	} {
		_, _, err := through(compose(t, edit{`<effectiveTime value="20260302102200"/>`, `<effectiveTime value="` + value + `"/>`}), "", strictRules())
		var f *fault
		require.ErrorAs(t, err, &f)
		require.Equal(t, want, f.Diag)
	}
}
