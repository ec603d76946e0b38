package tester

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	messages "github.com/onward-health/onward/testdata/bars"
)

// message is a Bundle that a case may break.
type message map[string]any

var (
	changed = regexp.MustCompile(`"lastUpdated": "[^"]*"`)
	made    = regexp.MustCompile(`"timestamp": "[^"]*"`)
	journey = regexp.MustCompile(`"EpisodeOfCare/[^"]*"`)
	useCase = regexp.MustCompile(`"a[1-8]t[0-9]{1,2}"`)
)

// message reads a conformant message and addresses it: to the service that is
// tested, from the organisation that the tester plays, for a use case, as new and in a journey of
// its own.
// fill holds pairs of place and value, which go before the usual ones.
func (s *session) message(name, forUseCase string, fill ...string) (message, error) {
	text, err := messages.Read(name)
	if err != nil {
		return nil, fmt.Errorf("there is no message %s", name)
	}
	now := s.Now().UTC().Format("2006-01-02T15:04:05.000+00:00")
	out := changed.ReplaceAllString(string(text), `"lastUpdated": "`+now+`"`)
	out = made.ReplaceAllString(out, `"timestamp": "`+now+`"`)
	out = journey.ReplaceAllString(out, `"EpisodeOfCare/`+s.NewID()+`"`)
	if forUseCase != "" {
		out = useCase.ReplaceAllString(out, `"`+forUseCase+`"`)
	}
	fill = append(fill, "2000072489", s.Service, "2000011147", s.Service, "https://fhir.nhs.uk/Id/dos-service-id", s.System,
		"A1001", s.Organisation, "B2002", s.Receiver)
	m := message{}
	if err := json.Unmarshal([]byte(strings.NewReplacer(fill...).Replace(out)), &m); err != nil {
		return nil, fmt.Errorf("the message %s can't be made for these parameters", name)
	}
	m["id"] = s.NewID()
	return m, nil
}

// at is the resource of an entry by its fullUrl.
func (m message) at(fullURL string) map[string]any {
	for _, e := range m.entries() {
		if entry, is := e.(map[string]any); is && entry["fullUrl"] == fullURL {
			return resourceOf(e)
		}
	}
	return map[string]any{}
}

func (m message) json() []byte {
	text, _ := json.Marshal(m) // read from JSON
	return text
}

func (m message) entries() []any { list, _ := m["entry"].([]any); return list }

// first is the first resource of a type; an empty one if there is none, so that
// an edit of nothing shows as a case that fails.
func (m message) first(typ string) map[string]any {
	for _, e := range m.entries() {
		if r := resourceOf(e); r["resourceType"] == typ {
			return r
		}
	}
	return map[string]any{}
}

func resourceOf(entry any) map[string]any {
	e, _ := entry.(map[string]any)
	r, _ := e["resource"].(map[string]any)
	return r
}

// drop removes every entry of a type.
func (m message) drop(typ string) {
	m["entry"] = slices.DeleteFunc(m.entries(), func(e any) bool { return resourceOf(e)["resourceType"] == typ })
}

// insert adds an entry.
func (m message) insert(fullURL string, resource map[string]any) {
	m["entry"] = append(m.entries(), map[string]any{"fullUrl": fullURL, "resource": resource})
}

// header is the MessageHeader.
func (m message) header() map[string]any { return m.first("MessageHeader") }

// dig follows member names and list positions.
func dig(at any, path ...any) map[string]any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			object, _ := at.(map[string]any)
			at = object[key]
		case int:
			list, _ := at.([]any)
			if key >= len(list) {
				return map[string]any{}
			}
			at = list[key]
		}
	}
	if found, is := at.(map[string]any); is {
		return found
	}
	return map[string]any{}
}

func text(at map[string]any, name string) string { out, _ := at[name].(string); return out }

// useContext is the header that routes a message (BaRS Core, use-context).
func (m message) useContext() string {
	header := m.header()
	event, reason := text(dig(header, "eventCoding"), "code"), text(dig(header, "reason", "coding", 0), "code")
	if booking := m.first("Appointment"); len(booking) > 0 {
		return text(dig(booking, "serviceCategory", 0, "coding", 0), "code") + "|" + text(booking, "status") + "|" + event + "|" + reason
	}
	category := ""
	codes := []string{}
	request := m.first("ServiceRequest")
	list, _ := request["category"].([]any)
	for i := range list {
		codings, _ := dig(list, i)["coding"].([]any)
		for j := range codings {
			c := dig(codings, j)
			if useCase.MatchString(`"` + text(c, "code") + `"`) {
				codes = append(codes, text(c, "code"))
			} else {
				category = text(c, "code")
			}
		}
	}
	return strings.Join(append(codes, category, event, reason), "|")
}
