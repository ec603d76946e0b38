package nhs111

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/onward-health/onward/internal/xmltree"
)

// The algorithms of XML Signature that are taken. SHA-1 isn't: texts with the
// same SHA-1 can be made.
const (
	algExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algEnveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	typeX509     = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
	encodingB64  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
	maxReference = 16
)

var digests = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
}

// signatureMethods names the hash of a method; ecdsa is told by the last part of
// its name.
var signatureMethods = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":   crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":   crypto.SHA384,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":   crypto.SHA512,
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": crypto.SHA512,
}

// checkSignature verifies the signature of a message that has one.
func (d *door) checkSignature(e *envelope, text []byte) *fault {
	if !e.Signed || d.Signers == nil {
		return nil
	}
	if err := verifySignature(e, text, d.Signers, d.Clock()); err != nil {
		return &fault{Code: faultClient, Number: codeAccess, Text: textSignature, Diag: err.Error()}
	}
	return nil
}

// verifySignature verifies the ds:Signature of wsse:Security (WS-Security 1.0,
// section 8; XML Signature 1.0, core validation) against certificates of the
// given authorities. It must cover the Body and the Timestamp, if there is one.
//
// What is digested is the canonical form that the library makes; it is read back
// and compared with the tree that the door goes on with, so that the nodes that
// were signed and those that are processed are the same, whatever two readers of
// XML may make of one text. An id is looked for only where a signed part may
// stand, and may occur once in the whole message. Errors name the rule only.
func verifySignature(e *envelope, text []byte, authorities *x509.CertPool, now time.Time) error {
	if err := distinctIDs(e.root, map[string]bool{}); err != nil {
		return err
	}
	security := e.security
	if security == nil || len(security.AllIn(nsDSig, "Signature")) != 1 {
		return errors.New("there may be one Security with one Signature")
	}
	signature := security.AllIn(nsDSig, "Signature")[0]
	infos := signature.All("SignedInfo")
	if len(infos) != 1 || len(signature.All("SignatureValue")) != 1 || len(signature.All("KeyInfo")) != 1 {
		return errors.New("a Signature must hold one SignedInfo, one SignatureValue and one KeyInfo")
	}
	document, err := parsed(text)
	if err != nil {
		return err
	}
	v := verifier{e: e, security: security, document: document}
	if err := v.references(infos[0]); err != nil {
		return err
	}
	certificate, err := v.certificate(signature.Child("KeyInfo"))
	if err != nil {
		return err
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: authorities, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return errors.New("the certificate isn't of an authority that is trusted here, or isn't valid now")
	}
	return v.value(infos[0], signature, certificate)
}

// distinctIDs refuses an id that occurs twice.
func distinctIDs(n *xmltree.Node, seen map[string]bool) error {
	if id := idOf(n); id != "" {
		if seen[id] {
			return errors.New("an id occurs twice")
		}
		seen[id] = true
	}
	for _, c := range n.Elements() {
		if err := distinctIDs(c, seen); err != nil {
			return err
		}
	}
	return nil
}

// idOf is the id by which a signature refers to an element: wsu:Id (WS-Security
// 1.0, section 4.2), or the Id without namespace that XML Signature's own elements
// have and that some senders write everywhere.
func idOf(n *xmltree.Node) string {
	if id, ok := n.AttrIn(nsWSU, "Id"); ok {
		return id
	}
	return n.Attr("Id")
}

// parsed reads the message a second time for the canonicaliser.
func parsed(text []byte) (*etree.Document, error) {
	document := etree.NewDocument()
	document.ReadSettings.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 already
	if err := document.ReadFromBytes(text); err != nil || document.Root() == nil {
		return nil, errors.New("the message can't be read for verifying")
	}
	return document, nil
}

type verifier struct {
	e        *envelope
	security *xmltree.Node
	document *etree.Document
}

