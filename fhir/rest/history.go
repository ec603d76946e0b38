package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
)

// maxCursor bounds a cursor in bytes.
const maxCursor = 4096

// history answers GET [base]/Type/id/_history, [base]/Type/_history and
// [base]/_history (R4 http.html#history) with the parameters _since, _at, _count
// (0 for the total alone) and our own _cursor.
func (h *Handler) history(w http.ResponseWriter, r *http.Request, at place) error {
	if err := refuseConditions(r.Header, "If-None-Match", "If-Modified-Since"); err != nil {
		return err
	}
	query, err := general(r, "_since", "_at", "_count", "_cursor")
	if err != nil {
		return err
	}
	since, err := parseSince(query.Get("_since"))
	if err != nil {
		return err
	}
	period, err := parseAt(query.Get("_at"))
	if err != nil {
		return err
	}
	count, err := parseCount(query.Get("_count"), 0)
	if err != nil {
		return err
	}
	cursor := query.Get("_cursor")
	if len(cursor) > maxCursor {
		return fhir.NewOutcome(fhir.KindValue, "", "_cursor is not one of this server's")
	}
	page, err := h.backend.History(r.Context(), HistoryQuery{
		Type: at.typ, ID: at.id, Since: since, At: period, Count: count, CountOnly: count == 0, Cursor: cursor,
	})
	if err != nil {
		return err
	}
	if count == 0 && page.Total < 0 {
		return fhir.NewOutcome(fhir.KindTooCostly, "", "there are more versions than can be counted; narrow the history by _since")
	}
	if count > 0 && len(page.Versions) == 0 && at.id != "" && since.IsZero() && period == nil && cursor == "" {
		return fhir.NewOutcome(fhir.KindNotFound, "", "there is no such resource")
	}

	var applied []string
	if !since.IsZero() {
		applied = append(applied, "_since="+url.QueryEscape(query.Get("_since")))
	}
	if period != nil {
		applied = append(applied, "_at="+url.QueryEscape(query.Get("_at")))
	}
	if query.Get("_count") != "" {
		applied = append(applied, "_count="+strconv.Itoa(count))
	}
	for _, name := range []string{"_format", "_pretty"} {
		if value := query.Get(name); value != "" {
			applied = append(applied, name+"="+url.QueryEscape(value))
		}
	}
	path := h.url(slices.DeleteFunc([]string{at.typ, at.id, "_history"}, func(s string) bool { return s == "" })...)
	b := bundle{
		kind: "history", total: page.Total, versions: page.Versions, frame: changed,
		self: link(path, applied, cursor),
	}
	if page.Next != "" && count > 0 {
		b.next = link(path, applied, page.Next)
	}
	return h.writeBundle(w, r, b)
}

// parseSince reads _since, an instant; "" is the zero time.
func parseSince(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	since, err := fhir.ParseInstant(text)
	if err != nil {
		return since, fhir.NewOutcome(fhir.KindValue, "", "_since must be an instant: a date and time with seconds and an offset")
	}
	return since, nil
}

// parseAt reads _at, a dateTime of any precision; "" is nil.
func parseAt(text string) (*Period, error) {
	if text == "" {
		return nil, nil
	}
	from, to, err := fhir.ParseDateTime(text)
	if err != nil {
		return nil, fhir.NewOutcome(fhir.KindValue, "", "_at must be a dateTime, with an offset where it has a time")
	}
	return &Period{from, to}, nil
}

// parseCount reads _count of a history or an operation; more than
// search.MaxCount becomes that, since a server may send less than was asked for.
func parseCount(text string, least int) (int, error) {
	if text == "" {
		return search.DefaultCount, nil
	}
	digits := strings.Trim(text, "0123456789") == "" && len(text) <= 9
	count, err := strconv.Atoi(text)
	if !digits || err != nil || count < least {
		return 0, fhir.NewOutcome(fhir.KindValue, "", "_count must be a whole number from "+strconv.Itoa(least))
	}
	return min(count, search.MaxCount), nil
}

// link joins encoded name=value pairs and a cursor to a path.
func link(path string, pairs []string, cursor string) string {
	if cursor != "" {
		pairs = append(pairs[:len(pairs):len(pairs)], "_cursor="+url.QueryEscape(cursor))
	}
	if len(pairs) == 0 {
		return path
	}
	return path + "?" + strings.Join(pairs, "&")
}
