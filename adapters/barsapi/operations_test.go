package barsapi

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

func TestWhatWasDeliveredIsNotRefusedUnlessARepetitionCanMendIt(t *testing.T) {
	s := &server{o: Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}}
	for kind, want := range map[fhir.Kind]fhir.Kind{
		fhir.KindUnavailable: fhir.KindUnavailable, fhir.KindTimeout: fhir.KindUnavailable, fhir.KindTooEarly: fhir.KindTooEarly} {
		require.Equal(t, want, fhir.AsOutcome(s.unkept(bars.Caller{}, fhir.NewOutcome(kind, "", "x"))).Kind)
	}
	require.Equal(t, fhir.KindUnavailable, fhir.AsOutcome(s.unkept(bars.Caller{}, errors.New("a fault"))).Kind)
	require.NoError(t, s.unkept(bars.Caller{}, fhir.NewOutcome(fhir.KindWorkflow, "", "x")))
	require.NoError(t, s.unkept(bars.Caller{}, nil))
}

func TestAnAnswerIsReadFromParametersAndNothingIsDropped(t *testing.T) {
	s := &server{o: Options{NewID: func() string { return requestID }}}
	read := func(parameters string) (*bars.RespondRequest, error) {
		p, err := fhir.Parse([]byte(`{"resourceType":"Parameters","parameter":[` + parameters + `]}`))
		require.NoError(t, err)
		return s.readAnswer(p)
	}
	req, err := read(`{"name":"answer","valueCode":"status"},{"name":"status","valueCode":"arrived"},{"name":"reason","valueCodeableConcept":{"text":"No crew"}},
		{"name":"resource","resource":{"resourceType":"Flag"}},{"name":"resource","resource":{"resourceType":"CarePlan"}}`)
	require.NoError(t, err)
	require.Equal(t, bars.AnswerStatus, req.Answer)
	require.Equal(t, "arrived", req.Status)
	require.JSONEq(t, `{"text":"No crew"}`, string(req.Reason.JSON()))
	require.Len(t, req.Entries, 2)
	require.Equal(t, "CarePlan", req.Entries[1].Resource.Type())
	for _, bad := range []string{``, `{"name":"answer","valueCode":"yes"}`, `{"name":"answer","valueString":"full"}`,
		`{"name":"answer","valueCode":"full"},{"name":"other","valueCode":"x"}`, `{"name":"answer","valueCode":"full"},{"name":"resource"}`} {
		_, err := read(bad)
		require.Equal(t, fhir.KindValue, fhir.AsOutcome(err).Kind, bad)
	}
}
