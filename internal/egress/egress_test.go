package egress

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhichURLsMayBeCalled(t *testing.T) {
	none := &Policy{}
	some, err := Parse([]string{"Hooks.Example", "localhost:9000", "10.1.0.0/16", "127.0.0.1", "::1"})
	require.NoError(t, err)
	for _, c := range []struct {
		url        string
		none, some bool
	}{
		{"https://receiver.example/hook", true, true},
		{"https://8.8.8.8/hook", true, true},
		{"http://receiver.example/hook", false, false},
		{"http://hooks.example/hook", false, true},
		{"http://HOOKS.example:8080/", false, true},
		{"https://localhost/", false, false},
		{"https://a.localhost./", false, false},
		{"http://localhost:9000/", false, true},
		{"http://localhost:9001/", false, false},
		{"https://127.0.0.1/", false, true},
		{"http://127.0.0.1:1/", false, true},
		{"http://127.0.0.2/", false, false},
		{"https://[::1]/", false, true},
		{"https://[::ffff:127.0.0.2]/", false, false},
		{"https://[fe80::1%25eth0]/", false, false},
		{"https://10.1.2.3/", false, true},
		{"https://10.2.2.3/", false, false},
		{"https://169.254.169.254/latest", false, false},
		{"https://user:pass@receiver.example/", false, false},
		{"https://receiver.example/#x", false, false},
		{"ftp://receiver.example/", false, false},
		{"https:receiver.example", false, false},
		{"https://", false, false},
		{"/hook", false, false},
		{"", false, false},
		{"https://%zz/", false, false},
	} {
		require.Equal(t, c.none, none.Check(c.url) == nil, "%s by default", c.url)
		require.Equal(t, c.some, some.Check(c.url) == nil, "%s with exceptions", c.url)
	}
}

func TestAnExceptionThatMakesNoSenseIsRefused(t *testing.T) {
	for _, text := range []string{"", " ", "http://host/", "a b", "10.0.0.0/40"} {
		_, err := Parse([]string{text})
		require.Error(t, err, "%q", text)
	}
}

func TestWhichAddressesArePublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "100.63.0.1": true,
		"127.0.0.1": false, "10.0.0.1": false, "172.31.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "::": false, "::1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false,
		"fe80::1": false, "fd00::1": false, "ff02::1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "2001:db8::1": false,
	} {
		require.Equal(t, want, public(netip.MustParseAddr(text)), text)
	}
}

func TestTheAddressIsJudgedWhenTheConnectionIsMade(t *testing.T) {
	called := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { called++; w.WriteHeader(204) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	require.NoError(t, err)
	// Check isn't asked here: the name stands for one that resolves to loopback.
	_, err = (&Policy{}).Client(time.Minute).Get("http://localhost:" + port)
	require.ErrorIs(t, err, ErrRefused)
	require.Zero(t, called)
	for _, allowed := range []string{"localhost", "localhost:" + port, "127.0.0.0/8"} {
		p, err := Parse([]string{allowed, "::1"})
		require.NoError(t, err)
		res, err := p.Client(time.Minute).Get("http://localhost:" + port)
		require.NoError(t, err, allowed)
		res.Body.Close()
	}
	require.Equal(t, 3, called)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/secret", http.StatusFound))
	defer server.Close()
	p, err := Parse([]string{"127.0.0.1"})
	require.NoError(t, err)
	res, err := p.Client(time.Minute).Get(server.URL)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusFound, res.StatusCode)
}
