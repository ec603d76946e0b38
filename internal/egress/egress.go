// Package egress is how the server calls addresses that others gave it, such as
// the endpoint of a Subscription: it reaches public addresses over https, and
// whatever else an operator has allowed by name, and nothing more. Otherwise
// anybody who may write such a resource could make the server talk to the
// machines beside it (server-side request forgery).
//
// The address is judged when the connection is made, after the name was
// resolved, so that a name which resolves to another address the second time
// gains nothing. Redirects aren't followed and no proxy is used. It knows no
// FHIR; adapters and cmd use it.
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrRefused: the address is none that the server may call.
var ErrRefused = errors.New("the address is not public and not allowed")

// Policy says what may be called. The zero value allows https to public
// addresses.
type Policy struct {
	hosts    map[string]bool // "host" or "host:port", lower case
	networks []netip.Prefix
}

// Parse reads what an operator allows beyond public addresses over https: hosts
// ("hooks.example", "localhost:9000"), addresses and networks ("10.1.0.0/16").
// For these http is allowed too.
func Parse(allow []string) (*Policy, error) {
	p := &Policy{hosts: map[string]bool{}}
	for _, text := range allow {
		text = strings.ToLower(strings.TrimSpace(text))
		if network, err := netip.ParsePrefix(text); err == nil {
			p.networks = append(p.networks, network.Masked())
			continue
		}
		if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			p.networks = append(p.networks, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
			continue
		}
		if text == "" || strings.ContainsAny(text, "/@?# ") {
			return nil, errors.New("egress: what is allowed must be a host, host:port, an address or a network such as 10.1.0.0/16")
		}
		p.hosts[text] = true
	}
	return p, nil
}

// Check says why a URL may not be called, as far as can be said without
// resolving its name; nil where it may. The error never quotes it.
func (p *Policy) Check(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("it must be an absolute http or https URL")
	}
	if u.User != nil || u.Fragment != "" {
		return errors.New("it may hold neither a user name nor a fragment")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("it must be an absolute http or https URL")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	literal := err == nil
	if p.named(u.Host, port(u)) || (literal && p.within(ip)) {
		return nil
	}
	if u.Scheme == "http" {
		return errors.New("it must begin with https: http is only for addresses that the operator has allowed")
	}
	if literal && !public(ip) {
		return ErrRefused
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return ErrRefused
	}
	return nil
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// named says whether a host was allowed by its name.
func (p *Policy) named(hostport, port string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return p.hosts[host] || p.hosts[net.JoinHostPort(host, port)]
}

func (p *Policy) within(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, network := range p.networks {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

// special are the networks that aren't the public internet (IANA special-purpose
// address registries), with those that carry an IPv4 address inside an IPv6 one.
var special = func() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range strings.Fields(`0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
		192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
		198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16
		fc00::/7 fe80::/10 fec0::/10 ff00::/8`) {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}()

func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, network := range special {
		if network.Contains(ip) {
			return false
		}
	}
	return true
}

// Client makes an HTTP client that keeps to the policy. Errors that come of it
// are ErrRefused.
func (p *Policy) Client(timeout time.Duration) *http.Client {
	open := &net.Dialer{Timeout: 10 * time.Second}
	closed := &net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || (!public(at.Addr()) && !p.within(at.Addr())) {
			return ErrRefused
		}
		return nil
	}}
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err == nil && p.named(host, port) {
					return open.DialContext(ctx, network, address)
				}
				return closed.DialContext(ctx, network, address)
			},
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    4,
			MaxIdleConns:           64,
			IdleConnTimeout:        90 * time.Second,
			ForceAttemptHTTP2:      true,
			HTTP2:                  Pings(),
		},
	}
}

// Pings makes an HTTP/2 connection that has gone silent be given up after 15 s.
// Without them all requests share it, and fail, for as long as requests come.
func Pings() *http.HTTP2Config {
	return &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second}
}
