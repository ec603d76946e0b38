package roomtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// again is the composed report under new message ids.
func again(id string, edits ...edit) []edit {
	return append(edits, edit{"8A1F0C52-1111", id + "-1111"}, edit{"8A1F0C52-2222", id + "-2222"})
}

// current reads the live records of a type.
func current(t *testing.T, db store.Store, typ string) []*fhir.Resource {
	t.Helper()
	var out []*fhir.Resource
	seen := map[string]bool{}
	for _, r := range stored(t, db, typ) { // newest first
		if seen[r.ID()] {
			continue
		}
		seen[r.ID()] = true
		rec, err := db.Get(context.Background(), store.Ref{Type: typ, ID: r.ID()})
		require.NoError(t, err)
		if !rec.Deleted {
			out = append(out, r)
		}
	}
	return out
}

const versionTwo = `<versionNumber value="2"/>`

func TestAHigherVersionOfAReportUpdatesItsReferral(t *testing.T) {
	db, desk := openRoom(t)
	h := door(desk)
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	first := current(t, db, "ServiceRequest")[0]
	next := again("8A1F0C60", edit{versionTwo, `<versionNumber value="3"/>`}, edit{"8A1F0C52-4444", "8A1F0C60-4444"}, edit{"within 6 hours", "within 2 hours"})
	w := post(h, "text/xml", compose(t, next...))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	all := current(t, db, "ServiceRequest")
	require.Len(t, all, 1, "one referral")
	require.Equal(t, first.ID(), all[0].ID())
	require.Equal(t, "2026-03-02T12:22:00Z", all[0].Get("occurrencePeriod", "end").Text())
	statuses := map[string]string{}
	for _, doc := range current(t, db, "DocumentReference") {
		statuses[doc.Get("masterIdentifier", "value").Text()] = doc.Get("status").Text()
	}
	require.Equal(t, map[string]string{
		"urn:uuid:8a1f0c52-4444-4e6b-9c55-0a1b2c3d4e5f": "superseded",
		"urn:uuid:8a1f0c60-4444-4e6b-9c55-0a1b2c3d4e5f": "current",
	}, statuses)
	require.Len(t, current(t, db, "Patient"), 1)
	require.Len(t, current(t, db, "QuestionnaireResponse"), 1)

	for _, c := range []struct {
		name  string
		edits []edit
		code  int
	}{
		{"the same version again under other ids", []edit{next[0], next[1], next[2]}, 200},
		{"the version before it again", nil, 200},
		{"the same in an envelope that declares more", []edit{{" xmlns:itk=", ` xmlns:more="urn:more" xmlns:itk=`}}, 200},
		{"the same version with other content", []edit{next[0], next[1], {"Itching rash", "Another rash"}}, 500},
		{"an earlier version that never came", []edit{{versionTwo, `<versionNumber value="1"/>`}}, 500},
		{"a later version of another person", []edit{{versionTwo, `<versionNumber value="4"/>`}, {"999 005 7699", "9000000009"}}, 500},
		{"a version that is no number", []edit{{versionTwo, `<versionNumber value="two"/>`}}, 500},
	} {
		id := "8A1F0C7" + string(rune('0'+len(c.name)%10))
		w := post(h, "text/xml", compose(t, again(id, c.edits...)...))
		require.Equal(t, c.code, w.Code, "%s: %s", c.name, w.Body)
		if c.code == 500 {
			require.Contains(t, w.Body.String(), ">1000</itk:ErrorCode>", c.name)
		}
	}
	require.Len(t, current(t, db, "ServiceRequest"), 1)
}

func nullifying(id string, edits ...edit) []edit {
	return again(id, append(edits,
		edit{"urn:nhs-en:profile:nhs111CDADocument-v2-0", "urn:nhs-en:profile:nullificationDocument-v5-0"},
		edit{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "nullifyIntegratedUrgentCareCDADocument-v3-0"},
		edit{"8A1F0C52-4444", id + "-4444"})...)
}

func TestANullificationWithdrawsTheReportAndWhatItMade(t *testing.T) {
	db, desk := openRoom(t)
	h := door(desk)
	w := post(h, "text/xml", compose(t, nullifying("8A1F0C61")...))
	require.Equal(t, http.StatusInternalServerError, w.Code, "an unknown set")
	require.Contains(t, w.Body.String(), ">1000</itk:ErrorCode>")
	require.Equal(t, http.StatusOK, post(h, "text/xml", compose(t)).Code)
	for _, id := range []string{"8A1F0C62", "8A1F0C63"} {
		w = post(h, "text/xml", compose(t, nullifying(id)...))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	}
	require.Equal(t, "entered-in-error", current(t, db, "ServiceRequest")[0].Get("status").Text())
	withdrawn := 0
	for _, doc := range current(t, db, "DocumentReference") {
		if doc.Get("status").Text() == "entered-in-error" {
			withdrawn++
		}
	}
	require.Equal(t, 1, withdrawn)
	require.Len(t, current(t, db, "DocumentReference"), 2, "the nullification itself is kept, once")

	body := string(compose(t, nullifying("8A1F0C64")...))
	from, to := strings.Index(body, "<setId"), strings.Index(body, "<versionNumber")
	body = body[:from] + body[to:]
	from, to = strings.Index(body, "<relatedDocument"), strings.Index(body, "<authorization")
	w = post(h, "text/xml", []byte(body[:from]+body[to:]))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "must name the document or the set")
}

