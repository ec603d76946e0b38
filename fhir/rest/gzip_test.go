package rest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/onward-health/onward/fhir/rest"
)

func gunzip(t *testing.T, text string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(text))
	require.NoError(t, err)
	out, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(out)
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := io.WriteString(z, text)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.String()
}

func TestAcceptEncodingDecidesOnGzip(t *testing.T) {
	s := newScene(t)
	s.send("PUT", "/Patient/a", `{"resourceType":"Patient","id":"a","language":"`+strings.Repeat("x", 2000)+`"}`)
	plain := s.do("GET", "/Patient/a", "", "Accept-Encoding: identity").body
	for accept, want := range map[string]bool{
		"gzip": true, "GZIP": true, "x-gzip": true, "*": true, "gzip;q=0.001": true, "gzip; q=1": true, "deflate, gzip;q=1.0, *;q=0.5": true,
		"br, gzip": true, "identity;q=0.5, gzip;q=0.5": true, "identity;q=0, gzip;q=0.1": true, "*;q=0, gzip": true,
		"": false, "identity": false, "br, deflate": false, "gzip;q=0": false, "gzip;q=0.000, *": false, "*;q=0": false,
		"gzip;q=0.1, identity": false, "gzip;q=x": false, "gzip;level=9": false, "gzipped": false, strings.Repeat("br,", 2000) + "gzip": false,
	} {
		a := s.do("GET", "/Patient/a", "", "Accept-Encoding: "+accept)
		require.Equal(t, 200, a.status)
		require.Equal(t, "Accept, Accept-Encoding", a.header.Get("Vary"))
		require.Equal(t, `W/"1"`, a.header.Get("ETag"))
		if want {
			require.Equal(t, "gzip", a.header.Get("Content-Encoding"), accept)
			require.Less(t, len(a.body), 500)
			require.Equal(t, plain, gunzip(t, a.body), accept)
			continue
		}
		require.Empty(t, a.header.Get("Content-Encoding"), accept)
		require.Equal(t, plain, a.body, accept)
	}
}

func TestEveryAnswerOverOneKiBIsCompressed(t *testing.T) {
	s := newScene(t)
	long := strings.Repeat("x", 1000)
	for i := range 60 {
		id := "p" + strconv.Itoa(i)
		s.backend.add(&rest.Version{Type: "Patient", ID: id, Body: []byte(`{"resourceType":"Patient","id":"` + id + `","language":"` + long + `"}`)})
	}
	s.send("PUT", "/Observation/small", `{"resourceType":"Observation","id":"small"}`)
	for _, query := range []string{"", "_format=xml&", "_pretty=true&", "_format=xml&_pretty=true&"} {
		for path, want := range map[string]bool{
			"/Patient?" + query + "_count=1":   true, // gathered whole
			"/Patient?" + query + "_count=500": true, // in JSON a stream
			"/Patient/p1/_history?" + query:    true,
			"/Patient/p1?" + query:             true,
			"/Observation/small?" + query:      false,
			"/Observation?" + query:            false,
			"/Patient/unknown?" + query:        false,
		} {
			plain := s.do("GET", path, "", "Accept-Encoding: identity")
			zip, head := s.do("GET", path, "", "Accept-Encoding: gzip"), s.do("HEAD", path, "", "Accept-Encoding: gzip")
			require.Equal(t, plain.status, zip.status)
			require.Equal(t, want, zip.header.Get("Content-Encoding") == "gzip", path)
			body := zip.body
			if want {
				body = gunzip(t, body)
			}
			require.Equal(t, plain.body, body, path)
			require.Empty(t, head.body)
			require.Equal(t, query == "" && strings.HasSuffix(path, "_count=500"), head.header.Get("Content-Length") == "", path)
			for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Length", "ETag", "Last-Modified", "Vary"} {
				if name != "Content-Length" || head.header.Get(name) != "" { // net/http adds it to a short stream
					require.Equal(t, zip.header.Get(name), head.header.Get(name), "%s of %s", name, path)
				}
				if name != "Content-Encoding" && name != "Content-Length" {
					require.Equal(t, plain.header.Get(name), zip.header.Get(name), "%s of %s", name, path)
				}
			}
		}
	}
}

func TestGzipStartsAboveOneKiB(t *testing.T) {
	s := newScene(t)
	for _, c := range []struct {
		size int
		want string
	}{{1024, ""}, {1025, "gzip"}} {
		frame := `{"resourceType":"Patient","id":"a","meta":` + stampText + `,"language":""}`
		text := strings.Repeat("x", c.size-len(frame))
		s.backend.records = map[string][]*rest.Version{}
		s.backend.add(&rest.Version{Type: "Patient", ID: "a", Body: []byte(`{"resourceType":"Patient","id":"a","language":"` + text + `"}`)})
		require.Equal(t, c.want, s.do("GET", "/Patient/a", "", "Accept-Encoding: gzip").header.Get("Content-Encoding"), c.size)
	}
}

