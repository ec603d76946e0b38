package bars_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/rest"
	"github.com/onward-health/onward/fhir/search"
)

// where compiles a condition.
func (s *scene) where(typ, text string) *search.Query {
	s.t.Helper()
	parsed, err := search.Parse(typ, text, bars.SearchOptions(base, nil))
	require.NoError(s.t, err)
	return parsed.Query
}

// on is a change of a Patient under a condition.
func (s *scene) on(method, criteria, text string) rest.Change {
	c := rest.Change{Method: method, Type: "Patient", Where: s.where("Patient", criteria)}
	if text != "" {
		c.Resource = parse(s.t, text)
	}
	return c
}

const person = `{"resourceType":"Patient","identifier":[{"system":"urn:s","value":"1"}]}`

func TestConditionalCreatesThatRaceMakeOneRecord(t *testing.T) {
	s := open(t)
	const clients = 8
	var created, found atomic.Int32
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			done, err := s.desk.Records().Commit(s.plain(), []rest.Change{s.on("POST", "identifier=urn:s|1", person)})
			if err != nil {
				return
			}
			if done[0].Created {
				created.Add(1)
			}
			if done[0].Found {
				found.Add(1)
			}
		})
	}
	wait.Wait()
	require.EqualValues(t, 1, created.Load())
	require.EqualValues(t, clients-1, found.Load())
	require.Len(t, s.all("Patient"), 1)
}

func TestConditionalWritesByTheNumberOfMatches(t *testing.T) {
	s := open(t)
	const q = "identifier=urn:s|1"
	done, err := s.commit(s.on("PUT", q, person))
	require.NoError(t, err)
	require.True(t, done[0].Created, "none: created")
	id := done[0].Version.ID
	done, err = s.commit(s.on("PUT", q, person))
	require.NoError(t, err)
	require.False(t, done[0].Created)
	require.Equal(t, id, done[0].Version.ID)
	require.EqualValues(t, 2, done[0].Version.Version, "one: updated")

	withID := func(id string) string { return person[:len(person)-1] + fmt.Sprintf(`,"id":%q}`, id) }
	_, err = s.commit(s.on("PUT", q, withID("other")))
	refused(t, err, fhir.KindInvalid, "Patient.id")
	_, err = s.commit(s.on("PUT", q, withID(id)))
	require.NoError(t, err)
	_, err = s.commit(s.on("PUT", "identifier=urn:s|2", withID(id)))
	refused(t, err, fhir.KindConflict, "Patient.id")
	_, err = s.commit(s.on("PUT", "identifier=urn:s|2", withID("a_b")))
	refused(t, err, fhir.KindValue, "Patient.id")
	done, err = s.commit(s.on("PUT", "identifier=urn:s|2", `{"resourceType":"Patient","id":"mine"}`))
	require.NoError(t, err)
	require.Equal(t, "mine", done[0].Version.ID, "update as create")

	done, err = s.commit(s.on("DELETE", "identifier=urn:s|3", ""))
	require.NoError(t, err)
	require.Nil(t, done[0].Version)
	_, err = s.post(person)
	require.NoError(t, err)
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		text := person
		if method == "DELETE" {
			text = ""
		}
		_, err = s.commit(s.on(method, q, text))
		refused(t, err, fhir.KindVersion)
	}
	require.NoError(t, s.remove("Patient", id))
	done, err = s.commit(s.on("DELETE", q, ""))
	require.NoError(t, err)
	require.True(t, done[0].Version.Deleted)
	require.Empty(t, s.where("Patient", q).Cursor)
	_, err = s.commit(s.on("POST", "general-practitioner.name=x", person))
	refused(t, err, fhir.KindNotSupported)
}

func TestIfNoneMatchDemandsThatThereIsNoRecord(t *testing.T) {
	s := open(t)
	c := rest.Change{Method: "PUT", Type: "Appointment", ID: "a", Resource: parse(t, appointmentText("a", "booked", 0)), IfNew: true}
	_, err := s.commit(c)
	require.NoError(t, err)
	_, err = s.commit(c)
	refused(t, err, fhir.KindVersion)
	require.NoError(t, s.remove("Appointment", "a"))
	done, err := s.commit(c)
	require.NoError(t, err)
	require.True(t, done[0].Created)
	s.invariant()
}
