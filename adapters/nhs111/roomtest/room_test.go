// Package roomtest runs the NHS 111 door against the real room on the embedded
// store. It stands apart from the door's own tests so that fuzzing those doesn't
// instrument a database engine. It has no code of its own; nothing uses it.
package roomtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/adapters/nhs111"
	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/sqlite"
)

// now lies within the life of the composed report's timestamp.
func now() time.Time { return time.Date(2026, 3, 2, 10, 26, 0, 0, time.UTC) }

func door(desk *bars.Desk) http.Handler {
	return nhs111.New(desk, nhs111.Options{Clock: now, NewID: uuid.NewString})
}

// edit is a change to the composed report; From must occur in it.
type edit struct{ From, To string }

func compose(t *testing.T, edits ...edit) []byte {
	t.Helper()
	return composeFrom(t, "report.xml", edits...)
}

func composeFrom(t testing.TB, name string, edits ...edit) []byte {
	t.Helper()
	raw, err := os.ReadFile("../testdata/" + name)
	require.NoError(t, err)
	text := string(raw)
	for _, e := range edits {
		require.Contains(t, text, e.From)
		text = strings.ReplaceAll(text, e.From, e.To)
	}
	return []byte(text)
}

func post(h http.Handler, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/nhs111/report", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// openRoom gives the real room on an empty store, which hosts the service that
// the composed report is for, for any use case or one.
func openRoom(t *testing.T, useCase ...string) (store.Store, *bars.Desk) {
	t.Helper()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, ":memory:", sqlite.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	desk := bars.NewDesk(db, bars.Options{Base: "https://onward.test/FHIR/R4", Now: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	load(t, desk, "B2002", "2000072489", strings.Join(useCase, ""))
	return db, desk
}

func stored(t *testing.T, db store.Store, typ string) []*fhir.Resource {
	t.Helper()
	page, err := db.History(context.Background(), store.Ref{Type: typ}, time.Time{}, 100, "")
	require.NoError(t, err)
	var out []*fhir.Resource
	for _, r := range page.Records {
		if r.Deleted {
			continue
		}
		parsed, err := fhir.Parse(r.Body)
		require.NoError(t, err)
		out = append(out, parsed)
	}
	return out
}

func TestTheRoomStoresAReportOnceWithItsDocumentReadable(t *testing.T) {
	db, desk := openRoom(t)
	h := door(desk)
	body := compose(t)
	for range 2 {
		w := post(h, "text/xml", body)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	}
	require.Len(t, stored(t, db, "ServiceRequest"), 1)
	documents := stored(t, db, "DocumentReference")
	require.Len(t, documents, 1)
	for content := range documents[0].Get("content").Items() {
		ref, ok := fhir.ParseReference(content.Dig("attachment", "url").Text())
		require.True(t, ok)
		record, err := db.Get(context.Background(), store.Ref{Type: ref.Type, ID: ref.ID})
		require.NoError(t, err)
		binary, err := fhir.Parse(record.Body)
		require.NoError(t, err)
		data, err := base64.StdEncoding.DecodeString(binary.Get("data").Text())
		require.NoError(t, err)
		require.NotEmpty(t, data)
	}
	other := post(h, "text/xml", compose(t, edit{"Béla", "Bela"}))
	require.Equal(t, http.StatusInternalServerError, other.Code)
	require.Contains(t, other.Body.String(), ">1000</itk:ErrorCode>")
	require.Len(t, stored(t, db, "ServiceRequest"), 1)
}

func TestTheRoomTakesCopiesAndReportsByODSAddressAlone(t *testing.T) {
	db, desk := openRoom(t)
	h := door(desk)
	w := post(h, "text/xml", compose(t, edit{"primaryOutofHourRecipientNHS111CDADocument-v2-0", "copyRecipientNHS111CDADocument-v2-0"}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Empty(t, stored(t, db, "ServiceRequest"))
	require.Len(t, stored(t, db, "Communication"), 1)

	w = post(h, "text/xml", compose(t, edit{`<itk:address type="2.16.840.1.113883.2.1.3.2.4.18.44" uri="2000072489"/>`, ""},
		edit{"8A1F0C52-1111", "8A1F0C53-1111"}, edit{"8A1F0C52-2222", "8A1F0C53-2222"}))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Len(t, stored(t, db, "ServiceRequest"), 1)
	require.Len(t, stored(t, db, "Consent"), 1)
}

func TestAServiceThatIsntHostedIsAContentFault(t *testing.T) {
	db, desk := openRoom(t)
	w := post(door(desk), "text/xml", compose(t, edit{`uri="2000072489"`, `uri="2000099999"`}))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "<faultcode>s:Client</faultcode>")
	require.Contains(t, w.Body.String(), ">1000</itk:ErrorCode>")
	require.Empty(t, stored(t, db, "ServiceRequest"))
}
