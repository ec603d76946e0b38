package barsapi

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
)

// Who isn't on a service's lists is refused on every path that names the service,
// before anything is looked at.
func TestWhoIsNotOnAServicesListsIsRefused(t *testing.T) {
	other := encode(`{"resourceType":"Organization","identifier":[{"value":"C3003","system":"https://fhir.nhs.uk/Id/ods-organization-code"}]}`)
	product := encode(`{"resourceType":"Device","identifier":[{"value":"T-2"}]}`)
	role := func(code string) string {
		return encode(`{"resourceType":"PractitionerRole","code":[{"coding":[{"code":"` + code + `"}]}]}`)
	}
	lists := bars.Access{
		Organisations: map[string][]string{clinic: {"B2002", "a1001"}},
		Products:      map[string][]string{bars.AnyService: {"T-1"}},
		Roles:         map[string][]string{clinic: {"62247001"}},
	}
	const definitions = "/MessageDefinition?context=a1t2"
	for _, row := range []struct {
		name string
		h    []string
		who  int // 0: admitted
		meta int // the same on what says nothing of patients
	}{
		{"on all lists", nil, 0, 0},
		{"with a role", []string{headerPractitioner, role("62247001")}, 0, 0},
		{"another role", []string{headerPractitioner, role("1")}, 401, 401},
		{"another organisation", []string{headerOrganisation, other}, 401, 401},
		{"another product", []string{headerSoftware, product}, 401, 401},
		{"another organisation elsewhere", []string{headerOrganisation, other, headerTarget, targetOf(elsewhere)}, 0, 0},
		{"another product elsewhere", []string{headerSoftware, product, headerTarget, targetOf(elsewhere)}, 401, 401},
		{"no organisation", []string{headerOrganisation, ""}, 401, 0},
		{"no product", []string{headerSoftware, ""}, 401, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := openOn(t, bars.Options{Mode: bars.Lenient, Access: lists})
			for _, call := range [][3]string{{"GET", slotPath, ""}, {"GET", "/Appointment/" + uuid.NewString(), ""}, {"GET", "/ServiceRequest", ""},
				{"POST", "/Appointment", "{}"}, {"DELETE", "/Appointment/" + uuid.NewString(), ""}, {"POST", messagePath, tour(t, "book")}} {
				h := changed(row.h...)
				path := call[1]
				if h.Get(headerTarget) == targetOf(elsewhere) {
					path = strings.Replace(path, clinic, elsewhere, 1)
				}
				w := s.do(call[0], path, h, call[2])
				if row.who == 0 {
					require.NotEqual(t, 401, w.Code, "%s %s: %s", call[0], path, w.Body)
					continue
				}
				s.refused(w, h, row.who, "forbidden", "REC_UNAUTHORIZED")
			}
			for _, path := range []string{"/metadata", definitions} {
				h := changed(row.h...)
				w := s.do("GET", path, h, "")
				if row.meta == 0 {
					require.Equal(t, 200, w.Code, "%s: %s", path, w.Body)
					continue
				}
				s.refused(w, h, row.meta, "security", "REC_UNAUTHORIZED")
			}
		})
	}
}

func TestAServiceThatIsNotHereIsNotFoundWhateverTheLists(t *testing.T) {
	s := openOn(t, bars.Options{Access: bars.Access{Organisations: map[string][]string{bars.AnyService: {"B2002"}}}})
	h := changed(headerTarget, targetOf("2000099999"))
	s.refused(s.do("GET", "/metadata", h, ""), h, 404, "not-found", "REC_NOT_FOUND")
}

// The proxy is known by its client certificate (BaRS Core, security).
func TestAConnectionWithoutAVerifiedCertificateIsForbidden(t *testing.T) {
	s := open(t, func(o *Options) { o.NeedCertificate = true })
	verified := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
	for _, row := range []struct {
		state *tls.ConnectionState
		want  int
	}{{nil, 403}, {&tls.ConnectionState{}, 403}, {&tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}, 403}, {verified, 200}} {
		for _, path := range []string{slotPath, "/metadata"} {
			r := httptest.NewRequest("GET", "/FHIR/R4"+path, nil)
			r.Header, r.TLS = speaking(), row.state
			w := httptest.NewRecorder()
			s.door.ServeHTTP(w, r)
			if row.want == 200 {
				require.Equal(t, 200, w.Code)
				continue
			}
			s.refused(w, r.Header, 403, "forbidden", "REC_FORBIDDEN")
		}
	}
	require.Equal(t, 200, s.do("GET", "/_ping", http.Header{}, "").Code)
	require.Equal(t, "plain", s.do("GET", slotPath, http.Header{}, "").Body.String(), "plain FHIR has its own authentication")
}

func TestA503IsWordedAsTheOperatorSays(t *testing.T) {
	for set, word := range map[bool]string{false: "REC_UNAVAILABLE", true: "REC_SERVICE_UNAVAILABLE"} {
		s := open(t, func(o *Options) { o.ServiceUnavailable = set })
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/FHIR/R4/Slot", nil)
		r.Header = speaking()
		s.door.s.refuse(w, r, fhir.NewOutcome(fhir.KindUnavailable, "", "the store can't serve now"))
		s.refused(w, r.Header, 503, "transient", word)
	}
}
