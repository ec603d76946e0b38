package fhir_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir"
)

// issueTypes is the R4 value set issue-type, whole.
var issueTypes = []string{
	"invalid", "structure", "required", "value", "invariant",
	"security", "login", "unknown", "expired", "forbidden", "suppressed",
	"processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long", "code-invalid",
	"extension", "too-costly", "business-rule", "conflict",
	"transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
	"informational",
}

// words are the error words that may go out, by status: those of the code
// system http-error-codes without their prefix, and those that only the text of
// BaRS Core 1.5 uses. 413 and 410 have none there.
var words = map[int]string{
	400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED",
	406: "NOT_ACCEPTABLE", 408: "TIMEOUT", 409: "CONFLICT", 413: "BAD_REQUEST", 415: "UNSUPPORTED_MEDIA_TYPE",
	422: "UNPROCESSABLE_ENTITY", 425: "TOO_EARLY", 429: "TOO_MANY_REQUESTS",
	500: "SERVER_ERROR", 501: "NOT_IMPLEMENTED", 503: "UNAVAILABLE",
}

func TestEveryKindHasAWholeLineInTheErrorTable(t *testing.T) {
	names := map[string]fhir.Kind{}
	kinds := fhir.Kinds()
	require.Equal(t, fhir.KindUnavailable, kinds[len(kinds)-1], "the last kind is in the list")
	for _, kind := range kinds {
		row := kind.Row()
		require.Regexp(t, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`), row.Name, "kind %d", kind)
		require.NotContains(t, names, row.Name)
		names[row.Name] = kind

		for _, status := range []int{row.Status, row.BaRSStatus} {
			require.NotEmpty(t, http.StatusText(status), row.Name)
			require.GreaterOrEqual(t, status, 400, row.Name)
		}
		require.Contains(t, issueTypes, row.Issue, row.Name)
		require.Contains(t, issueTypes, row.BaRSIssue, row.Name)
		require.Equal(t, words[row.BaRSStatus], row.Word, "%s: the word must be that of its BaRS status", row.Name)
	}
	require.Len(t, issueTypes, 31)
}

// The lines that the standards fix; the rest follow from the status.
func TestTheErrorTableSaysWhatTheStandardsSay(t *testing.T) {
	for _, tc := range []struct {
		kind       fhir.Kind
		status     int
		issue      string
		barsStatus int
		barsIssue  string
	}{
		{fhir.KindRequired, 400, "required", 400, "required"},
		{fhir.KindStructure, 400, "structure", 400, "structure"},
		{fhir.KindValue, 400, "value", 400, "value"},
		{fhir.KindInvariant, 422, "processing", 400, "invariant"},
		{fhir.KindUnsupportedUse, 422, "not-supported", 422, "not-supported"},
		{fhir.KindTooCostly, 422, "too-costly", 422, "too-costly"},
		{fhir.KindUnauthorized, 401, "login", 401, "security"},
		{fhir.KindAccess, 403, "forbidden", 401, "forbidden"},
		{fhir.KindForbidden, 403, "forbidden", 403, "forbidden"},
		{fhir.KindNotFound, 404, "not-found", 404, "not-found"},
		{fhir.KindGone, 410, "deleted", 404, "not-found"},
		{fhir.KindNotAcceptable, 406, "not-supported", 406, "processing"},
		{fhir.KindTimeout, 408, "timeout", 408, "timeout"},
		{fhir.KindConflict, 409, "conflict", 409, "conflict"},
		{fhir.KindDuplicate, 409, "duplicate", 409, "duplicate"},
		{fhir.KindVersion, 412, "conflict", 409, "conflict"},
		{fhir.KindTooLarge, 413, "too-long", 413, "too-long"},
		{fhir.KindTooEarly, 425, "duplicate", 425, "duplicate"},
		{fhir.KindThrottled, 429, "throttled", 429, "throttled"},
		{fhir.KindNoStore, 500, "no-store", 500, "no-store"},
		{fhir.KindUnavailable, 503, "transient", 503, "transient"},
	} {
		row := tc.kind.Row()
		require.Equal(t, tc.status, row.Status, row.Name)
		require.Equal(t, tc.issue, row.Issue, row.Name)
		require.Equal(t, tc.barsStatus, row.BaRSStatus, row.Name)
		require.Equal(t, tc.barsIssue, row.BaRSIssue, row.Name)
	}
}

// A sender takes a duplicate 409 as proof of delivery, so nothing else may
// answer with that pair.
func TestOnlyADuplicateAnswers409Duplicate(t *testing.T) {
	for _, kind := range fhir.Kinds() {
		row := kind.Row()
		proof := row.BaRSStatus == 409 && row.BaRSIssue == "duplicate" || row.Status == 409 && row.Issue == "duplicate"
		require.Equal(t, kind == fhir.KindDuplicate, proof, row.Name)
	}
}

func TestOutcomeIsAnErrorThatListsItsIssues(t *testing.T) {
	o := fhir.NewOutcome(fhir.KindInvariant, "Slot.start", "must not be after the end").Add("", "the body breaks a rule")
	require.Equal(t, "invariant: Slot.start: must not be after the end: the body breaks a rule", o.Error())
	require.Len(t, o.Issues, 2)

	require.Equal(t, o, o.OrNil())
	require.NoError(t, (&fhir.Outcome{Kind: fhir.KindInvariant}).OrNil())
	require.NoError(t, (*fhir.Outcome)(nil).OrNil())
}

func TestAsOutcomeFindsOneOrHidesTheCause(t *testing.T) {
	o := fhir.NewOutcome(fhir.KindGone, "", "deleted")
	require.Same(t, o, fhir.AsOutcome(fmt.Errorf("reading: %w", o)))

	secret := errors.New("driver: row of Secretname")
	hidden := fhir.AsOutcome(secret)
	require.Equal(t, fhir.KindException, hidden.Kind)
	require.NotContains(t, hidden.Error(), "Secretname")
	require.ErrorIs(t, hidden, secret, "the log still gets it")
	require.ErrorIs(t, o.Because(secret), secret)
	require.NotContains(t, o.Error(), "Secretname")
}