// references checks every Reference of SignedInfo, and that Body and Timestamp
// are among them.
func (v *verifier) references(info *xmltree.Node) error {
	list := info.All("Reference")
	if len(list) > maxReference {
		return errors.New("SignedInfo holds too many references")
	}
	covered := map[*xmltree.Node]bool{}
	for _, reference := range list {
		path := v.part(strings.TrimPrefix(reference.Attr("URI"), "#"))
		if path == nil || !strings.HasPrefix(reference.Attr("URI"), "#") {
			return errors.New("a Reference names none of Body, Timestamp, security token and addressing headers")
		}
		transforms := reference.Child("Transforms").All("Transform")
		if len(transforms) == 2 && transforms[0].Attr("Algorithm") == algEnveloped {
			transforms = transforms[1:] // no part that may be signed holds the signature, so it takes nothing away
		}
		if len(transforms) != 1 || transforms[0].Attr("Algorithm") != algExcC14N {
			return errors.New("a Reference must have the one transform " + algExcC14N)
		}
		hash, known := digests[reference.Child("DigestMethod").Attr("Algorithm")]
		want, err := decodeBase64(reference.Child("DigestValue").Content())
		if !known || err != nil {
			return errors.New("a Reference must have a digest of SHA-256, SHA-384 or SHA-512")
		}
		canonical, err := v.canonical(path, prefixList(transforms[0]))
		if err != nil {
			return err
		}
		h := hash.New()
		h.Write(canonical)
		if subtle.ConstantTimeCompare(h.Sum(nil), want) != 1 {
			return errors.New("a signed part was changed")
		}
		covered[path[len(path)-1]] = true
	}
	if !covered[v.e.root.Child("Body")] {
		return errors.New("the signature must cover the Body")
	}
	for _, stamp := range v.security.AllIn(nsWSU, "Timestamp") {
		if !covered[stamp] {
			return errors.New("the signature must cover the Timestamp")
		}
	}
	return nil
}

// part finds a part that may be signed: the Body, a header block or a child of
// Security. It gives the path from the envelope's child down.
func (v *verifier) part(id string) []*xmltree.Node {
	if id == "" {
		return nil
	}
	if body := v.e.root.Child("Body"); idOf(body) == id {
		return []*xmltree.Node{body}
	}
	header := v.e.root.Child("Header")
	for _, block := range header.Elements() {
		if idOf(block) == id && block != v.security {
			return []*xmltree.Node{header, block}
		}
	}
	for _, child := range v.security.Elements() {
		if idOf(child) == id {
			return []*xmltree.Node{header, v.security, child}
		}
	}
	return nil
}

// prefixList is the InclusiveNamespaces of an exclusive canonicalisation.
func prefixList(method *xmltree.Node) string {
	for _, list := range method.AllIn(algExcC14N, "InclusiveNamespaces") {
		return list.Attr("PrefixList")
	}
	return ""
}

// certificate reads the signer's certificate: a BinarySecurityToken that KeyInfo
// refers to, or X509Data in place.
func (v *verifier) certificate(keyInfo *xmltree.Node) (*x509.Certificate, error) {
	missing := errors.New("KeyInfo must name an X509v3 BinarySecurityToken of this Security or hold an X509Certificate")
	encoded := keyInfo.Child("X509Data", "X509Certificate").Content()
	for _, token := range keyInfo.AllIn(nsWSSE, "SecurityTokenReference") {
		uri := token.Child("Reference").Attr("URI")
		for _, candidate := range v.security.AllIn(nsWSSE, "BinarySecurityToken") {
			if id := idOf(candidate); id == "" || uri != "#"+id || candidate.Attr("ValueType") != typeX509 {
				continue
			}
			if encoding := candidate.Attr("EncodingType"); encoding == "" || encoding == encodingB64 {
				encoded = candidate.Content()
			}
		}
	}
	if encoded == "" {
		return nil, missing
	}
	der, err := decodeBase64(encoded)
	if err != nil {
		return nil, missing
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, missing
	}
	return certificate, nil
}

// value verifies SignatureValue over the canonical SignedInfo.
func (v *verifier) value(info, signature *xmltree.Node, certificate *x509.Certificate) error {
	method := info.Child("CanonicalizationMethod")
	if method.Attr("Algorithm") != algExcC14N {
		return errors.New("SignedInfo must be canonicalised by " + algExcC14N)
	}
	name := info.Child("SignatureMethod").Attr("Algorithm")
	hash, known := signatureMethods[name]
	value, err := decodeBase64(signature.Child("SignatureValue").Content())
	if !known || err != nil {
		return errors.New("the signature must be of RSA or ECDSA with SHA-256, SHA-384 or SHA-512")
	}
	canonical, err := v.canonical([]*xmltree.Node{v.e.root.Child("Header"), v.security, signature, info}, prefixList(method))
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write(canonical)
	good := false
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		good = strings.Contains(name, "#rsa-") && rsa.VerifyPKCS1v15(key, hash, h.Sum(nil), value) == nil
	case *ecdsa.PublicKey:
		half := len(value) / 2 // r and s, one after the other
		good = strings.Contains(name, "#ecdsa-") && half > 0 && len(value)%2 == 0 && half == (key.Params().BitSize+7)/8 &&
			ecdsa.Verify(key, h.Sum(nil), new(big.Int).SetBytes(value[:half]), new(big.Int).SetBytes(value[half:]))
	}
	if !good {
		return errors.New("the signature isn't of this certificate's key")
	}
	return nil
}
