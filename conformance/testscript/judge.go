package testscript

import (
	"cmp"
	"fmt"
	"mime"
	"strconv"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// judge carries out an assert on the last answer, or on the one that sourceId
// names.
func (r *run) judge(t *assertion) Step {
	s := Step{What: t.description, Verdict: Passed}
	if s.What == "" {
		s.What = "assert " + t.label
	}
	if r.last != nil {
		s.Request, s.Status = r.last.request, r.last.status
	}
	if a := r.answers[t.sourceID]; a != nil {
		s.Request, s.Status = a.request, a.status
	}
	if fault := r.check(t); fault != "" {
		s.Verdict, s.Message = Failed, fault
		if t.warningOnly {
			s.Verdict = Warned
		}
	}
	return s
}

// check says what is wrong, "" if nothing.
func (r *run) check(t *assertion) string {
	a := r.last
	if t.sourceID != "" {
		a = r.record(t.sourceID)
	}
	if t.hasExpression || t.minimumID != "" || t.resource != "" {
		return r.checkContent(t, a)
	}
	if a == nil {
		return "there is no answer to look at"
	}
	switch {
	case t.response != "":
		return compare("status", t.operator, []string{strconv.Itoa(a.status)}, responseCodes[t.response])
	case t.responseCode != "":
		return compare("status", t.operator, []string{strconv.Itoa(a.status)}, t.responseCode)
	case t.headerField != "":
		value, err := r.fill(t.value, plainText)
		if err != nil {
			return err.Error()
		}
		return compare("header "+t.headerField, t.operator, a.header.Values(t.headerField), value)
	case t.contentType != "":
		found, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
		if err != nil {
			return "the answer's Content-Type is not one"
		}
		return compare("Content-Type", t.operator, []string{found}, t.contentType)
	}
	return navigates(a)
}

// navigates checks that a Bundle says where it came from and that each link is
// absolute.
func navigates(a *answer) string {
	if a.resource == nil || a.resource.Type() != "Bundle" {
		return "the answer is not a Bundle"
	}
	self := false
	for link := range a.resource.Get("link").Items() {
		self = self || link.Get("relation").Text() == "self"
		if address := link.Get("url").Text(); !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			return "the link " + link.Get("relation").Text() + " is not absolute"
		}
	}
	if !self {
		return "the Bundle has no link self"
	}
	return ""
}

func (r *run) checkContent(t *assertion, a *answer) string {
	var res *fhir.Resource
	if a != nil {
		res = a.resource
	} else if t.sourceID != "" {
		res = r.resourceOf(t.sourceID)
	}
	if res == nil {
		return "the answer holds no FHIR JSON resource"
	}
	switch {
	case t.resource != "":
		return compare("resourceType", t.operator, []string{res.Type()}, t.resource)
	case t.minimumID != "":
		least := r.resourceOf(t.minimumID)
		if least == nil {
			return "there is no resource " + t.minimumID + " to compare with"
		}
		if f := r.fixture(t.minimumID); f != nil {
			least = r.written(f)
		}
		if at := missing(least.Root(), res.Root()); at != "" {
			return "not kept as it was sent: " + at
		}
		return ""
	}
	texts := t.expression.find(res).texts()
	if t.compareID == "" {
		value, err := r.fill(t.value, plainText)
		if err != nil {
			return err.Error()
		}
		return compare("expression", t.operator, texts, value)
	}
	other := r.resourceOf(t.compareID)
	if other == nil {
		return "there is no resource " + t.compareID + " to compare with"
	}
	against := t.expression
	if t.hasCompare {
		against = t.compareExpression
	}
	return compare("expression", t.operator, texts, strings.Join(against.find(other).texts(), ","))
}

// written is a fixture as it is sent, without the name that it has in the
// script.
func (r *run) written(f *fixture) *fhir.Resource {
	text, err := r.fill(string(f.text), jsonText)
	if err != nil {
		text = string(f.text)
	}
	res, err := fhir.Parse([]byte(text))
	if err != nil || !f.contained {
		return res
	}
	res, err = res.Edit().Remove(res.Root(), "id").Done()
	if err != nil {
		return nil
	}
	return res
}

// missing names the first place of least that v doesn't hold, "" if it holds
// all: every member with its value, every element at its place.
func missing(least, v fhir.Value) string {
	if least.Kind() != v.Kind() {
		return least.Path()
	}
	switch least.Kind() {
	case fhir.ObjectKind:
		for name, member := range least.Members() {
			if at := missing(member, v.Get(name)); at != "" {
				return at
			}
		}
		return ""
	case fhir.ArrayKind:
		i := 0
		for item := range least.Items() {
			if at := missing(item, v.At(i)); at != "" {
				return at
			}
			i++
		}
		return ""
	}
	if !fhir.Equal(least, v) {
		return least.Path()
	}
	return ""
}

// compare holds what was found against what is wanted; no operator is equals.
// Of several found values equals and in ask all, contains and greaterThan any.
func compare(what, operator string, found []string, want string) string {
	if operator == "" {
		operator = "equals"
	}
	if holds(operator, found, want) {
		return ""
	}
	got := "nothing"
	if len(found) > 0 {
		got = short(strings.Join(found, ","))
	}
	if operator == "empty" || operator == "notEmpty" {
		return fmt.Sprintf("%s is %s, expected %s", what, got, operator)
	}
	return fmt.Sprintf("%s is %s, expected %s %s", what, got, operator, short(want))
}

func holds(operator string, found []string, want string) bool {
	joined := strings.Join(found, ",")
	switch operator {
	case "equals":
		return len(found) > 0 && joined == want
	case "notEquals":
		return joined != want
	case "in":
		return len(found) > 0 && every(found, func(f string) bool { return listed(want, f) })
	case "notIn":
		return every(found, func(f string) bool { return !listed(want, f) })
	case "empty":
		return len(joined) == 0
	case "notEmpty":
		return len(joined) > 0
	case "contains":
		return strings.Contains(joined, want)
	case "notContains":
		return !strings.Contains(joined, want)
	}
	// greaterThan and lessThan: numbers as numbers, all else, such as instants in
	// one time zone, by their text.
	for _, f := range found {
		a, err1 := strconv.ParseFloat(f, 64)
		b, err2 := strconv.ParseFloat(want, 64)
		order := strings.Compare(f, want)
		if err1 == nil && err2 == nil {
			order = cmp.Compare(a, b)
		}
		if operator == "greaterThan" && order > 0 || operator == "lessThan" && order < 0 {
			return true
		}
	}
	return false
}

func every(list []string, is func(string) bool) bool {
	for _, item := range list {
		if !is(item) {
			return false
		}
	}
	return true
}

func listed(list, item string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(one) == item {
			return true
		}
	}
	return false
}

func short(text string) string {
	if len(text) > maxMessage {
		return strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
