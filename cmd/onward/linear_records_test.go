package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store/storetest/linear"
)

const firstValue = "first"

// recordClient is one client of a record. What it writes goes by the version
// that it saw last.
type recordClient struct {
	n       int
	http    *impatient
	random  *rand.Rand
	h       *linear.History
	id      string
	version int64 // seen last; 0 where it was deleted
}

func (c *recordClient) step() {
	switch dice := c.random.IntN(100); {
	case dice < 35:
		c.read()
	case dice < 80 && c.version > 0:
		c.write(linear.RecordCall{Value: uuid.NewString(), If: c.version})
	case dice < 94:
		c.write(linear.RecordCall{Value: uuid.NewString()})
	default:
		c.write(linear.RecordCall{Delete: true})
	}
}

func (c *recordClient) path() string { return "/FHIR/R4/Patient/" + c.id }

func patientBody(id, value string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"name":[{"text":%q}]}`, id, value)
}

func (c *recordClient) read() {
	c.h.Call(c.n, c.id, linear.RecordCall{}, func() (any, linear.Result) {
		a, err := c.http.try(some(c.random), "GET", c.path(), nil, nil)
		if err != nil || (a.status != 200 && a.status != 410) {
			return nil, linear.Void
		}
		if a.status == 410 {
			c.version = 0
			return linear.RecordAnswer{Deleted: true}, linear.Done
		}
		var r struct{ Name []struct{ Text string } }
		if err := json.Unmarshal(a.body, &r); err != nil || len(r.Name) != 1 {
			c.http.complain("a read gave %s", a.body)
			return nil, linear.Void
		}
		c.version = versionIn(a)
		return linear.RecordAnswer{Version: c.version, Value: r.Name[0].Text}, linear.Done
	})
}

func (c *recordClient) write(call linear.RecordCall) {
	c.h.Call(c.n, c.id, call, func() (any, linear.Result) {
		header, method, body := plain(), "PUT", patientBody(c.id, call.Value)
		if call.If > 0 {
			header.Set("If-Match", fmt.Sprintf(`W/"%d"`, call.If))
		}
		if call.Delete {
			method, body = "DELETE", nil
		}
		a, err := c.http.try(some(c.random), method, c.path(), header, body)
		r, known := result(a, err)
		if !known || (r == linear.Refused && call.If == 0) {
			c.http.complain("a write without condition: %d %s", a.status, a.body)
		}
		answer := linear.RecordAnswer{Result: r}
		if r == linear.Done && !call.Delete {
			answer.Version = versionIn(a)
			c.version = answer.Version
		}
		return answer, r
	})
}

func versionIn(a *answer) int64 {
	n, _ := strconv.ParseInt(strings.Trim(a.header.Get("ETag"), `W/"`), 10, 64)
	return n
}

// playRecords lets the clients work on fresh records for one round.
func playRecords(t testing.TB, s *server, c *impatient, h *linear.History, round int) {
	ids := make([]string, groupsAtOnce)
	for i := range ids {
		ids[i] = uuid.NewString()
		a := s.do("PUT", "/FHIR/R4/Patient/"+ids[i], plain(), patientBody(ids[i], firstValue))
		require.Equal(t, 201, a.status, "%s", a.body)
	}
	var wg sync.WaitGroup
	for n := range proofClients {
		one := &recordClient{n: n, http: c, random: rand.New(rand.NewPCG(uint64(round), uint64(n))), h: h, id: ids[n%len(ids)], version: 1}
		wg.Go(func() {
			for range efforts().each {
				one.step()
			}
		})
	}
	wg.Wait()
}

// timeOf says how fast a history was made, for the log.
func timeOf(began time.Time, calls int) string {
	return fmt.Sprintf("%d calls in %.1f s", calls, time.Since(began).Seconds())
}
