package httpx

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Guard refuses what a web page could send to a server that asks nobody who
// they are: a Host that isn't loopback (DNS rebinding) and a foreign Origin
// (design D20).
func Guard(refuse Refuse, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !LoopbackHost(r.Host) {
			refuse(w, r, http.StatusForbidden, "this server has no authentication and answers to a loopback host name only")
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || !LoopbackHost(u.Host) {
				refuse(w, r, http.StatusForbidden, "this server has no authentication and answers no other web site's pages")
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// LoopbackHost says whether a host, with or without port, is this machine's
// loopback.
func LoopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
