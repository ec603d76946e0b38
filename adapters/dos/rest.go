package dos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restAnswer is the envelope of the REST service v1.0.
type restAnswer struct {
	Success *restSuccess `json:"success,omitempty"`
	Error   *restError   `json:"error,omitempty"`
}

type restError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type restSuccess struct {
	Code          int           `json:"code"`
	TransactionID string        `json:"transactionId"`
	CatchAll      string        `json:"servicesReturnedAreCatchAll"` // "TRUE" or "FALSE"
	Count         int           `json:"serviceCount"`
	Services      []restService `json:"services"`
}

// loose is a number that the service writes as a number in one call and as a
// string in another.
type loose string

func (l *loose) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	if b[0] != '"' {
		*l = loose(b)
		return nil
	}
	return json.Unmarshal(b, (*string)(l))
}

func (l loose) int() int {
	n, _ := strconv.Atoi(string(l))
	return n
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
	Day      string        `json:"day"`
	Sessions []restSession `json:"sessions"`
}

type restDate struct {
	Date     string        `json:"date"` // DD-MM-YYYY
	Sessions []restSession `json:"sessions"`
}

type restEndpoint struct {
	Order       loose  `json:"endpointOrder"`
	Transport   string `json:"transport"`
	Format      string `json:"format"`
	Interaction string `json:"interaction"`
	Scenario    string `json:"businessScenario"`
	Address     string `json:"address"`
	Compression string `json:"compression"`
	Comment     string `json:"comment"`
}

type restService struct {
	ID   loose  `json:"id"`
	Name string `json:"name"`
	Type struct {
		ID   loose  `json:"id"`
		Name string `json:"name"`
	} `json:"type"`
	ODS      string   `json:"odsCode"`
	Address  []string `json:"address"`
	Postcode string   `json:"postcode"`
	Easting  loose    `json:"easting"`
	Northing loose    `json:"northing"`
	Phone    struct {
		Public    string `json:"public"`
		NonPublic string `json:"nonPublic"`
		Fax       string `json:"fax"`
	} `json:"phone"`
	Web          string `json:"web"`
	OpeningTimes struct {
		AllHours bool       `json:"allHours"`
		Days     []restDay  `json:"days"`
		Dates    []restDate `json:"specifiedDates"`
	} `json:"openingTimes"`
	Instructions struct {
		CallHandler string `json:"callHandler"`
		Other       string `json:"other"`
	} `json:"referralInstructions"`
	Capacity struct {
		Status struct {
			RAG   string `json:"rag"`
			Human string `json:"human"`
			Hex   string `json:"hex"`
		} `json:"status"`
	} `json:"capacity"`
	Endpoints []restEndpoint `json:"endpoints"`
	Distance  loose          `json:"patientDistance,omitempty"`
}

// parseREST reads an answer of the REST service.
func parseREST(raw []byte) ([]Service, *Fault, error) {
	var answer restAnswer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, nil, errAnswer
	}
	if answer.Error != nil {
		return nil, &Fault{answer.Error.Code, answer.Error.Message}, nil
	}
	if answer.Success == nil {
		return nil, nil, errAnswer
	}
	list, err := answer.Success.services()
	return list, nil, err
}

func (s *restSuccess) services() ([]Service, error) {
	var list []Service
	for _, r := range s.Services {
		service, err := r.service()
		if err != nil {
			return nil, err
		}
		list = append(list, service)
	}
	return list, nil
}

