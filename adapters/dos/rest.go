package dos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// parseREST reads an answer of the REST service.
func parseREST(raw []byte) ([]Service, *Fault, error) {
	var answer restAnswer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, nil, errAnswer
	}
	if answer.Error != nil {
		return nil, &Fault{int(answer.Error.Code), answer.Error.Message}, nil
	}
	if answer.Success == nil {
		return nil, nil, errAnswer
	}
	list, err := answer.Success.services()
	return list, nil, err
}

func (s *restSuccess) services() ([]Service, error) {
	var list []Service
	for _, r := range s.Services.V {
		service, err := r.service()
		if err != nil {
			return nil, err
		}
		list = append(list, service)
	}
	return list, nil
}

func (r *restService) service() (Service, error) {
	opening := &r.OpeningTimes.V
	s := Service{
		ID: string(r.ID), Name: string(r.Name), PublicName: string(r.PublicName), ODS: string(r.ODS),
		Type:    ServiceType{r.Type.V.ID.int(), string(r.Type.V.Name)},
		Address: strings.Join(r.Address, ", "), Postcode: string(r.Postcode), Easting: r.Easting.int(), Northing: r.Northing.int(),
		URL: string(r.Web), Phone: string(r.Phone.V.Public), Miles: string(r.Distance), OpenAllHours: bool(opening.AllHours),
		Capacity:     capacityOf(string(r.Capacity.V.Status.V.RAG)),
		Professional: Professional{string(r.Phone.V.NonPublic), string(r.Phone.V.Fax), string(or(r.Instructions.V.Other, r.Instructions.V.CallHandler))},
	}
	if s.ID == "" {
		return s, errAnswer
	}
	for _, d := range opening.Days.V {
		for _, o := range d.Sessions.V {
			s.Sessions = append(s.Sessions, Session{StartDay: string(d.Day), EndDay: string(d.Day), Start: o.Start.clock(), End: o.End.clock(), Status: "Open"})
		}
	}
	for _, d := range opening.Dates.V {
		date, err := time.Parse("02-01-2006", string(d.Date))
		if err != nil {
			return s, errAnswer
		}
		if len(d.Sessions.V) == 0 {
			s.Dates = append(s.Dates, DateSession{Date: date})
		}
		for _, o := range d.Sessions.V {
			s.Dates = append(s.Dates, DateSession{date, o.Start.clock(), o.End.clock()})
		}
	}
	for _, e := range r.Endpoints.V {
		s.Endpoints = append(s.Endpoints, Endpoint{e.Order.int(), string(e.Transport), string(e.Format), string(e.Interaction),
			scenarioOf(string(e.Scenario)), string(e.Address), yes(string(e.Compression)), string(e.Comment)})
	}
	return s, nil
}

// capacityOf reads a colour. It is only told when it changed within a day.
func capacityOf(rag string) Capacity {
	switch strings.ToUpper(rag) {
	case "RED":
		return None
	case "AMBER":
		return Low
	case "GREEN":
		return High
	}
	return ""
}

func restServiceOf(s *Service) restService {
	r := restService{
		ID: loose(s.ID), Name: loose(s.Name), PublicName: loose(s.PublicName), ODS: loose(s.ODS), Postcode: loose(s.Postcode), Web: loose(s.URL),
		Type:    some(restType{loose(itoa(s.Type.ID)), loose(s.Type.Name)}),
		Easting: loose(itoa(s.Easting)), Northing: loose(itoa(s.Northing)), Distance: loose(s.Miles), Address: lines{s.Address},
		Phone:        some(restPhone{loose(s.Phone), loose(s.Professional.Phone), loose(s.Professional.Fax)}),
		Instructions: some(restInstructions{loose(s.Professional.Text), loose(s.Professional.Text)}),
	}
	switch s.Capacity {
	case None:
		r.Capacity = some(restCapacity{some(restStatus{"RED", "None", "#FF0000"})})
	case Low:
		r.Capacity = some(restCapacity{some(restStatus{"AMBER", "Low", "#FFC000"})})
	}
	opening := restOpening{AllHours: truth(s.OpenAllHours), Dates: some([]restDate{})}
	for _, day := range slices.Concat(weekdays[1:], weekdays[:1], []string{bankHoliday}) {
		sessions := []restSession{}
		for _, o := range s.Sessions {
			if o.StartDay == day {
				sessions = append(sessions, restSession{restClockOf(o.Start), restClockOf(o.End)})
			}
		}
		opening.Days.V = append(opening.Days.V, restDay{loose(day), some(sessions)})
	}
	for _, d := range s.Dates {
		sessions := []restSession{}
		if !d.Closed() {
			sessions = append(sessions, restSession{restClockOf(d.From), restClockOf(d.To)})
		}
		opening.Dates.V = append(opening.Dates.V, restDate{loose(d.Date.Format("02-01-2006")), some(sessions)})
	}
	r.OpeningTimes, r.Endpoints = some(opening), some([]restEndpoint{})
	for _, e := range s.Endpoints {
		compression := loose("uncompressed")
		if e.Compressed {
			compression = "compressed"
		}
		r.Endpoints.V = append(r.Endpoints.V, restEndpoint{loose(itoa(e.Order)), loose(e.Transport), loose(e.Format), loose(e.Interaction),
			loose(e.Scenario), loose(e.Address), compression, loose(e.Comment)})
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
