package barsapi

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/search"
	"github.com/onward-health/onward/nhs"
)

// patientQuery is a search of GET /Appointment or /ServiceRequest.
type patientQuery struct {
	text    string      // as FHIR has it
	applied [][2]string // what of it counts, without the cursor
	cursor  string
}

// readPatientQuery turns the standard's parameters into those of FHIR: an
// identifier of the patient, or name with birth date and postcode, or an
// identifier of the referral (BaRS Core, find resource). The standard writes
// chains with a colon. What it doesn't have is ignored and not in the self link.
func readPatientQuery(typ, rawQuery string, mode bars.Mode) (*patientQuery, error) {
	params, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, fhir.NewOutcome(fhir.KindInvalid, "", "the query text is malformed")
	}
	q := &patientQuery{}
	out := url.Values{}
	wrong := &fhir.Outcome{Kind: fhir.KindValue}
	take := func(name, as string, valid func(string) (string, bool), rule string) bool {
		values := params[name]
		if chain := strings.Replace(name, ":", ".", 1); chain != name {
			values = append(values[:len(values):len(values)], params[chain]...)
		}
		if len(values) == 0 || len(values) == 1 && values[0] == "" {
			return false
		}
		value, ok := valid(values[0])
		switch {
		case len(values) > 1:
			wrong.Add("", "the parameter "+name+" may be given once")
		case !ok:
			wrong.Add("", "the parameter "+name+" must be "+rule)
		}
		q.applied = append(q.applied, [2]string{name, values[0]})
		out.Add(as, value)
		return true
	}
	byNumber := take("patient:identifier", "patient.identifier", token, "system|value")
	byName := take("patient:name", "patient.name", text, "a name")
	date := wholeDate
	if mode == bars.Lenient {
		date = publishedDate
	}
	byBirth := take("patient:birthdate", "patient.birthdate", date, "a date such as 1995-01-20")
	byPostcode := take("patient:address-postalcode", "patient.address-postalcode", text, "a postcode")
	byReferral := typ == "ServiceRequest" && take("ServiceRequest.identifier", "identifier", text, "an identifier")
	if !byNumber && !byReferral && !(byName && byBirth && byPostcode) && len(wrong.Issues) == 0 {
		return nil, fhir.NewOutcome(fhir.KindRequired, "",
			"a search needs patient:identifier, or patient:name with patient:birthdate and patient:address-postalcode")
	}
	take("_count", "_count", pageSize, "a number from 1 to "+strconv.Itoa(search.MaxCount))
	if q.cursor = params.Get("_cursor"); q.cursor != "" {
		out.Set("_cursor", q.cursor)
	}
	q.text = out.Encode()
	return q, wrong.OrNil()
}

func text(v string) (string, bool) { return v, strings.TrimSpace(v) != "" }

func token(v string) (string, bool) {
	system, value, _ := strings.Cut(v, "|")
	if system = nhs.Canonical(system); system == nhs.SystemNHSNumber {
		value = string(nhs.ParseNHSNumber(value))
	}
	return system + "|" + value, system != "" && value != "" && !strings.Contains(v, ",")
}

// wholeDate takes a full date, perhaps behind "eq"; a part of one, or another
// prefix, would find other patients too.
func wholeDate(v string) (string, bool) {
	v = strings.TrimPrefix(v, "eq")
	_, _, err := fhir.ParseDateTime(v)
	return v, err == nil && len(v) == len("1995-01-20")
}

// publishedDate is wholeDate that also takes what the API's own example has, a day
// first: eq20/01/1995.
func publishedDate(v string) (string, bool) {
	if day, err := time.Parse("02/01/2006", strings.TrimPrefix(v, "eq")); err == nil {
		return day.Format(time.DateOnly), true
	}
	return wholeDate(v)
}

func pageSize(v string) (string, bool) {
	n, err := strconv.Atoi(v)
	return v, err == nil && n >= 1 && n <= search.MaxCount
}