func TestAFinalAmbulanceRequestUpdatesTheInterimOne(t *testing.T) {
	db, desk := openRoom(t)
	h := door(desk)
	w := post(h, "text/xml", composeFrom(t, "ambulance.xml"))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), "RequestAmbulanceDispatch-v2-0Response")
	w = post(h, "text/xml", composeFrom(t, "ambulance.xml",
		edit{"9B1F0C52-1111", "9B1F0C53-1111"}, edit{"9B1F0C52-2222", "9B1F0C53-2222"}, edit{"9B1F0C52-4444", "9B1F0C53-4444"},
		edit{"828791000000100", "828801000000101"}, edit{`value code="G2"`, `value code="R1"`},
		edit{"</AmbulanceRequest>", `<replacementOf><priorPreviousAmbulanceRequest><id root="9B1F0C52-4444-4E6B-9C55-0A1B2C3D4E5F"/></priorPreviousAmbulanceRequest></replacementOf></AmbulanceRequest>`}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	all := current(t, db, "ServiceRequest")
	require.Len(t, all, 1)
	require.Equal(t, "stat", all[0].Get("priority").Text())
	require.Len(t, current(t, db, "Flag"), 2, "the flags of the interim request went with it")
}

func TestTheUseCaseIsOneThatTheServiceOffers(t *testing.T) {
	for _, c := range []struct{ offered, use string }{{"a1t10", "a1t10"}, {"a1t1", "a1t1"}, {"a1t2", "a1t2"}} {
		db, desk := openRoom(t, c.offered)
		w := post(door(desk), "text/xml", compose(t))
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		require.Equal(t, c.use, fhir.CodeOf(current(t, db, "ServiceRequest")[0].Get("category"), "https://fhir.nhs.uk/CodeSystem/usecases-categories-bars"))
	}
	_, desk := openRoom(t, "a5t1")
	require.Equal(t, http.StatusInternalServerError, post(door(desk), "text/xml", compose(t)).Code)
}

// The address says who acts; the document may name its recipient without a code,
// by another one, or not at all.
func TestAReportReachesTheProviderThatItIsAddressedTo(t *testing.T) {
	noODS := edit{`<itk:address uri="urn:nhs-uk:addressing:ods:B2002"/>`, ""}
	recipient := `<id root="2.16.840.1.113883.2.1.3.2.4.19.2" extension="B2002"/>`
	for name, c := range map[string]struct {
		body    []byte
		named   string
		further bool
	}{
		"as the document has it":     {compose(t, noODS), "Invented Treatment Centre", false},
		"without a code":             {compose(t, noODS, edit{recipient, `<id nullFlavor="UNK"/>`}), "Invented Treatment Centre", false},
		"by another code":            {compose(t, noODS, edit{recipient, `<id root="2.16.840.1.113883.2.1.3.2.4.19.2" extension="E5005"/>`}), "Provider of service 2000072489", true},
		"to nobody":                  {compose(t, noODS, edit{`typeCode="PRCP"`, `typeCode="TRC"`}, edit{recipient, `<id nullFlavor="NI"/>`}), "Provider of service 2000072489", true},
		"by a sender without a code": {composeFrom(t, "senders/platform.xml"), "Invented Skillset", false},
		"by names for OIDs":          {composeFrom(t, "senders/prefixed.xml"), "Invented Department", true},
		"by ODS address alone":       {composeFrom(t, "senders/online.xml"), "Invented Treatment Centre", false},
	} {
		t.Run(name, func(t *testing.T) {
			db, desk := openRoom(t)
			h := nhs111.New(desk, nhs111.Options{Clock: now, NewID: uuid.NewString, Reports: desk.Records()})
			w := post(h, "text/xml", c.body)
			require.Equal(t, http.StatusOK, w.Code, w.Body.String())
			var names []string
			for _, o := range stored(t, db, "Organization") {
				if nhs.ODSOf(o) == "B2002" {
					names = append(names, o.Get("name").Text())
				}
			}
			require.Equal(t, []string{"Centre"}, names, "the provider that the room knows")
			all := string(current(t, db, "ServiceRequest")[0].JSON())
			require.Equal(t, c.further, strings.Contains(all, `"Also sent to"`) || strings.Count(all, `"Copy sent to"`) > 1)
			id := regexp.MustCompile(`MessageID[^>]*>(?:urn:uuid:)?([^<]+)<`).FindSubmatch(c.body)[1]
			r := httptest.NewRequest(http.MethodGet, "/nhs111/report/"+string(id), nil)
			read := httptest.NewRecorder()
			h.ServeHTTP(read, r)
			require.Equal(t, http.StatusOK, read.Code, read.Body.String())
			require.Contains(t, read.Body.String(), c.named)
		})
	}
}
