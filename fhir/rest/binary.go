package rest

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/onward-health/onward/fhir"
)

// faultFor is fault, but a Binary may yet turn out to be of a type that the
// client takes.
func (p reply) faultFor(typ string) error {
	if typ == "Binary" {
		return p.wrong
	}
	return p.fault()
}

// version is a record as the answer to a read. head gets what the content
// itself asks for.
func (p reply) version(v *Version, head http.Header) (content, error) {
	if v.Type == "Binary" {
		return p.binary(v, head)
	}
	return p.render(appendStamped(make([]byte, 0, len(v.Body)+fhir.StampSize), v))
}

// appendStamped puts a record as it is served behind what stands in out. A record
// that the disk has damaged is not served: as any fault of ours that nobody expects
// it is a 500, and cuts the connection where an answer has begun.
func appendStamped(out []byte, v *Version) []byte {
	out, ok := fhir.AppendStamp(out, v.Body, v.Version, v.LastUpdated)
	if !ok {
		panic(fmt.Errorf("version %d of %s/%s is damaged in the store", v.Version, v.Type, v.ID))
	}
	return out
}

// binary gives a Binary's own bytes to a client that names their type (R4
// binary.html#rest), else the resource.
func (p reply) binary(v *Version, head http.Header) (content, error) {
	res, err := fhir.Parse(v.Body)
	if err != nil {
		return content{}, err
	}
	typ, own := ownType(res)
	if p.format, err = negotiate(p.accept, p.formats, own); err != nil {
		return content{}, err
	}
	if p.format != inRaw {
		return p.render(fhir.Stamp(v.Body, v.Version, v.LastUpdated))
	}
	data, err := ownBytes(res)
	if err != nil {
		return content{}, err
	}
	// Whoever stored it chose the type. Together with nosniff, which every answer
	// has, this keeps it from running as a page of ours.
	head.Set("Content-Disposition", "attachment")
	if context := res.Get("securityContext", "reference").Text(); printable(context) {
		head.Set("X-Security-Context", context)
	}
	return content{typ, data}, nil
}

// ownType is a Binary's contentType, as a header may hold it and without
// parameters; empty where it isn't a media type.
func ownType(res *fhir.Resource) (header, typ string) {
	typ, params, err := mime.ParseMediaType(res.Get("contentType").Text())
	if err != nil || strings.Count(typ, "/") != 1 || strings.Contains(typ, "*") {
		return "", ""
	}
	header = mime.FormatMediaType(typ, params)
	if header == "" {
		return "", ""
	}
	return header, typ
}

// ownBytes decodes a Binary's data, which may hold white space (R4
// datatypes.html#base64Binary).
func ownBytes(res *fhir.Resource) ([]byte, error) {
	value := res.Get("data")
	text := strings.Join(strings.Fields(value.Text()), "")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || text == "" {
		return nil, fhir.NewOutcome(fhir.KindNotAcceptable, "Binary.data", "there is no content in valid base64 here; the resource can be had as application/fhir+json")
	}
	return data, nil
}
