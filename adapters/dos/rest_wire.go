package dos

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// The JSON of the REST service v1.0. It isn't consistent, neither between its
// calls nor over the years, so it is read loosely and written as published.

// restAnswer is the envelope of the REST service v1.0.
type restAnswer struct {
	Success *restSuccess `json:"success,omitempty"`
	Error   *restError   `json:"error,omitempty"`
}

type restError struct {
	Code    restCode `json:"code"`
	Message string   `json:"message"`
}

type restSuccess struct {
	Code          restCode             `json:"code"`
	TransactionID loose                `json:"transactionId"`
	CatchAll      loose                `json:"servicesReturnedAreCatchAll"` // "TRUE" or "FALSE"
	Count         any                  `json:"serviceCount"`                // a number
	Services      maybe[[]restService] `json:"services"`
}

// loose is a text that the service writes as a number in one call and as a
// string in another.
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case b[0] == '{' || b[0] == '[':
		return errAnswer
	case b[0] != '"':
		*l = loose(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(l))
}

func (l loose) int() int {
	n, _ := strconv.Atoi(string(l))
	return n
}

// restCode is a number that may come as a string.
type restCode int

func (c *restCode) UnmarshalJSON(b []byte) error {
	var text loose
	err := text.UnmarshalJSON(b)
	*c = restCode(text.int())
	return err
}

// truth is a flag that some calls write as a string.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	*t = truth(yes(strings.Trim(string(b), `"`)))
	return nil
}

// maybe is an object or a list that the service writes as [], {}, "" or null
// where it is empty.
type maybe[T any] struct{ V T }

func (m *maybe[T]) UnmarshalJSON(b []byte) error {
	switch string(bytes.Join(bytes.Fields(b), nil)) {
	case "[]", "{}", "null", `""`, "false":
		return nil
	}
	return json.Unmarshal(b, &m.V)
}

func (m maybe[T]) MarshalJSON() ([]byte, error) { return json.Marshal(m.V) }

func some[T any](v T) maybe[T] { return maybe[T]{v} }

// lines is an address: a list of lines, or one.
type lines []string

func (l *lines) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		var list []loose
		err := json.Unmarshal(b, &list)
		for _, line := range list {
			*l = append(*l, string(line))
		}
		return err
	}
	var one loose
	err := json.Unmarshal(b, &one)
	if one != "" {
		*l = lines{string(one)}
	}
	return err
}

type restClock struct {
	Hours   loose `json:"hours"`
	Minutes loose `json:"minutes"`
}

func (c restClock) clock() Clock { return Clock{c.Hours.int(), c.Minutes.int()} }

func restClockOf(c Clock) restClock {
	text := c.String()
	return restClock{loose(text[:2]), loose(text[3:])}
}

type restSession struct {
	Start restClock `json:"start"`
	End   restClock `json:"end"`
}

type restDay struct {
	Day      loose                `json:"day"`
	Sessions maybe[[]restSession] `json:"sessions"`
}

type restDate struct {
	Date     loose                `json:"date"` // DD-MM-YYYY
	Sessions maybe[[]restSession] `json:"sessions"`
}

type restEndpoint struct {
	Order       loose `json:"endpointOrder"`
	Transport   loose `json:"transport"`
	Format      loose `json:"format"`
	Interaction loose `json:"interaction"`
	Scenario    loose `json:"businessScenario"`
	Address     loose `json:"address"`
	Compression loose `json:"compression"`
	Comment     loose `json:"comment"`
}

type restType struct {
	ID   loose `json:"id"`
	Name loose `json:"name"`
}

type restPhone struct {
	Public    loose `json:"public"`
	NonPublic loose `json:"nonPublic"`
	Fax       loose `json:"fax"`
}

type restOpening struct {
	AllHours truth             `json:"allHours"`
	Days     maybe[[]restDay]  `json:"days"`
	Dates    maybe[[]restDate] `json:"specifiedDates"`
}

type restInstructions struct {
	CallHandler loose `json:"callHandler"`
	Other       loose `json:"other"`
}

type restStatus struct {
	RAG   loose `json:"rag"`
	Human loose `json:"human"`
	Hex   loose `json:"hex"`
}

type restCapacity struct {
	Status maybe[restStatus] `json:"status"`
}

type restService struct {
	ID           loose                   `json:"id"`
	Name         loose                   `json:"name"`
	PublicName   loose                   `json:"publicName,omitempty"`
	Type         maybe[restType]         `json:"type"`
	ODS          loose                   `json:"odsCode"`
	Address      lines                   `json:"address"`
	Postcode     loose                   `json:"postcode"`
	Easting      loose                   `json:"easting"`
	Northing     loose                   `json:"northing"`
	Phone        maybe[restPhone]        `json:"phone"`
	Web          loose                   `json:"web"`
	OpeningTimes maybe[restOpening]      `json:"openingTimes"`
	Instructions maybe[restInstructions] `json:"referralInstructions"`
	Capacity     maybe[restCapacity]     `json:"capacity"`
	Endpoints    maybe[[]restEndpoint]   `json:"endpoints"`
	Distance     loose                   `json:"patientDistance,omitempty"`
}
