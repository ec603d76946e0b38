package mongo_test

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/store"
	"github.com/onward-health/onward/store/mongo"
	"github.com/onward-health/onward/store/mongo/fakereplset"
)

// listen answers every connection on a free port by f, until the test ends.
func listen(t *testing.T, f func(net.Conn)) (address string) {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = in.Close() })
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return in.Addr().String()
}

func says(banner string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, banner)
		_, _ = io.Copy(io.Discard, c)
	}
}

func TestWhatIsNoMongoDBIsRefusedAsWhatItIs(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of what the driver sends it
	secure.StartTLS()
	t.Cleanup(secure.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600))
	encrypted := secure.Listener.Addr().String()
	_, port, err := net.SplitHostPort(encrypted)
	require.NoError(t, err)
	plain := strings.TrimSuffix(strings.TrimPrefix(serve(t, fakereplset.Options{}).URI(), "mongodb://"), "/fake?replicaSet=rs0")

	for name, row := range map[string]struct{ at, says string }{
		"another protocol":                   {listen(t, says("SSH-2.0-X\r\n")) + "/", "what answers at a host's port doesn't speak MongoDB's protocol"},
		"rubbish":                            {listen(t, says(strings.Repeat("\x20\x00\x00\x00", 100))) + "/", "what answers at a host's port doesn't speak MongoDB's protocol"},
		"silence":                            {listen(t, says("")) + "/", "a host doesn't answer"},
		"a closed door":                      {listen(t, func(net.Conn) {}) + "/", "a server breaks the connection off"},
		"TLS asked of a server without":      {plain + "/?tls=true", "a server breaks the connection off, as one does where only one side speaks TLS"},
		"TLS asked of another protocol":      {listen(t, says("SSH-2.0-X\r\n")) + "/?tls=true", "a server doesn't speak TLS"},
		"no TLS asked of a server with":      {encrypted + "/", "a server breaks the connection off, as one does where only one side speaks TLS"},
		"an authority that nobody trusts":    {encrypted + "/?tls=true", "an authority that isn't trusted (tlsCAFile)"},
		"a certificate of another host":      {"localhost:" + port + "/?tls=true&tlsCAFile=" + authority, "for another host's name"},
		"another protocol behind good TLS":   {encrypted + "/?tls=true&tlsCAFile=" + authority, "MongoDB"},
		"one of two that is none, and a set": {plain + "," + listen(t, says("SSH-2.0-X\r\n")) + "/?replicaSet=rs1", "doesn't speak MongoDB's protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mongo.Open(t.Context(), "mongodb://bob:secret@"+row.at, mongo.Options{})
			require.ErrorContains(t, err, row.says)
			require.ErrorIs(t, err, store.ErrUnavailable)
			for _, part := range []string{"secret", "bob", "127.0.0.1", "localhost", port, "ca.pem"} {
				require.NotContains(t, err.Error(), part)
			}
		})
	}
}

// Ten seconds are one call's time, a minute that of an index.
func TestAServerThatGreetsAndThenHangsIsNotWaitedForAMinute(t *testing.T) {
	t.Parallel()
	for _, commands := range []string{"find", "commitTransaction", "insert abortTransaction", "findAndModify delete"} {
		t.Run(commands, func(t *testing.T) {
			t.Parallel()
			fake := serve(t, fakereplset.Options{})
			over := make(chan struct{})
			t.Cleanup(func() { close(over) })
			fake.Hook(func(c fakereplset.Call) *fakereplset.Fault {
				if slices.Contains(strings.Fields(commands), c.Name) {
					<-over
				}
				return nil
			})
			began := time.Now()
			_, err := mongo.Open(t.Context(), fake.URI(), mongo.Options{})
			require.ErrorContains(t, err, "the server was found, and then a host doesn't answer")
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.Less(t, time.Since(began), 40*time.Second)
		})
	}
}