func (r *restService) service() (Service, error) {
	s := Service{
		ID: string(r.ID), Name: r.Name, ODS: r.ODS, Type: ServiceType{r.Type.ID.int(), r.Type.Name},
		Address: strings.Join(r.Address, ", "), Postcode: r.Postcode, Easting: r.Easting.int(), Northing: r.Northing.int(),
		URL: r.Web, Phone: r.Phone.Public, Miles: string(r.Distance), OpenAllHours: r.OpeningTimes.AllHours,
		Capacity:     capacityOf(r.Capacity.Status.RAG),
		Professional: Professional{r.Phone.NonPublic, r.Phone.Fax, r.Instructions.Other},
	}
	if s.ID == "" {
		return s, errAnswer
	}
	for _, d := range r.OpeningTimes.Days {
		for _, o := range d.Sessions {
			s.Sessions = append(s.Sessions, Session{StartDay: d.Day, EndDay: d.Day, Start: o.Start.clock(), End: o.End.clock(), Status: "Open"})
		}
	}
	for _, d := range r.OpeningTimes.Dates {
		date, err := time.Parse("02-01-2006", d.Date)
		if err != nil {
			return s, errAnswer
		}
		if len(d.Sessions) == 0 {
			s.Dates = append(s.Dates, DateSession{Date: date})
		}
		for _, o := range d.Sessions {
			s.Dates = append(s.Dates, DateSession{date, o.Start.clock(), o.End.clock()})
		}
	}
	for _, e := range r.Endpoints {
		s.Endpoints = append(s.Endpoints, Endpoint{e.Order.int(), e.Transport, e.Format, e.Interaction, Scenario(e.Scenario), e.Address, yes(e.Compression), e.Comment})
	}
	return s, nil
}

func capacityOf(rag string) Capacity {
	switch strings.ToUpper(rag) {
	case "RED":
		return None
	case "AMBER":
		return Low
	}
	return High // it is only told when it changed within a day
}

func restServiceOf(s *Service) restService {
	var r restService
	r.ID, r.Name, r.ODS, r.Postcode, r.Web = loose(s.ID), s.Name, s.ODS, s.Postcode, s.URL
	r.Type.ID, r.Type.Name = loose(strconv.Itoa(s.Type.ID)), s.Type.Name
	r.Easting, r.Northing, r.Distance = loose(strconv.Itoa(s.Easting)), loose(strconv.Itoa(s.Northing)), loose(s.Miles)
	r.Address = []string{s.Address}
	r.Phone.Public, r.Phone.NonPublic, r.Phone.Fax = s.Phone, s.Professional.Phone, s.Professional.Fax
	r.Instructions.CallHandler, r.Instructions.Other = s.Professional.Text, s.Professional.Text
	switch s.Capacity {
	case None:
		r.Capacity.Status.RAG, r.Capacity.Status.Human, r.Capacity.Status.Hex = "RED", "None", "#FF0000"
	case Low:
		r.Capacity.Status.RAG, r.Capacity.Status.Human, r.Capacity.Status.Hex = "AMBER", "Low", "#FFC000"
	}
	r.OpeningTimes.AllHours = s.OpenAllHours
	for _, day := range slices.Concat(weekdays[1:], weekdays[:1], []string{bankHoliday}) {
		sessions := []restSession{}
		for _, o := range s.Sessions {
			if o.StartDay == day {
				sessions = append(sessions, restSession{restClockOf(o.Start), restClockOf(o.End)})
			}
		}
		r.OpeningTimes.Days = append(r.OpeningTimes.Days, restDay{day, sessions})
	}
	r.OpeningTimes.Dates = []restDate{}
	for _, d := range s.Dates {
		sessions := []restSession{}
		if !d.Closed() {
			sessions = append(sessions, restSession{restClockOf(d.From), restClockOf(d.To)})
		}
		r.OpeningTimes.Dates = append(r.OpeningTimes.Dates, restDate{d.Date.Format("02-01-2006"), sessions})
	}
	r.Endpoints = []restEndpoint{}
	for _, e := range s.Endpoints {
		compression := "uncompressed"
		if e.Compressed {
			compression = "compressed"
		}
		r.Endpoints = append(r.Endpoints, restEndpoint{loose(strconv.Itoa(e.Order)), e.Transport, e.Format, e.Interaction, string(e.Scenario), e.Address, compression, e.Comment})
	}
	return r
}

const bankHoliday = "Bankholiday"

// weekdays are the directory's names by time.Weekday.
var weekdays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// bare makes the numbers of a service numbers, as the calls by ODS code and id
// write them.
func bare(raw []byte) ([]byte, error) {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	for _, name := range []string{"easting", "northing"} {
		m[name] = json.Number(fmt.Sprint(m[name]))
	}
	kind, ok := m["type"].(map[string]any)
	if !ok {
		return nil, errors.New("dos: a service without type")
	}
	kind["id"] = json.Number(fmt.Sprint(kind["id"]))
	delete(m, "patientDistance")
	return json.Marshal(m)
}
