package nhs111

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
	"github.com/stretchr/testify/require"
)

// signer signs as a sender's gateway does: Body and Timestamp by reference, the
// certificate as a token in the header.
type signer struct {
	key       crypto.Signer
	cert      []byte
	authority *x509.CertPool
	method    string
}

func newSigner(t testing.TB, key crypto.Signer, method string, expires time.Time) *signer {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a1001.onward.test"},
		NotBefore: testNow.Add(-time.Hour), NotAfter: expires, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &signer{key, der, pool, "http://www.w3.org/2001/04/xmldsig-more#" + method}
}

func rsaSigner(t testing.TB) *signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return newSigner(t, key, "rsa-sha256", testNow.Add(time.Hour))
}

func canonicalForm(t testing.TB, text, path string) []byte {
	t.Helper()
	doc := etree.NewDocument()
	require.NoError(t, doc.ReadFromString(text))
	el := doc.FindElement(path)
	require.NotNil(t, el, path)
	scope, err := etreeutils.NSBuildParentContext(el)
	require.NoError(t, err)
	el, err = etreeutils.NSDetatch(scope, el)
	require.NoError(t, err)
	out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(el)
	require.NoError(t, err)
	return out
}

// sign signs the composed report; ids are those of the parts covered.
func (s *signer) sign(t testing.TB, body []byte, ids ...string) []byte {
	t.Helper()
	text := strings.Replace(string(body), "<e:Body>", `<e:Body u:Id="B1">`, 1)
	paths := map[string]string{"B1": "//e:Body", "T1": "//u:Timestamp"}
	if len(ids) == 0 {
		ids = []string{"B1", "T1"}
	}
	var refs strings.Builder
	for _, id := range ids {
		sum := sha256.Sum256(canonicalForm(t, text, paths[id]))
		refs.WriteString(`<d:Reference URI="#` + id + `"><d:Transforms><d:Transform Algorithm="` + algExcC14N + `"/></d:Transforms>` +
			`<d:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><d:DigestValue>` + base64.StdEncoding.EncodeToString(sum[:]) + `</d:DigestValue></d:Reference>`)
	}
	block := `<sec:BinarySecurityToken u:Id="X1" ValueType="` + typeX509 + `" EncodingType="` + encodingB64 + `">` + base64.StdEncoding.EncodeToString(s.cert) + `</sec:BinarySecurityToken>` +
		`<d:Signature xmlns:d="` + nsDSig + `"><d:SignedInfo><d:CanonicalizationMethod Algorithm="` + algExcC14N + `"/><d:SignatureMethod Algorithm="` + s.method + `"/>` +
		refs.String() + `</d:SignedInfo><d:SignatureValue>VALUE</d:SignatureValue><d:KeyInfo><sec:SecurityTokenReference><sec:Reference URI="#X1" ValueType="` + typeX509 + `"/></sec:SecurityTokenReference></d:KeyInfo></d:Signature></sec:Security>`
	text = strings.Replace(text, "</sec:Security>", block, 1)
	sum := sha256.Sum256(canonicalForm(t, text, "//d:SignedInfo"))
	var value []byte
	switch key := s.key.(type) {
	case *rsa.PrivateKey:
		signed, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		require.NoError(t, err)
		value = signed
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		require.NoError(t, err)
		value = make([]byte, 64)
		r.FillBytes(value[:32])
		s.FillBytes(value[32:])
	}
	return []byte(strings.Replace(text, "VALUE", base64.StdEncoding.EncodeToString(value), 1))
}

func (s *signer) options() Options {
	o := testOptions()
	o.Signers = s.authority
	return o
}

func TestASignedMessageIsTakenWhereItsSignerIsTrusted(t *testing.T) {
	s := rsaSigner(t)
	desk := &recordingDesk{}
	w := send(New(desk, s.options()), reportPath, "text/xml", s.sign(t, compose(t)))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Len(t, desk.messages, 1)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curve := newSigner(t, key, "ecdsa-sha256", testNow.Add(time.Hour))
	w = send(New(&recordingDesk{}, curve.options()), reportPath, "text/xml", curve.sign(t, compose(t)))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
}

func TestASignatureThatCantBeVerifiedIsNeverIgnoredWhenItMustBeUnderstood(t *testing.T) {
	s := rsaSigner(t)
	for _, mode := range []Mode{Strict, Compat} {
		o := testOptions()
		o.Mode = mode
		p := read(t, send(New(&recordingDesk{}, o), reportPath, "text/xml", s.sign(t, compose(t))))
		require.Equal(t, "s:MustUnderstand", p.faultcode)
	}
}

