package bars_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// The services of the scene. The first is the one that the tour's payloads name.
const (
	clinic   = "2000072489" // by B2002, applications 1, 2 and 7
	hospital = "2000011147" // by B2002, every use case
	bare     = "1503499715" // no provider, every use case
)

const base = "https://onward.example/FHIR/R4"

var sceneNow = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// scene is a desk on an empty store with a small directory.
type scene struct {
	t     testing.TB
	ctx   context.Context
	store store.Store
	desk  *bars.Desk
	// faulty says that the test stores what isn't right as FHIR R4.
	faulty bool
}

func open(t testing.TB, options ...func(*bars.Options)) *scene {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Now: func() time.Time { return sceneNow }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	o := bars.Options{Base: base, Now: func() time.Time { return sceneNow }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Budget: time.Minute}
	for _, change := range options {
		change(&o)
	}
	setUp := bars.NewDesk(db, bars.Options{Base: base, Now: func() time.Time { return sceneNow }})
	n, err := setUp.Load(ctx, bars.Caller{Door: "setup"}, directory(t))
	require.NoError(t, err)
	require.Positive(t, n)
	s := &scene{t: t, ctx: ctx, store: db, desk: bars.NewDesk(db, o), faulty: o.Mode == bars.Lenient}
	t.Cleanup(s.requireSound)
	return s
}

// requireSound checks that every version which the room stored is right as FHIR
// R4, what the room made of a message included.
func (s *scene) requireSound() {
	for cursor := ""; !s.faulty; {
		page, err := s.store.History(s.ctx, store.Ref{}, time.Time{}, 500, cursor)
		require.NoError(s.t, err)
		for _, rec := range page.Records {
			if rec.Deleted {
				continue
			}
			report := validate.Resource(parse(s.t, string(rec.Body)), validate.Options{})
			require.Empty(s.t, report.Issues, "%s", rec.Body)
		}
		if cursor = page.Next; cursor == "" {
			return
		}
	}
}

func lenient(o *bars.Options) { o.Mode = bars.Lenient }

// slotsPerDiary is how many slots each service has.
const slotsPerDiary = 5

func scheduleID(service string) string { return "5c000000-0000-4000-8000-00" + service }
func slotID(service string, n int) string {
	return fmt.Sprintf("51000000-0000-4000-8%03d-00%s", n, service)
}
func slotStart(n int) string {
	return fhir.FormatInstant(time.Date(2026, 11, 21, 9, 20*n, 0, 0, time.UTC))
}
func slotEnd(n int) string { return slotStart(n + 1) }

func directory(t testing.TB) []*fhir.Resource {
	var out []*fhir.Resource
	add := func(format string, args ...any) { out = append(out, parse(t, fmt.Sprintf(format, args...))) }
	for _, code := range []string{"A1001", "B2002", "C3003"} {
		add(`{"resourceType":"Organization","id":%q,"identifier":[{"system":%q,"value":%q}],"name":"Organisation"}`, code, nhs.SystemODS, code)
	}
	for _, service := range []string{clinic, hospital, bare} {
		rest := `,"providedBy":{"reference":"Organization/B2002"}`
		switch service {
		case clinic:
			codings := []string{}
			for _, code := range bars.UseCases() {
				if app := code[:2]; app == "a1" || app == "a2" || app == "a7" {
					codings = append(codings, fmt.Sprintf(`{"system":%q,"code":%q}`, bars.SystemUseCases, code))
				}
			}
			rest += `,"type":[{"coding":[` + strings.Join(codings, ",") + `]}]`
		case bare:
			rest = ""
		}
		add(`{"resourceType":"HealthcareService","id":%q,"identifier":[{"system":%q,"value":%q}],"name":"Service"%s}`, service, nhs.SystemDoS, service, rest)
		add(`{"resourceType":"Schedule","id":%q,"identifier":[{"system":"https://diary.example/Id","value":%q}],"actor":[{"reference":"HealthcareService/%s"}]}`,
			scheduleID(service), "diary-"+service, service)
		for n := range slotsPerDiary {
			out = append(out, slotResource(t, service, n, "free"))
		}
	}
	return out
}

