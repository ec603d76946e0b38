package dos

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// told is a directory that answers as the test says.
type told struct {
	services []Service
	err      error
	asked    *Case
}

func (d *told) Search(_ context.Context, c *Case) (*Answer, error) {
	d.asked = c
	return &Answer{Services: d.services}, d.err
}

func (d *told) Details(context.Context, string) ([]Service, error) { return d.services, d.err }

func TestACaseIsAskedInTheDirectorysTerms(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	d := &told{}
	_, err := Room{d}.Search(t.Context(), bars.Case{Reference: "R", Postcode: "ZZ99 3VZ", Surgery: "C3003", Age: bars.Age{Value: 35, Unit: bars.AgeYears},
		Gender: "female", Disposition: "Dx108", SymptomGroup: 1110, Discriminators: []int{4003}, Kilometres: 5, Force: true, At: at})
	require.NoError(t, err)
	require.Equal(t, &Case{Ref: "R", Postcode: "ZZ99 3VZ", Surgery: "C3003", Age: 35, AgeFormat: Years, Gender: "F", Disposition: 1108,
		SymptomGroup: 1110, Discriminators: []int{4003}, Distance: 5, Force: true, At: &at}, d.asked)
	for age, want := range map[bars.Age]Case{
		{Value: 0, Unit: bars.AgeYears}: {Age: 0, AgeFormat: Days}, {Value: 1, Unit: bars.AgeYears}: {Age: 12, AgeFormat: Months},
		{Value: 7, Unit: bars.AgeDays}: {Age: 7, AgeFormat: Days}, {Value: 23, Unit: bars.AgeMonths}: {Age: 23, AgeFormat: Months},
	} {
		_, err := Room{d}.Search(t.Context(), bars.Case{Age: age, Gender: "unknown"})
		require.NoError(t, err)
		require.Equal(t, want.Age, d.asked.Age)
		require.Equal(t, want.AgeFormat, d.asked.AgeFormat)
		require.Equal(t, "I", d.asked.Gender)
		require.Equal(t, "UNK", d.asked.Surgery)
	}
	_, err = Room{d}.Search(t.Context(), bars.Case{Disposition: "02"})
	require.Equal(t, fhir.KindValue, fhir.AsOutcome(err).Kind)
}

func TestEachEndpointIsOfTheKindThatCanBeSentTo(t *testing.T) {
	const itk = "urn:nhs-itk:interaction:primaryOutofHourRecipientNHS111CDADocument-v2-0"
	for _, c := range []struct {
		e    Endpoint
		kind bars.EndpointKind
	}{
		{Endpoint{Transport: "itk", Format: "CDA", Interaction: itk, Address: "https://a.example/x"}, bars.SOAPEndpoint},
		{Endpoint{Transport: "ITK", Format: "cda", Interaction: itk, Address: "http://127.0.0.1:1/x"}, bars.SOAPEndpoint},
		{Endpoint{Transport: "itk", Format: "CDA", Interaction: itk, Address: "http://a.example/x"}, bars.OtherEndpoint},
		{Endpoint{Transport: "itk", Format: "CDA", Interaction: itk, Address: "https://u:p@a.example/x"}, bars.OtherEndpoint},
		{Endpoint{Transport: "itk", Format: "CDA", Interaction: itk, Address: "https://a.example/x", Compressed: true}, bars.OtherEndpoint},
		{Endpoint{Transport: "itk", Format: "PDF", Interaction: itk, Address: "https://a.example/x"}, bars.OtherEndpoint},
		{Endpoint{Transport: "http", Format: "FHIR", Interaction: "BaRS", Address: "https://a.example/FHIR/R4"}, bars.BaRSEndpoint},
		{Endpoint{Transport: "http", Format: "FHIR", Interaction: "other", Address: "https://a.example/FHIR/R4"}, bars.OtherEndpoint},
		{Endpoint{Transport: "http", Format: "FHIR", Interaction: "Scheduling", Address: "ASID:109876543210"}, bars.BookingEndpoint},
		{Endpoint{Transport: "http", Format: "FHIR", Interaction: "scheduling", Address: "ods: B2002"}, bars.BookingEndpoint},
		{Endpoint{Transport: "http", Format: "FHIR", Interaction: "Scheduling", Address: "ASID:1"}, bars.OtherEndpoint},
		{Endpoint{Transport: "email", Format: "PDF", Address: "a@b.example"}, bars.OtherEndpoint},
		{Endpoint{}, bars.OtherEndpoint},
	} {
		require.Equal(t, c.kind, kindOf(c.e), "%+v", c.e)
	}
}