func TestAttacksOnSignedMessagesAreRefused(t *testing.T) {
	s := rsaSigner(t)
	swap := func(from, to string) func(string) string {
		return func(text string) string {
			require.Contains(t, text, from)
			return strings.Replace(text, from, to, 1)
		}
	}
	body := func(text string) string { return cut(t, text, `<e:Body u:Id="B1">`, "</e:Body>") }
	for _, c := range []struct {
		name string
		how  func(string) string
		says string
	}{
		{"the document was changed", swap("Béla", "Bela"), "a signed part was changed"},
		{"the timestamp was changed", swap("10:35:00Z", "10:45:00Z"), "a signed part was changed"},
		{"a namespace outside the signed part was moved", swap(`xmlns:u="`+nsWSU+`"`, `xmlns:u="urn:other"`), ""},
		{"the signed body was moved into a header and another put in its place", func(text string) string {
			signed := body(text)
			forged := strings.Replace(strings.Replace(signed, `u:Id="B1"`, `u:Id="B2"`, 1), "Béla", "Bela", 1)
			text = strings.Replace(text, signed, forged, 1)
			return strings.Replace(text, "<sec:Security", "<w:Wrapper xmlns:w=\"urn:w\">"+signed+"</w:Wrapper><sec:Security", 1)
		}, "names none of Body"},
		{"the signed body's id was given to a header block", func(text string) string {
			signed := body(text)
			forged := strings.Replace(strings.Replace(signed, `u:Id="B1"`, `u:Id="B2"`, 1), "Béla", "Bela", 1)
			text = strings.Replace(text, signed, forged, 1)
			moved := strings.NewReplacer(`<e:Body u:Id="B1">`, `<w:Body xmlns:w="urn:w" u:Id="B1">`, "</e:Body>", "</w:Body>").Replace(signed)
			return strings.Replace(text, "<sec:Security", moved+"<sec:Security", 1)
		}, "a signed part was changed"},
		{"an id occurs twice", func(text string) string {
			return strings.Replace(text, "<ClinicalDocument ", `<ClinicalDocument u:Id="B1" `, 1)
		}, "an id occurs twice"},
		{"two signatures", func(text string) string {
			signature := cut(t, text, "<d:Signature ", "</d:Signature>")
			return strings.Replace(text, signature, signature+signature, 1)
		}, "one Security with one Signature"},
		{"SHA-1", swap("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1"), "SHA-256"},
		{"a transform that cuts out", swap(`<d:Transform Algorithm="`+algExcC14N+`"/>`, `<d:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"/>`), "one transform"},
		{"a reference to the whole document", swap(`URI="#B1"`, `URI=""`), "names none of Body"},
		{"a reference elsewhere", swap(`URI="#B1"`, `URI="http://other.test/"`), "names none of Body"},
		{"the value is of another text", swap("<d:SignatureValue>", "<d:SignatureValue>AAAA"), "isn't of this certificate's key"},
		{"the method is of another key", swap("#rsa-sha256", "#ecdsa-sha256"), "isn't of this certificate's key"},
		{"HMAC with the public key", swap("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), "must be of RSA or ECDSA"},
		{"no certificate", swap(`URI="#X1"`, `URI="#X2"`), "KeyInfo must name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			desk := &recordingDesk{}
			w := send(New(desk, s.options()), reportPath, "text/xml", []byte(c.how(string(s.sign(t, compose(t))))))
			require.Equal(t, http.StatusInternalServerError, w.Code)
			p := read(t, w)
			require.Contains(t, p.diag, c.says)
			if c.says != "" {
				require.Equal(t, "3000", p.code)
			}
			require.Empty(t, desk.messages)
		})
	}
}

func TestASignatureMustCoverBodyAndTimestamp(t *testing.T) {
	s := rsaSigner(t)
	for id, says := range map[string]string{"B1": "cover the Timestamp", "T1": "cover the Body"} {
		p := read(t, send(New(&recordingDesk{}, s.options()), reportPath, "text/xml", s.sign(t, compose(t), id)))
		require.Contains(t, p.diag, says)
	}
}

func TestASignersCertificateMustBeTrustedAndInForce(t *testing.T) {
	s, other := rsaSigner(t), rsaSigner(t)
	p := read(t, send(New(&recordingDesk{}, other.options()), reportPath, "text/xml", s.sign(t, compose(t))))
	require.Contains(t, p.diag, "authority")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	old := newSigner(t, key, "rsa-sha256", testNow.Add(-time.Minute))
	p = read(t, send(New(&recordingDesk{}, old.options()), reportPath, "text/xml", old.sign(t, compose(t))))
	require.Contains(t, p.diag, "authority")
}

// The message was signed by the XML Signature of the JDK (see testdata/signed),
// so that signing and verifying aren't of one library.
func TestAMessageThatAnotherLibrarySignedIsTaken(t *testing.T) {
	body, err := os.ReadFile("testdata/signed/message.xml")
	require.NoError(t, err)
	pem, err := os.ReadFile("testdata/signed/certificate.pem")
	require.NoError(t, err)
	o := testOptions()
	o.Signers = x509.NewCertPool()
	require.True(t, o.Signers.AppendCertsFromPEM(pem))
	w := send(New(&recordingDesk{}, o), reportPath, "text/xml", body)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	w = send(New(&recordingDesk{}, o), reportPath, "text/xml", []byte(strings.Replace(string(body), "Béla", "Bela", 1)))
	require.Contains(t, read(t, w).diag, "a signed part was changed")
}

func FuzzSignature(f *testing.F) {
	s := rsaSigner(f)
	signed := s.sign(f, compose(f))
	f.Add(signed)
	good := string(cut(f, string(signed), "<d:Signature ", "</d:Signature>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, text, ok := readable(body)
		if !ok || !e.Signed {
			return
		}
		if verifySignature(e, text, s.authority, testNow) == nil && !strings.Contains(string(body), "Béla") && strings.Contains(string(body), good) {
			t.Fatal("another text was taken for the signed one")
		}
	})
}