func slotResource(t testing.TB, service string, n int, status string) *fhir.Resource {
	return parse(t, fmt.Sprintf(`{"resourceType":"Slot","id":%q,"schedule":{"reference":"Schedule/%s"},"status":%q,"start":%q,"end":%q}`,
		slotID(service, n), scheduleID(service), status, slotStart(n), slotEnd(n)))
}

func parse(t testing.TB, text string) *fhir.Resource {
	t.Helper()
	r, err := fhir.Parse([]byte(text))
	require.NoError(t, err, text)
	return r
}

// minimal is a resource with no more than R4 asks for.
func minimal(typ string) string {
	const patient, code = `{"reference":"Patient/1"}`, `{"text":"a"}`
	rest := map[string]string{
		"Appointment":       `,"status":"proposed","participant":[{"actor":` + patient + `,"status":"accepted"}]`,
		"DocumentReference": `,"status":"current","content":[{"attachment":{"title":"a"}}]`,
		"Invoice":           `,"status":"issued"`,
		"MessageHeader":     `,"eventUri":"urn:a:b","source":{"endpoint":"urn:a:c"}`,
		"Observation":       `,"status":"final","code":` + code,
		"ServiceRequest":    `,"status":"active","intent":"plan","subject":` + patient,
		"Slot":              `,"schedule":{"reference":"Schedule/1"},"status":"free","start":"` + slotStart(0) + `","end":"` + slotEnd(0) + `"`,
		"Task":              `,"status":"completed","intent":"plan"`,
	}
	return `{"resourceType":"` + typ + `"` + rest[typ] + `}`
}

// changes says how a message differs from a valid one: a path to a value, where
// nil takes the member away. A path begins with "Bundle", with a resource type
// (the first entry of that type) or with a type and "@" (that entry itself).
// "-Type" takes all entries of the type away, "+" adds entries.
type changes map[string]any

// payload is a payload of the tour with its places filled in.
func payload(t testing.TB, name string, fill ...string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../testdata/tour/" + name + ".json")
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(strings.NewReplacer(fill...).Replace(string(text))), &doc))
	return doc
}

func booking(t testing.TB, n int, c ...changes) []byte {
	return apply(t, payload(t, "book", "@SLOT@", slotID(clinic, n), "@START@", slotStart(n), "@END@", slotEnd(n)), c...)
}

func bookingCancel(t testing.TB, id string, n int, c ...changes) []byte {
	return apply(t, payload(t, "cancel-booking", "@APPOINTMENT@", id, "@START@", slotStart(n), "@END@", slotEnd(n)), c...)
}

// referral is a referral of a new journey.
func referral(t testing.TB, c ...changes) []byte {
	doc := payload(t, "refer")
	apply(t, doc, append([]changes{{journey: "EpisodeOfCare/" + uuid.NewString()}}, c...)...)
	fitApplication(t, doc)
	return apply(t, doc)
}

const journey = "Encounter.episodeOfCare[0].reference"

func referralCancel(t testing.TB, id string, c ...changes) []byte {
	return apply(t, payload(t, "cancel-referral", "@REFERRAL@", id), c...)
}

func apply(t testing.TB, doc map[string]any, list ...changes) []byte {
	t.Helper()
	for _, c := range list {
		for path, value := range c {
			change(t, doc, path, value)
		}
	}
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	return text
}

