package bars_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

func TestEachRuleOfBundleAndHeaderIsHeld(t *testing.T) {
	s := open(t)
	const inv = fhir.KindInvariant
	organisation := `{"resourceType":"Organization","identifier":[{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"C3003"}]}`
	for _, row := range []refusal{
		{"not a message", changes{"Bundle.type": "transaction"}, inv, []string{"Bundle.type"}},
		{"no type", changes{"Bundle.type": nil}, inv, []string{"Bundle.type"}},
		{"not a Bundle", changes{"Bundle.resourceType": "Patient"}, inv, []string{"Bundle.type"}},
		{"no entries", changes{"Bundle.entry": nil}, inv, []string{"Bundle", "Bundle.entry"}},
		{"entry an object", changes{"Bundle.entry": map[string]any{}}, fhir.KindStructure, []string{"Bundle.entry", "Bundle"}},
		{"no timestamp", changes{"Bundle.timestamp": nil}, inv, []string{"Bundle.timestamp"}},
		{"timestamp without offset", changes{"Bundle.timestamp": "2026-11-20T09:00:00"}, fhir.KindValue, []string{"Bundle.timestamp"}},
		{"timestamp a number", changes{"Bundle.timestamp": 20261120}, fhir.KindStructure, []string{"Bundle.timestamp"}},
		{"no lastUpdated", changes{"Bundle.meta.lastUpdated": nil}, inv, []string{"Bundle.meta.lastUpdated"}},
		{"no Bundle.id", changes{"Bundle.id": nil}, inv, []string{"Bundle.id"}},
		{"no versionId", changes{"Bundle.meta.versionId": nil}, inv, []string{"Bundle.meta.versionId"}},
		{"versionId 3.0.0", changes{"Bundle.meta.versionId": "3.0.0"}, fhir.KindUnsupportedUse, []string{"Bundle.meta.versionId"}},
		{"versionId 0.9.0", changes{"Bundle.meta.versionId": "0.9.0"}, fhir.KindUnsupportedUse, []string{"Bundle.meta.versionId"}},
		{"versionId nonsense", changes{"Bundle.meta.versionId": "nonsense"}, inv, []string{"Bundle.meta.versionId"}},
		{"versionId without minor", changes{"Bundle.meta.versionId": "1"}, inv, []string{"Bundle.meta.versionId"}},
		{"versionId negative", changes{"Bundle.meta.versionId": "-1.0"}, inv, []string{"Bundle.meta.versionId"}},

		{"no meta on a resource", changes{"Patient.meta": nil}, inv, []string{"Bundle.entry[4].resource.meta.lastUpdated"}},
		{"no fullUrl", changes{"Patient@.fullUrl": nil}, inv, []string{"Bundle.entry[4].fullUrl"}},
		{"fullUrl an address", changes{"Patient@.fullUrl": "https://sender.example/Patient/1"}, inv, []string{"Bundle.entry[4].fullUrl"}},
		{"fullUrl without urn", changes{"Patient@.fullUrl": ":uuid:00000003-0000-4000-8000-000000000003"}, inv, []string{"Bundle.entry[4].fullUrl"}},
		{"two equal fullUrls", changes{"Patient@.fullUrl": "urn:uuid:00000010-0000-4000-8000-000000000010"}, inv, []string{"Bundle", "Bundle.entry[4].fullUrl"}},
		{"entry without resource", changes{"Patient@.resource": nil}, inv, []string{"Bundle.entry[4]"}},
		{"MessageHeader not first", changes{"-MessageHeader": nil}, inv, []string{"Bundle", "Bundle.entry[0].resource"}},

		{"no event", changes{"MessageHeader.eventCoding": nil}, inv, []string{header + ".event", header + ".eventCoding"}},
		{"event of another system", changes{"MessageHeader.eventCoding.system": "https://other.example"}, inv, []string{header + ".eventCoding"}},
		{"no reason", changes{"MessageHeader.reason": nil}, inv, []string{header + ".reason"}},
		{"reason of another system", changes{"MessageHeader.reason.coding[0].system": "https://other.example"}, inv, []string{header + ".reason"}},
		{"no destination", changes{"MessageHeader.destination": nil}, inv, []string{header + ".destination"}},
		{"no endpoint", changes{"MessageHeader.destination[0].endpoint": nil}, inv, []string{header + ".destination[0].endpoint"}},
		{"no receiver", changes{"MessageHeader.destination[0].receiver": nil}, inv, []string{header + ".destination[0].receiver"}},
		{"receiver not in the bundle", changes{"MessageHeader.destination[0].receiver.reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}, inv, []string{header + ".destination[0].receiver"}},
		{"receiver no Organization", changes{"MessageHeader.destination[0].receiver.reference": "urn:uuid:00000003-0000-4000-8000-000000000003"}, inv, []string{header + ".destination[0].receiver.reference", header + ".destination[0].receiver"}},
		{"receiver not ours", changes{"+": []string{organisation}, "Organization.identifier[0].value": "C3003"}, inv, []string{header + ".destination[0].receiver"}},
		{"receiver without ODS code", changes{"Organization.identifier": nil}, inv, []string{header + ".destination[0].receiver"}},
		{"no sender", changes{"MessageHeader.sender": nil}, inv, []string{header + ".sender"}},
		{"sender not in the bundle", changes{"MessageHeader.sender.reference": "Organization/A1001"}, inv, []string{header + ".sender"}},
		{"no source endpoint", changes{"MessageHeader.source.endpoint": nil}, inv, []string{header + ".source.endpoint"}},
		{"source endpoint too long for answers", changes{"MessageHeader.source.endpoint": nhs.SystemDoS + "|" + strings.Repeat("9", 256-len(nhs.SystemDoS))}, inv, []string{header + ".source.endpoint"}},
		{"no source name", changes{"MessageHeader.source.name": nil}, inv, []string{header + ".source.name"}},
		{"no focus", changes{"MessageHeader.focus": nil}, inv, []string{header + ".focus"}},
		{"focus not in the bundle", changes{"MessageHeader.focus[0].reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}, inv, []string{header + ".focus[0]"}},
		{"focus a record by relative reference", changes{"MessageHeader.focus[0].reference": "ServiceRequest/1"}, inv, []string{header + ".focus[0]"}},
		{"focus another type", changes{"MessageHeader.focus[0].reference": "urn:uuid:00000003-0000-4000-8000-000000000003"}, inv, []string{header + ".focus[0]"}},
		{"no definition", changes{definition: nil}, inv, []string{header + ".definition"}},
		{"unknown definition", changes{definition: definitions + "bars-message-reminder"}, inv, []string{header + ".definition"}},
		{"definition elsewhere", changes{definition: "https://other.example/bars-message-servicerequest-request-referral"}, inv, []string{header + ".definition"}},
		{"definition of a cancellation", changes{definition: definitions + "bars-message-servicerequest-request-cancelled"}, inv, []string{header + ".definition"}},
		{"definition of a booking", changes{definition: definitions + "bars-message-booking-request"}, inv, []string{header + ".focus[0]"}},
		{"definition of a validation request", changes{definition: definitions + "bars-message-servicerequest-request-validation"}, inv, []string{header + ".definition"}},

		{"several faults at once", changes{"Bundle.timestamp": nil, "MessageHeader.source": nil, "MessageHeader.focus": nil, "Patient@.fullUrl": nil}, inv,
			[]string{header + ".source", "Bundle.timestamp", "Bundle.entry[4].fullUrl", header + ".source.endpoint", header + ".source.name", header + ".focus"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.refuses(t, row, referral(t, row.change))
		})
	}
}

func TestLenientModeOverlooksWhatPublishedExamplesLack(t *testing.T) {
	for name, c := range map[string]changes{
		"no Bundle.id":              {"Bundle.id": nil},
		"no lastUpdated":            {"Bundle.meta.lastUpdated": nil},
		"no meta on a resource":     {"Patient.meta": nil},
		"no source name":            {"MessageHeader.source.name": nil},
		"fullUrl without urn":       {"Condition@.fullUrl": ":uuid:1", "ServiceRequest.reasonReference[0].reference": ":uuid:1"},
		"receiver without ODS code": {"Organization.identifier": nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, lenient)
			result := s.accepted(referral(t, c))
			require.NotEmpty(t, result.Warnings, "it is said nevertheless")
			stored := s.get("ServiceRequest", focus(result))
			require.Equal(t, "Condition/"+s.all("Condition")[0].ID, stored.Get("reasonReference", "reference").Text(), "no link is lost")
		})
	}
}

func TestVersionsOfTheApplicationThatAreTaken(t *testing.T) {
	for _, version := range []string{"1.0.0", "1.1.0", "1.0.0-beta", "2.1.0"} {
		open(t).accepted(referral(t, changes{"Bundle.meta.versionId": version}))
	}
}

func TestInstantsWithSevenDigitsAndAnyOffsetAreTaken(t *testing.T) {
	s := open(t)
	s.accepted(booking(t, 0, changes{
		"Bundle.timestamp":  "2026-11-20T10:00:00.1234567+01:00",
		"Appointment.start": "2026-11-21T10:00:00.0000000+01:00",
		"Appointment.end":   "2026-11-21T04:20:00-05:00",
		"Slot.start":        "2026-11-21T10:00:00.0000000+01:00",
	}))
}

func TestABundleOverTheLimitIsTooLarge(t *testing.T) {
	s := open(t)
	fill := func(n int) changes {
		var more []string
		for range n - 12 { // the referral's own
			more = append(more, `{"resourceType":"Observation","status":"final","code":{"text":"a"},"subject":{"reference":"urn:uuid:00000003-0000-4000-8000-000000000003"},"encounter":{"reference":"urn:uuid:00000010-0000-4000-8000-000000000010"}}`)
		}
		return changes{"+": more}
	}
	s.accepted(referral(t, fill(500)))
	_, err := s.send(referral(t, fill(501)))
	refused(t, err, fhir.KindTooLarge, "Bundle.entry")
}

// What is looked up one by one is bounded, or one message would keep the server
// busy for all the time that it has.
func TestWhatAMessageNamesIsBounded(t *testing.T) {
	s := open(t)
	many := func(n int, one func(i int) any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = one(i)
		}
		return list
	}
	reference := func(to string) func(int) any {
		return func(int) any { return map[string]any{"reference": to} }
	}
	_, err := s.send(booking(t, 0, changes{"Appointment.slot": many(101, reference("urn:uuid:00000006-0000-4000-8000-000000000006"))}))
	refused(t, err, fhir.KindTooComplex, first+".slot")
	referred := "ServiceRequest/" + focus(s.accepted(referral(t)))
	_, err = s.send(booking(t, 0, changes{"Appointment.basedOn": many(101, reference(referred))}))
	refused(t, err, fhir.KindTooComplex, first+".basedOn")
	_, err = s.send(referral(t, changes{"MessageHeader.destination": many(101, func(i int) any {
		return map[string]any{"endpoint": nhs.SystemDoS + "|" + strconv.Itoa(i), "receiver": map[string]any{"reference": "urn:uuid:00000004-0000-4000-8000-000000000004"}}
	})}))
	refused(t, err, fhir.KindInvariant, header+".destination")
	s.accepted(booking(t, 0, changes{"Appointment.basedOn": many(100, reference(referred)), "Appointment.supportingInformation": many(200, reference("Observation/1"))}))
}

func TestTheDestinationMustBeAServiceHereAndTheTargetOfTheRequest(t *testing.T) {
	s := open(t)
	endpoint := header + ".destination[0].endpoint"

	_, err := s.send(referral(t, toService(hospital)))
	refused(t, err, fhir.KindInvariant, endpoint)
	_, err = s.send(referral(t, toService("2000099999")))
	refused(t, err, fhir.KindNotFound, endpoint)
	_, err = s.sendTo("2000099999", referral(t))
	refused(t, err, fhir.KindNotFound, "")
	_, err = s.send(referral(t, changes{"MessageHeader.destination[0].endpoint": "https://other.example|" + clinic}))
	refused(t, err, fhir.KindNotFound, endpoint)

	for _, spelling := range []string{clinic, nhs.SystemDoS + "|" + clinic, "http://fhir.nhs.uk/id/dos-service-id|" + clinic} {
		s.accepted(referral(t, changes{"MessageHeader.destination[0].endpoint": spelling}))
	}
	r := request(t, referral(t))
	r.Target = nhs.ServiceID{}
	_, err = s.desk.Message(s.ctx, r)
	require.NoError(t, err, "a transport that names no target leaves it to the message")
	r = request(t, referral(t))
	r.Target = nhs.ServiceID{System: nhs.SystemODS, Value: "B2002"}
	_, err = s.desk.Message(s.ctx, r)
	require.NoError(t, err, "a transport that names an organisation leaves it to the message")
}

// A service that only a message brought along is no service of ours.
func TestAServiceThatAMessageBroughtIsNoTarget(t *testing.T) {
	s := open(t, lenient)
	s.accepted(referral(t, changes{"+": []string{
		`{"resourceType":"HealthcareService","identifier":[{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"2000011111"}]}`}}))
	_, err := s.sendTo("2000011111", referral(t, toService("2000011111")))
	refused(t, err, fhir.KindNotFound)
	_, err = s.desk.Service(s.ctx, nhs.ServiceID{System: nhs.SystemDoS, Value: "2000011111"})
	refused(t, err, fhir.KindNotFound)
}

func TestAServiceIsFoundByIdentifierOrId(t *testing.T) {
	s := open(t)
	for _, id := range []nhs.ServiceID{{System: nhs.SystemDoS, Value: clinic}, nhs.ParseServiceID("http://fhir.nhs.uk/id/DOS-service-id|" + clinic)} {
		found, err := s.desk.Service(s.ctx, id)
		require.NoError(t, err)
		require.Equal(t, nhs.ServiceID{System: nhs.SystemDoS, Value: clinic}, found.ID)
		require.Contains(t, found.UseCases, "a7t1")
		require.NotContains(t, found.UseCases, "a5t1")
	}
	_, err := s.desk.Service(s.ctx, nhs.ServiceID{})
	refused(t, err, fhir.KindRequired)
	_, err = s.desk.Service(s.ctx, nhs.ServiceID{System: nhs.SystemODS, Value: "B2002"})
	refused(t, err, fhir.KindNotFound) // it has two services
	_, err = s.desk.Load(s.ctx, bars.Caller{Door: "setup"}, []*fhir.Resource{parse(t, `{"resourceType":"HealthcareService","id":"second",
		"identifier":[{"system":"https://fhir.nhs.uk/Id/dos-service-id","value":"`+clinic+`"}]}`)})
	require.NoError(t, err)
	_, err = s.send(referral(t))
	refused(t, err, fhir.KindConflict)
}
