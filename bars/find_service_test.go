package bars_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
	"github.com/onward-health/onward/store"
)

// listing is a directory that answers as the test says.
type listing struct {
	services []bars.Listed
	asked    *bars.Case
	err      error
}

func (l *listing) Search(_ context.Context, c bars.Case) (*bars.Listing, error) {
	l.asked = &c
	return &bars.Listing{Services: l.services}, l.err
}

func (l *listing) Lookup(_ context.Context, id nhs.ServiceID) (*bars.Listed, error) {
	for _, s := range l.services {
		if s.ID == id {
			return &s, l.err
		}
	}
	return nil, l.err
}

func listed(id string, endpoints ...bars.ListedEndpoint) bars.Listed {
	return bars.Listed{ID: nhs.ParseServiceID(id), Resource: fhir.NewObject("HealthcareService"), Endpoints: endpoints}
}

func at(kind bars.EndpointKind, order int, address string) bars.ListedEndpoint {
	return bars.ListedEndpoint{Kind: kind, Order: order, Address: address, Resource: fhir.NewObject("Endpoint")}
}

// soapRoutes forwards the services that it lists.
type soapRoutes map[string]bool

func (r soapRoutes) Routed(target nhs.ServiceID) bool { return r[target.Value] }

// Withdraws: all but the hospital's receiver.
func (soapRoutes) Withdraws(target nhs.ServiceID) bool { return target.Value != hospital }

func (r soapRoutes) Withdraw(f bars.Forwarding) (*bars.Forwarded, error) {
	id := f.Set + "withdrawn/" + strconv.Itoa(f.Version)
	return &bars.Forwarded{ID: id, Set: f.Set, Op: store.AuxPut{Kind: "sent", Key: id, Value: f.Bundle.JSON()},
		Lost: []fhir.Issue{{Expression: "ServiceRequest.reasonCode", Diagnostics: "in words"}}}, nil
}

func (soapRoutes) Forward(f bars.Forwarding) (*bars.Forwarded, error) {
	set := f.Set
	if set == "" {
		set = "set of " + f.Bundle.ID()
	}
	id := f.Bundle.ID() + "/" + strconv.Itoa(f.Version)
	return &bars.Forwarded{ID: f.Bundle.ID(), Set: set, Op: store.AuxPut{Kind: "sent", Key: id, Value: []byte(set + " " + f.Address)},
		Lost: []fhir.Issue{{Expression: "Flag", Diagnostics: "in words"}}}, nil
}

func TestEachServiceIsReachedByTheFirstEndpointThatCanBeSentTo(t *testing.T) {
	info := at(bars.SOAPEndpoint, 1, "https://copy.example")
	info.Copy = true
	d := &listing{services: []bars.Listed{
		listed(clinic, at(bars.BaRSEndpoint, 1, "https://elsewhere.example")), // hosted here
		listed(hospital), // hosted, sent on by SOAP
		listed("1", at(bars.SOAPEndpoint, 2, "https://soap.example"), at(bars.BaRSEndpoint, 1, "https://bars.example")),
		listed("2", info, at(bars.OtherEndpoint, 2, "01632 960000"), at(bars.SOAPEndpoint, 3, "https://soap.example")),
		listed("3", info, at(bars.OtherEndpoint, 2, "a@b.example")),
		listed("4", at(bars.BookingEndpoint, 1, "ASID:109876543210")),
		listed("5", at(bars.BookingEndpoint, 1, "ASID:109876543210"), at(bars.BookingEndpoint, 2, "ODS:B2002")),
	}}
	s := open(t, func(o *bars.Options) {
		o.Directory, o.SendByDirectory, o.Forwarder = d, true, soapRoutes{hospital: true}
	})
	found, err := s.desk.Find(s.ctx, bars.FindRequest{Case: bars.Case{Postcode: "ZZ99 3VZ"}, Slots: 2})
	require.NoError(t, err)
	require.Equal(t, "ZZ99 3VZ", d.asked.Postcode)
	want := []bars.Way{{Reach: bars.ReachHere}, {Reach: bars.ReachSOAP}, {bars.ReachBaRS, "https://bars.example"}, {bars.ReachSOAP, "https://soap.example"},
		{Reach: bars.ReachNone}, {Reach: bars.ReachNone}, {Reach: bars.ReachNone}}
	for i, f := range found.Services {
		require.Equal(t, want[i], f.Way, "%d", i)
	}
	require.Len(t, found.Services[0].Slots, 2)
	require.Len(t, found.Services[0].Schedules, 1)
	require.Equal(t, clinic, found.Services[0].Hosted.ID)
	require.True(t, found.Services[0].Bookable)
	require.Nil(t, found.Services[2].Hosted)
	require.False(t, found.Services[2].Bookable)
	require.True(t, found.Services[5].Bookable)
	require.False(t, found.Services[6].Bookable)
	require.NotEmpty(t, found.Services[6].Problem, "two booking endpoints: none may be chosen")

	for id, reach := range map[string]bars.Reach{hospital: bars.ReachSOAP, "1": bars.ReachBaRS, "2": bars.ReachSOAP, "3": bars.ReachNone, "9": bars.ReachNone} {
		way, err := s.desk.Way(s.ctx, nhs.ParseServiceID(id))
		require.NoError(t, err)
		require.Equal(t, reach, way.Reach, id)
	}
}

