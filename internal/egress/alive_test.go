package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a network of one server in memory.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }

// line is a connection that may go silent: nothing arrives any more, and nobody says so.
type line struct {
	net.Conn
	silent *atomic.Bool
}

func (l line) Write(b []byte) (int, error) {
	if l.silent.Load() {
		return len(b), nil
	}
	return l.Conn.Write(b)
}

// A connection that has gone silent, as when a receiver moves, isn't kept for all
// requests that follow.
func TestAConnectionThatHasGoneSilentIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{make(chan net.Conn), make(chan struct{})}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
		_ = server.Listener.Close()
		server.Listener, server.EnableHTTP2 = network, true
		server.StartTLS()
		defer func() { close(network.ended); _ = server.Config.Close() }()

		client := new(Policy).Client(0)
		transport, is := client.Transport.(*http.Transport)
		require.True(t, is)
		defer client.CloseIdleConnections()
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a server of this test
		gone := &atomic.Bool{}
		dialled := 0
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			dialled++
			here, there := net.Pipe()
			network.conns <- there
			if dialled == 1 {
				return line{here, gone}, nil
			}
			return here, nil
		}
		call := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://hooks.example/", strings.NewReader("x"))
			require.NoError(t, err)
			res, err := client.Do(req)
			if err == nil {
				require.Equal(t, 2, res.ProtoMajor)
				err = res.Body.Close()
			}
			return err
		}
		require.NoError(t, call())
		gone.Store(true)
		if err := call(); errors.Is(err, context.DeadlineExceeded) {
			t.Error("it wasn't given up")
		}
		require.NoError(t, call())
		require.Equal(t, 2, dialled)
	})
}
