package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	driver "go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// Ensure that the commands of `onward store` work on MongoDB beside servers that
// use it, and that several servers on one database are one.
func TestTheStoreCommandsWorkOnMongoDB(t *testing.T) {
	t.Parallel() // it mostly waits
	a, fake := startMongo(t)
	b := start(t, "--store", fake.URI())
	slots := a.freeSlots(3)

	// Each slot is asked for at both at once.
	told := make([][]int, len(slots))
	for i, slot := range slots {
		told[i] = make([]int, 2)
		var wg sync.WaitGroup
		for n, s := range []*server{a, b} {
			wg.Go(func() {
				got, err := s.try("POST", messagePath, speaking("2000072489"), bookingFor(t, slot))
				if err == nil {
					told[i][n] = got.status
				}
			})
		}
		wg.Wait()
		require.ElementsMatch(t, []int{200, 409}, told[i])
		require.Equal(t, "busy", a.status("Slot/"+slot.id))
		require.Equal(t, "busy", b.status("Slot/"+slot.id), "what one wrote the other reads")
	}
	require.True(t, a.create("p1"))
	got := b.do("PUT", "/FHIR/R4/Patient/p1", plain(), []byte(`{"resourceType":"Patient","id":"p1","active":true}`))
	require.Equal(t, 200, got.status, "%s", got.body)

	// Beside them, while one goes on writing.
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				a.create(fmt.Sprint("w", n))
			}
		}
	})
	checked := onward(t, "store", "check", "--store", fake.URI())
	close(stop)
	writer.Wait()
	require.Zero(t, checked.code, "%s %s", checked.out, checked.err)

	purged := onward(t, "store", "purge", "--store", fake.URI(), "--before", time.Now().UTC().Add(2*time.Millisecond).Format(time.RFC3339Nano), "--type", "Patient/p1", "--yes")
	require.Zero(t, purged.code, purged.err)
	require.Contains(t, purged.out, "removed 1 superseded versions and 0 deleted records")
	require.Equal(t, 404, b.do("GET", "/FHIR/R4/Patient/p1/_history/1", nil, nil).status)

	// A claim that is lost is found.
	client, err := driver.Connect(t.Context(), options.Client().ApplyURI(fake.URI()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	_, err = client.Database("fake").Collection("claim").DeleteOne(t.Context(), bson.D{{Key: "_id", Value: "Slot/" + slots[0].id + "#0"}})
	require.NoError(t, err)
	checked = onward(t, "store", "check", "--store", fake.URI(), "--json")
	require.Equal(t, 1, checked.code, "%s %s", checked.out, checked.err)
	require.Contains(t, checked.out, "appointment-claimed")
	a.kill()
	b.kill()

	copyThere(t, fake)
}

// copyThere copies to another MongoDB, which goes away meanwhile, goes on, and
// copies back to a file.
func copyThere(t *testing.T, from *fakereplset.Server) {
	to, err := fakereplset.Start(fakereplset.Options{})
	require.NoError(t, err)
	t.Cleanup(to.Close)
	to.Hook(func(c fakereplset.Call) *fakereplset.Fault {
		if c.Name == "update" && c.N > 2 {
			return &fakereplset.Fault{Reply: fakereplset.Failure(13, "Unauthorized", "no")}
		}
		return nil
	})
	broken := onward(t, "store", "copy", "--from", from.URI(), "--to", to.URI())
	to.Hook(nil)
	require.Equal(t, 1, broken.code, "%s %s", broken.out, broken.err)
	require.Equal(t, 3, onward(t, "store", "check", "--store", to.URI()).code, "what is half copied isn't opened")
	done := onward(t, "store", "copy", "--from", from.URI(), "--to", to.URI())
	require.Zero(t, done.code, "%s %s", done.out, done.err)
	file := "sqlite:" + filepath.Join(t.TempDir(), "back.db")
	back := onward(t, "store", "copy", "--from", to.URI(), "--to", file)
	require.Zero(t, back.code, "%s %s", back.out, back.err)

	restored := start(t, "--store", file)
	var patient struct{ Active bool }
	got := restored.do("GET", "/FHIR/R4/Patient/p1", http.Header{}, nil)
	require.Equal(t, 200, got.status)
	require.NoError(t, json.Unmarshal(got.body, &patient))
	require.True(t, patient.Active)
}

// Ensure that a message that comes to two servers at once, as from a sender who
// repeats it before it has been answered, has one effect, and that the other server
// says so and not that the slot is taken.
func TestAMessageToTwoServersAtOnceIsCarriedOutOnceAndADuplicate(t *testing.T) {
	t.Parallel()
	a, fake := startMongo(t)
	b := start(t, "--store", fake.URI())
	for _, slot := range a.freeSlots(12) {
		header, body := speaking("2000072489"), bookingFor(t, slot)
		var wg sync.WaitGroup
		told := make([]string, 2)
		for n, s := range []*server{a, b} {
			wg.Go(func() {
				got, err := s.try("POST", messagePath, header, body)
				if err != nil {
					return
				}
				if told[n] = fmt.Sprint(got.status); got.status != http.StatusOK {
					code, _, _ := got.issue(t)
					told[n] += " " + code
				}
			})
		}
		wg.Wait()
		require.ElementsMatch(t, []string{"200", "409 duplicate"}, told)
	}
	a.checkInvariant()
}