func TestStaffsTelephonesStayOutOfWhatThePublicIsTold(t *testing.T) {
	s := Service{ID: "1", ODS: "B2002", Name: "Ward 9 (Home)", PublicName: "Urgent care", Miles: "0.6", Capacity: Low, Ages: []AgeRange{{0, 5843}},
		Address: "1 Street", Easting: 1, Northing: 2, Professional: Professional{Phone: "01632 960999", Text: "ring twice"},
		Endpoints: []Endpoint{{Order: 1, Transport: "telno", Address: "01632 960998"}, {Order: 2, Transport: "email", Address: "ward@nhs.example"}}}
	d := &told{services: []Service{s}}
	for professional, holds := range map[bool]bool{false: false, true: true} {
		listing, err := Room{d}.Search(t.Context(), bars.Case{Professional: professional})
		require.NoError(t, err)
		l := listing.Services[0]
		text := string(l.Resource.JSON())
		for _, e := range l.Endpoints {
			text += string(e.Resource.JSON())
		}
		for _, hidden := range []string{"960999", "960998", "ring twice", "ward@nhs.example", "Ward 9"} {
			if holds {
				require.Contains(t, text, hidden)
			} else {
				require.NotContains(t, text, hidden)
			}
		}
		require.Equal(t, nhs.ODSCode("B2002"), l.Provider)
		require.Contains(t, text, "from 0 to 5843 days")
		require.Contains(t, text, `"value":0.6`)
	}
}

func TestEachFailureOfTheDirectoryIsToldAsWhatItMeans(t *testing.T) {
	for code := range about {
		_, err := Room{&told{err: &Fault{code, "text that repeats ZZ99 3VZ"}}}.Search(t.Context(), bars.Case{})
		o := fhir.AsOutcome(err)
		require.Equal(t, fhir.KindValue, o.Kind, "%d", code)
		require.NotContains(t, o.Error(), "ZZ99")
	}
	for err, kind := range map[error]fhir.Kind{
		&Fault{302, "x"}: fhir.KindException, &Fault{0, ""}: fhir.KindException, &Fault{107, ""}: fhir.KindException,
		&Fault{100, ""}: fhir.KindUnavailable, &Fault{504, ""}: fhir.KindUnavailable, ErrUnavailable: fhir.KindUnavailable,
		&AnswerError{403}: fhir.KindUnavailable,
	} {
		_, got := Room{&told{err: err}}.Search(t.Context(), bars.Case{})
		require.Equal(t, kind, fhir.AsOutcome(got).Kind, err.Error())
		_, got = Room{&told{err: err}}.Lookup(t.Context(), nhs.ParseServiceID("1"))
		require.Equal(t, kind, fhir.AsOutcome(got).Kind, err.Error())
	}
	_, err := Room{&told{err: context.Canceled}}.Search(t.Context(), bars.Case{})
	require.True(t, errors.Is(err, context.Canceled))
	listing, err := Room{&told{err: faultNoServices}}.Search(t.Context(), bars.Case{})
	require.NoError(t, err)
	require.Empty(t, listing.Services)
	listing, err = Room{&told{services: []Service{{ID: "1", Name: "ED (Catch-all)"}}}}.Search(t.Context(), bars.Case{})
	require.NoError(t, err)
	require.True(t, listing.CatchAll)
	_, err = Room{&told{services: make([]Service, maxListed+1)}}.Search(t.Context(), bars.Case{})
	require.Equal(t, fhir.KindUnavailable, fhir.AsOutcome(err).Kind)
}

func TestOneServiceIsLookedUpAndNeverAnother(t *testing.T) {
	d := Room{&told{services: []Service{{ID: "1"}, {ID: "2"}}}}
	found, err := d.Lookup(t.Context(), nhs.ParseServiceID("2"))
	require.NoError(t, err)
	require.Equal(t, "2", found.ID.Value)
	for _, id := range []nhs.ServiceID{nhs.ParseServiceID("3"), {System: nhs.SystemODS, Value: "B2002"}, {System: "urn:x", Value: "1"}} {
		found, err = d.Lookup(t.Context(), id)
		require.NoError(t, err)
		require.Nil(t, found, "%v", id)
	}
	found, err = Room{&told{err: faultNotFound}}.Lookup(t.Context(), nhs.ParseServiceID("3"))
	require.NoError(t, err)
	require.Nil(t, found)
}

// Ensure that the stand-in lists the endpoints and the type that a service names.
func TestAServiceListsTheEndpointsThatItNames(t *testing.T) {
	e := EndpointOf(fhir.NewObject("Endpoint").Set("status", "active").
		Set("connectionType", fhir.Obj("system", "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code", "hl7-fhir-rest")).
		Set("address", "https://a.example/FHIR/R4").Resource())
	require.Equal(t, "http", e.Transport)
	require.Equal(t, "FHIR", e.Format)
	p := profile(fhir.NewObject("HealthcareService").Set("identifier", []*fhir.Object{fhir.Obj("system", nhs.SystemDoS, "value", "77")}).
		Set("type", []*fhir.Object{fhir.Obj("coding", []*fhir.Object{fhir.Obj("system", systemServiceType, "code", "25", "display", "IUC Treatment")})}).Resource(), "77", "http://here")
	require.Equal(t, ServiceType{25, "IUC Treatment"}, p.Type)
}