func TestSlotsThatAreTakenOrPastAreNotOffered(t *testing.T) {
	d := &listing{services: []bars.Listed{listed(clinic)}}
	s := open(t, func(o *bars.Options) { o.Directory = d })
	firsts := func(c bars.Case, n int) (ids []string) {
		found, err := s.desk.Find(s.ctx, bars.FindRequest{Case: c, Slots: n})
		require.NoError(t, err)
		for _, slot := range found.Services[0].Slots {
			ids = append(ids, slot.ID)
		}
		return ids
	}
	require.Equal(t, []string{slotID(clinic, 0), slotID(clinic, 1)}, firsts(bars.Case{}, 2))
	s.hold(slotID(clinic, 0))
	require.Equal(t, []string{slotID(clinic, 1), slotID(clinic, 2)}, firsts(bars.Case{}, 2), "the first is held")
	start, err := fhir.ParseInstant(slotStart(2))
	require.NoError(t, err)
	require.Equal(t, []string{slotID(clinic, 2)}, firsts(bars.Case{At: start}, 1))
	require.Empty(t, firsts(bars.Case{}, 0))
	require.Len(t, firsts(bars.Case{}, 100), slotsPerDiary-1)
}

func TestWithoutADirectoryNobodyIsAsked(t *testing.T) {
	s := open(t)
	_, err := s.desk.Find(s.ctx, bars.FindRequest{})
	require.Equal(t, fhir.KindNotImplemented, fhir.AsOutcome(err).Kind)
	d := &listing{services: []bars.Listed{listed("1", at(bars.BaRSEndpoint, 1, "https://bars.example"))}, err: fhir.NewOutcome(fhir.KindUnavailable, "", "away")}
	s = open(t, func(o *bars.Options) { o.Directory = d })
	_, err = s.desk.Find(s.ctx, bars.FindRequest{})
	require.Equal(t, fhir.KindUnavailable, fhir.AsOutcome(err).Kind)
	way, err := s.desk.Way(s.ctx, nhs.ParseServiceID("1"))
	require.NoError(t, err)
	require.Equal(t, bars.ReachNone, way.Reach, "a stand-in sends nobody anywhere")
}

func TestAgesAreToldInTheUnitThatTheyAreToldIn(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for born, want := range map[string]bars.Age{
		"2026-03-01": {0, bars.AgeDays}, "2026-02-28": {1, bars.AgeDays}, "2026-02-02": {27, bars.AgeDays}, "2026-02-01": {1, bars.AgeMonths},
		"2024-03-02": {23, bars.AgeMonths}, "2024-03-01": {2, bars.AgeYears}, "1991-03-02": {34, bars.AgeYears}, "1991-03-01": {35, bars.AgeYears},
	} {
		date, err := time.Parse("2006-01-02", born)
		require.NoError(t, err)
		require.Equal(t, want, bars.AgeOn(date, day), born)
	}
}