func change(t testing.TB, doc map[string]any, path string, value any) {
	entries := doc["entry"].([]any)
	if path == "+" {
		for _, text := range value.([]string) {
			var resource any
			require.NoError(t, json.Unmarshal([]byte(text), &resource), text)
			added := resource.(map[string]any)
			added["meta"] = map[string]any{"lastUpdated": "2026-11-20T09:00:00+00:00",
				"profile": []any{fmt.Sprint("http://hl7.org/fhir/StructureDefinition/", added["resourceType"])}}
			entries = append(entries, map[string]any{"fullUrl": "urn:uuid:" + uuid.NewString(), "resource": resource})
		}
		doc["entry"] = entries
		return
	}
	if typ, found := strings.CutPrefix(path, "-"); found {
		kept := []any{}
		for _, e := range entries {
			if e.(map[string]any)["resource"].(map[string]any)["resourceType"] != typ {
				kept = append(kept, e)
			}
		}
		doc["entry"] = kept
		return
	}
	head, rest, _ := strings.Cut(path, ".")
	if head == "Bundle" {
		put(t, doc, strings.Split(rest, "."), value)
		return
	}
	typ, itself := strings.CutSuffix(head, "@")
	for _, e := range entries {
		entry := e.(map[string]any)
		resource, ok := entry["resource"].(map[string]any)
		if !ok || resource["resourceType"] != typ {
			continue
		}
		if itself {
			put(t, entry, strings.Split(rest, "."), value)
		} else {
			put(t, resource, strings.Split(rest, "."), value)
		}
		return
	}
	require.FailNow(t, "no such entry", path)
}

// put sets a member; a step is name or name[index], and an index at the end of
// an array adds an element.
func put(t testing.TB, object map[string]any, steps []string, value any) {
	name, index := steps[0], -1
	if open := strings.IndexByte(name, '['); open >= 0 {
		n, err := strconv.Atoi(strings.TrimSuffix(name[open+1:], "]"))
		require.NoError(t, err)
		name, index = name[:open], n
	}
	last := len(steps) == 1
	if index < 0 {
		switch {
		case last && value == nil:
			require.Contains(t, object, name)
			delete(object, name)
		case last:
			object[name] = value
		default:
			if object[name] == nil {
				object[name] = map[string]any{}
			}
			put(t, object[name].(map[string]any), steps[1:], value)
		}
		return
	}
	list, _ := object[name].([]any)
	if index == len(list) {
		list = append(list, map[string]any{})
		object[name] = list
	}
	if last {
		list[index] = value
		return
	}
	put(t, list[index].(map[string]any), steps[1:], value)
}

// request is a message to the clinic with new transaction ids.
func request(t testing.TB, body []byte) bars.MessageRequest {
	return bars.MessageRequest{
		Caller: bars.Caller{Door: "bars", Organisation: "A1001"},
		Key:    bars.Key{Door: "bars", Sender: "A1001", Target: clinic, Values: []string{uuid.NewString()}},
		Target: nhs.ServiceID{System: nhs.SystemDoS, Value: clinic},
		Bundle: parse(t, string(body)),
		Body:   body,
	}
}

func (s *scene) send(body []byte) (*bars.MessageResult, error) {
	s.t.Helper()
	return s.desk.Message(s.ctx, request(s.t, body))
}

// sendTo sends a message to another service.
func (s *scene) sendTo(service string, body []byte) (*bars.MessageResult, error) {
	s.t.Helper()
	r := request(s.t, body)
	r.Target.Value = service
	return s.desk.Message(s.ctx, r)
}

// toService readdresses a message.
func toService(id string) changes {
	return changes{"MessageHeader.destination[0].endpoint": nhs.SystemDoS + "|" + id}
}

// accepted sends a message that must be carried out.
func (s *scene) accepted(body []byte) *bars.MessageResult {
	s.t.Helper()
	result, err := s.send(body)
	require.NoError(s.t, err)
	require.NotNil(s.t, result.Bundle)
	return result
}

// refused checks what a request was refused for: the kind, and each expression
// in order. No diagnostics at all may hold patient data.
func refused(t testing.TB, err error, kind fhir.Kind, expressions ...string) {
	t.Helper()
	require.Error(t, err)
	o := fhir.AsOutcome(err)
	require.Equal(t, kind.Row().Name, o.Kind.Row().Name, "%v", err)
	var got []string
	for _, issue := range o.Issues {
		require.NotEmpty(t, issue.Diagnostics)
		for _, secret := range []string{"9000000009", "Sample", "Sandy", "1980-02-29", "ZZ99"} {
			require.NotContains(t, issue.Diagnostics+issue.Expression, secret)
		}
		got = append(got, issue.Expression)
	}
	if len(expressions) > 0 {
		require.Equal(t, expressions, got, "%v", err)
	}
}

