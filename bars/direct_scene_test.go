package bars_test

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/store"
)

// plain is the context of a plain FHIR client.
func (s *scene) plain() context.Context {
	return bars.WithCaller(s.ctx, bars.Caller{Door: "fhir", Organisation: "B2002"})
}

func (s *scene) put(text string, ifMatch int64) (*rest.Version, error) {
	s.t.Helper()
	r := parse(s.t, text)
	return s.change(rest.Change{Method: "PUT", Type: r.Type(), ID: r.ID(), Resource: r, IfMatch: ifMatch})
}

func (s *scene) post(text string) (*rest.Version, error) {
	s.t.Helper()
	r := parse(s.t, text)
	return s.change(rest.Change{Method: "POST", Type: r.Type(), Resource: r})
}

func (s *scene) remove(typ, id string) error {
	s.t.Helper()
	_, err := s.change(rest.Change{Method: "DELETE", Type: typ, ID: id})
	return err
}

// change carries out one change.
func (s *scene) change(c rest.Change) (*rest.Version, error) {
	s.t.Helper()
	done, err := s.commit(c)
	if err != nil {
		return nil, err
	}
	return done[0].Version, nil
}

// commit carries out changes together.
func (s *scene) commit(changes ...rest.Change) ([]rest.Changed, error) {
	s.t.Helper()
	done, err := s.desk.Records().Commit(s.plain(), changes)
	if err == nil {
		require.Len(s.t, done, len(changes))
	}
	return done, err
}

// putSlot writes a slot of the clinic as its publisher does.
func (s *scene) putSlot(n int, status string) {
	s.t.Helper()
	_, err := s.put(string(slotResource(s.t, clinic, n, status).JSON()), 0)
	require.NoError(s.t, err)
}

// hold holds a slot for somebody who is choosing.
func (s *scene) hold(slot string) {
	s.t.Helper()
	claim := store.Claim{Slot: slot, Owner: "hold/1", Until: sceneNow.Add(5 * time.Minute)}
	_, err := s.store.Commit(s.ctx, &store.Batch{Ops: []store.Op{claim}})
	require.NoError(s.t, err)
}

// appointmentText is an Appointment with slots of the clinic.
func appointmentText(id, status string, slots ...int) string {
	list := ""
	for i, n := range slots {
		if i > 0 {
			list += ","
		}
		list += fmt.Sprintf(`{"reference":"Slot/%s"}`, slotID(clinic, n))
	}
	if list != "" {
		list = `"slot":[` + list + `],`
	}
	if id != "" {
		id = fmt.Sprintf(`"id":%q,`, id)
	}
	return fmt.Sprintf(`{"resourceType":"Appointment",%s"status":%q,%s"start":%q,"end":%q,"participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"}]}`,
		id, status, list, slotStart(0), slotEnd(0))
}
