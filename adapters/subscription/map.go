package subscription

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/fhirxml"
	"github.com/onward-health/onward/fhir/r4"
	"github.com/onward-health/onward/store"
)

// notification makes the request that tells of a version: without a payload an
// empty POST to the endpoint, with one the resource by PUT to
// [endpoint]/[type]/[id] (R4 subscription.html, rest-hook).
func notification(c *bars.Channel, rec *store.Record, id string, now time.Time) (*http.Request, error) {
	method, target, body := http.MethodPost, c.Endpoint, []byte(nil)
	if c.Payload != "" {
		var err error
		if body, err = payload(c.Payload, rec); err != nil {
			return nil, err
		}
		u, err := url.Parse(c.Endpoint)
		if err != nil {
			return nil, err
		}
		method, target = http.MethodPut, u.JoinPath(rec.Type, rec.ID).String()
	}
	req, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range c.Header {
		req.Header[name] = values
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "Onward")
	}
	if c.Payload != "" {
		req.Header.Set("Content-Type", c.Payload+"; charset=utf-8")
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", timestamp)
	if c.Secret != nil {
		req.Header.Set("Webhook-Signature", sign(c.Secret, id, timestamp, body))
	}
	return req, nil
}

// sign is the signature of Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp
// and body.
func sign(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// payload writes the resource as a read of that version would.
func payload(mediaType string, rec *store.Record) ([]byte, error) {
	text := fhir.Stamp(rec.Body, rec.Version, rec.LastUpdated)
	if !strings.HasSuffix(mediaType, "xml") {
		return text, nil
	}
	r, err := fhir.Parse(text)
	if err != nil {
		return nil, err
	}
	return fhirxml.FromJSON(r, r4.Tables)
}