func (s *scene) get(typ, id string) *fhir.Resource {
	s.t.Helper()
	rec, err := s.store.Get(s.ctx, store.Ref{Type: typ, ID: id})
	require.NoError(s.t, err)
	require.False(s.t, rec.Deleted)
	return parse(s.t, string(rec.Body))
}

func (s *scene) status(typ, id string) string {
	s.t.Helper()
	return s.get(typ, id).Get("status").Text()
}

// all reads every record of a type.
func (s *scene) all(typ string) []*store.Record {
	s.t.Helper()
	var out []*store.Record
	q := &search.Query{Type: typ, Count: search.MaxCount}
	for {
		page, err := s.store.Search(s.ctx, q)
		require.NoError(s.t, err)
		out = append(out, page.Records...)
		if page.Next == "" {
			return out
		}
		q.Cursor = page.Next
	}
}

// claimOf returns the owner of a slot's claim, "" for none.
func (s *scene) claimOf(slot string) string {
	s.t.Helper()
	found, err := s.store.AuxGet(s.ctx, "claim", []string{slot})
	require.NoError(s.t, err)
	if len(found) == 0 {
		return ""
	}
	return string(found[0].Value)
}

// size counts the records of every type that a message can write.
func (s *scene) size() int {
	s.t.Helper()
	n := 0
	for _, typ := range []string{"Appointment", "ServiceRequest", "Patient", "Encounter", "CarePlan", "Organization",
		"Practitioner", "PractitionerRole", "HealthcareService", "Consent", "Condition", "Slot", "Schedule", "Location"} {
		n += len(s.all(typ))
	}
	return n
}

// focus returns the id of the record that a message was about.
func focus(r *bars.MessageResult) string { return r.Focus.ID }

// entryOf returns the first resource of a type in a bundle.
func entryOf(bundle *fhir.Resource, typ string) fhir.Value {
	for e := range bundle.Get("entry").Items() {
		if e.Dig("resource", "resourceType").Text() == typ {
			return e.Get("resource")
		}
	}
	return fhir.Value{}
}

// invariant checks that claims, occupying Appointments and Slot statuses say
// the same thing.
func (s *scene) invariant() {
	s.t.Helper()
	occupying := map[string]string{}
	for _, rec := range s.all("Appointment") {
		r := parse(s.t, string(rec.Body))
		switch r.Get("status").Text() {
		case "proposed", "pending", "booked", "arrived", "checked-in", "fulfilled":
		default:
			continue
		}
		for item := range r.Get("slot").Items() {
			ref, ok := fhir.ParseReference(item.Get("reference").Text())
			require.True(s.t, ok)
			require.Contains(s.t, []string{"", rec.Ref().String()}, occupying[ref.ID], "two Appointments have Slot %s", ref.ID)
			occupying[ref.ID] = rec.Ref().String()
		}
	}
	claims, err := s.store.AuxScan(s.ctx, "claim", "", "", 0)
	require.NoError(s.t, err)
	owners := map[string]string{}
	for _, c := range claims {
		owners[c.Key] = string(c.Value)
	}
	slots := map[string]bool{}
	for _, rec := range s.all("Slot") {
		slots[rec.ID] = true
		status := s.status("Slot", rec.ID)
		want := occupying[rec.ID]
		if want == "" && status != "free" {
			want = "Slot/" + rec.ID
		}
		require.Equal(s.t, want, owners[rec.ID], "claim of Slot %s, which is %s", rec.ID, status)
		require.Equal(s.t, owners[rec.ID] == "", status == "free", "status of Slot %s, claimed by %q", rec.ID, owners[rec.ID])
	}
	for slot := range owners {
		require.True(s.t, slots[slot], "a claim of Slot %s, which is not there", slot)
	}
}