func TestABodyInGzipIsTaken(t *testing.T) {
	const inJSON, inXML = `{"resourceType":"Patient","id":"a","gender":"male"}`, `<Patient xmlns="http://hl7.org/fhir"><id value="a"/><gender value="male"/></Patient>`
	for _, coding := range []string{"gzip", "GZip", "x-gzip", "identity, gzip"} {
		for typ, text := range map[string]string{asJSON: inJSON, asXML: inXML} {
			s := newScene(t)
			a := s.do("PUT", "/Patient/a", gzipped(t, text), "Content-Type: "+typ, "Content-Encoding: "+coding)
			require.Equal(t, 201, a.status, a.body)
			require.Equal(t, inJSON, string(s.backend.records["Patient/a"][0].Body))
		}
	}
	s := newScene(t)
	s.patient("a", "male")
	form := s.do("POST", "/Patient/_search", gzipped(t, "_id=a"), "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: gzip")
	require.Contains(t, form.body, `"total":1`)
	s.do("POST", "/Patient/_search", "_id=a", "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: br").refused(t, 415, "not-supported")
	two := s.do("PUT", "/Patient/a", gzipped(t, inJSON[:10])+gzipped(t, inJSON[10:]), "Content-Type: "+asJSON, "Content-Encoding: gzip")
	require.Equal(t, 200, two.status, "members one after the other are one file (RFC 1952, 2.2)")
}

func TestABodyThatIsNotGzipIsRefused(t *testing.T) {
	good := gzipped(t, `{"resourceType":"Patient","id":"a"}`)
	wrongSum := []byte(good)
	wrongSum[len(wrongSum)-5] ^= 1
	noise := []byte(good)
	noise[12] ^= 0xFF
	for name, c := range map[string]struct{ body, says string }{
		"plain JSON":          {`{"resourceType":"Patient","id":"a"}`, "not valid gzip"},
		"nothing":             {"", "not valid gzip"},
		"a wrong sum":         {string(wrongSum), "not valid gzip"},
		"noise":               {string(noise), "not valid gzip"},
		"zeros behind it":     {good + strings.Repeat("\x00", 20), "not valid gzip"},
		"text behind it":      {good + "x", "shorter"},
		"cut off":             {good[:len(good)-10], "shorter"},
		"cut off in its head": {good[:5], "shorter"},
		"without its sum":     {good[:len(good)-8], "shorter"},
	} {
		s := newScene(t)
		a := s.do("PUT", "/Patient/a", c.body, "Content-Type: "+asJSON, "Content-Encoding: gzip")
		require.Contains(t, a.refused(t, 400, "invalid"), c.says, name)
		require.Empty(t, s.backend.records)
	}
}

func TestABombIsNotInflatedFurther(t *testing.T) {
	const limit = 100 << 10
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := io.CopyN(z, &endless{}, 20<<20)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Greater(t, 20<<20/bomb.Len(), 900, "a ratio like a bomb's")

	backend := newMemory(time.Now)
	h := rest.New(backend, rest.Options{BaseURL: base, Types: []string{"Patient"}, MaxBody: limit})
	for name, length := range map[string]int64{"of a length within the limit": 1000, "in chunks": -1} {
		t.Run(name, func(t *testing.T) {
			sent := &counted{from: bytes.NewReader(bomb.Bytes())}
			r := httptest.NewRequest("POST", "/Patient", sent)
			r.Header.Set("Content-Type", asJSON)
			r.Header.Set("Content-Encoding", "gzip")
			r.ContentLength = length
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answer{w.Code, w.Header(), w.Body.String()}.refused(t, 413, "too-long")
			require.Equal(t, "close", w.Header().Get("Connection"))
			require.Less(t, sent.read, 8<<10, "of %d compressed bytes", bomb.Len())
		})
	}
	require.Empty(t, backend.records)
}

// counted counts what is read of a body.
type counted struct {
	from io.Reader
	read int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.read += n
	return n, err
}

func TestBothSizesOfABodyInGzipAreBounded(t *testing.T) {
	text := `{"resourceType":"Patient","id":"a"}`
	text += strings.Repeat(" ", 2000-len(text))
	s := newScene(t, func(o *rest.Options) { o.MaxBody = 2000 })
	zip := []string{"Content-Type: " + asJSON, "Content-Encoding: gzip"}
	require.Equal(t, 201, s.do("PUT", "/Patient/a", gzipped(t, text), zip...).status)
	s.do("PUT", "/Patient/a", gzipped(t, text+" "), zip...).refused(t, 413, "too-long")
	s.do("PUT", "/Patient/a", strings.Repeat(gzipped(t, ""), 200), zip...).refused(t, 413, "too-long")
}

func TestAPanicInACompressedBundleCutsTheConnection(t *testing.T) {
	s := newScene(t)
	for _, id := range []string{"a", "b"} {
		s.patient(id, "male")
	}
	s.backend.records["Patient/a"][0].Body = []byte(`{"resourceType":"Patient","x":"` + strings.Repeat("x", 1<<20) + `"}`)
	s.backend.records["Patient/b"][0].Body = []byte(`{"broken`)
	req, err := http.NewRequest("GET", s.url+"/Patient", nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
	}
	require.Error(t, err, "half a bundle must not look whole")

	a := s.do("GET", "/Patient?_format=xml", "", "Accept-Encoding: gzip")
	require.Equal(t, 500, a.status, "XML is whole before it begins")
	require.Equal(t, "xml", a.format(t))
}
