package nhs111

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// Bounds of what payloads may unfold to, all payloads together.
const (
	maxDecoded = 8 << 20
	maxRatio   = 100 // gunzipped : gzipped
)

// document is one payload of the message that is an XML document, such as a
// ClinicalDocument.
type document struct {
	Root *xmltree.Node
	// Text is the document on its own, UTF-8, its bytes as they came.
	Text []byte
	// Own is Text without the namespaces that are declared around the document:
	// the same document in another envelope is the same.
	Own []byte
	// Profile is the manifest's profileid.
	Profile string
}

// documents takes the CDA documents and the ambulance requests out of the
// payloads.
func (e *envelope) documents(text []byte) ([]document, *fault) {
	all, f := e.payloadsNamed(text, "ClinicalDocument", "AmbulanceRequest")
	if f == nil && len(all) == 0 {
		f = refuse("Unable to find ClinicalDocument element", "ClinicalDocument missing")
	}
	for i := range all {
		if all[i].Root.Is(nsHL7, "AmbulanceRequest") {
			all[i].Root = asDocument(all[i].Root)
		}
	}
	return all, f
}

// payloadsNamed unpacks the payloads that hold an HL7 element of these names:
// as XML in place, or as base64, gzipped or not (ITK 2.2, manifestitem @base64 and
// @compressed).
func (e *envelope) payloadsNamed(text []byte, names ...string) ([]document, *fault) {
	budget := maxDecoded
	var found []document
	e.Beside = nil
	for i, payload := range e.Payloads {
		item := e.Items[i]
		if item.Encrypted {
			return nil, refuse(textNotSupported, "Encrypted payloads aren't supported")
		}
		root, source, before := payloadElement(payload), text, len(found)
		if item.Base64 || item.Compressed {
			decoded, err := unpack(payload.Content(), item.Compressed, budget)
			if err != nil {
				return nil, refuse(textNotSupported, "A payload's base64 or gzip content can't be read: "+err.Error())
			}
			budget -= len(decoded)
			if source, err = xmltree.ToUTF8(decoded, ""); err == nil {
				// The embedded document is no SOAP: it may carry instructions.
				root, err = xmltree.Read(source, xmltree.Rules{Instructions: true})
			}
			if err != nil && item.isXML() {
				return nil, refuse(textNotXML, "In a packed payload: "+err.Error())
			}
		}
		for _, name := range names {
			if root.Is(nsHL7, name) {
				found = append(found, document{Root: root, Text: root.Standalone(source), Own: root.Bytes(source), Profile: item.ProfileID})
			}
		}
		if len(found) == before {
			e.Beside = append(e.Beside, Omission{Path: "DistributionEnvelope/payloads/payload[" + strconv.Itoa(i+1) + "]",
				Why: "it is no report; the message as received holds it"})
		}
	}
	return found, nil
}

// isXML says whether a payload must be XML by its media type (RFC 7303). Others,
// such as an attached PDF, are kept with the message.
func (m manifestItem) isXML() bool {
	kind, _, _ := strings.Cut(strings.ToLower(m.MimeType), ";")
	kind = strings.TrimSpace(kind)
	return kind == "text/xml" || kind == "application/xml" || strings.HasSuffix(kind, "+xml")
}

func payloadElement(payload *xmltree.Node) *xmltree.Node {
	if elements := payload.Elements(); len(elements) == 1 {
		return elements[0]
	}
	return nil
}

func unpack(content string, compressed bool, budget int) ([]byte, error) {
	data, err := decodeBase64(content)
	if err != nil {
		return nil, err
	}
	if len(data) > budget {
		return nil, errors.New("it is too large")
	}
	if !compressed {
		return data, nil
	}
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("it isn't gzip")
	}
	limit := min(budget, len(data)*maxRatio)
	out, err := io.ReadAll(io.LimitReader(unzip, int64(limit)+1))
	if err != nil {
		return nil, errors.New("it isn't gzip")
	}
	if len(out) > limit {
		return nil, errors.New("it unfolds to too much")
	}
	return out, nil
}

func decodeBase64(content string) ([]byte, error) {
	packed := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n':
			return -1
		}
		return r
	}, content)
	data, err := base64.StdEncoding.Strict().DecodeString(packed)
	if err != nil {
		return nil, errors.New("it isn't base64")
	}
	return data, nil
}
