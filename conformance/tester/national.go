package tester

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// national are the types of the registry and of the endpoint catalogue, which the
// national service serves: it is asked without a target.
var national = map[string]bool{"DocumentReference": true, "Organization": true, "HealthcareService": true, "Endpoint": true, "Endpoint/$template": true}

// Refusals of the national service, whose codes differ by who is at fault.
var (
	malformed = want{status: 400}
	notOwner  = want{status: 403, or: &want{status: 401}}
	gone      = want{status: 404, issues: []string{"not-found"}}
)

// national makes a request to registry or catalogue; the catalogue's has no
// version.
func (s *session) national(method, path string, body []byte) *request {
	r := &request{method: method, path: path, header: s.headers(), body: body}
	r.header.Del("NHSD-Target-Identifier")
	if !strings.HasPrefix(path, "/DocumentReference") && !strings.HasPrefix(path, "/metadata") {
		r.header.Set("Accept", "application/fhir+json")
	}
	if body != nil {
		r.header.Set("Content-Type", "application/fhir+json; version=1.1.0")
	}
	return r
}

// path is where a record is.
func (c *creation) path() string {
	if typ, found := strings.CutSuffix(c.typ, "/$template"); found {
		return "/" + typ + "/" + c.id + "/$template"
	}
	return "/" + c.typ + "/" + c.id
}

// searched is the searchset that a search answers.
func (s *session) searched(path string) (*answer, error) {
	a, err := s.succeeds(s.national(http.MethodGet, path, nil))
	if err == nil && (a.resource == nil || a.resource.Get("type").Text() != "searchset") {
		err = errors.New("the answer isn't a searchset")
	}
	return a, err
}

// updates puts a record and reads it.
func (s *session) updates(c *creation, body []byte) (*answer, error) {
	if _, err := s.succeeds(s.national(http.MethodPut, c.path(), body)); err != nil {
		return nil, err
	}
	return s.succeeds(s.national(http.MethodGet, c.path(), nil))
}

// immutable demands that an update is refused which says one text for another,
// for each pair of them.
func (s *session) immutable(c *creation, body string, changes ...[2]string) error {
	for _, change := range changes {
		changed := strings.ReplaceAll(body, change[0], change[1])
		if err := s.refused(s.national(http.MethodPut, c.path(), []byte(changed)), malformed); err != nil {
			return err
		}
	}
	return nil
}

// owned demands that nobody but the owner updates or deletes a record.
func (s *session) owned(c *creation, body []byte) error {
	put, del := s.national(http.MethodPut, c.path(), body), s.national(http.MethodDelete, c.path(), nil)
	for _, r := range []*request{put, del} {
		r.header.Set("NHSD-End-User-Organisation", organisationHeader(s.Stranger))
		if err := s.refused(r, notOwner); err != nil {
			return fmt.Errorf("%s: %w", r.method, err)
		}
	}
	return nil
}

// deletes removes a record, which must be gone then.
func (s *session) deletes(c *creation) error {
	a, err := s.succeeds(s.national(http.MethodDelete, c.path(), nil))
	if err != nil {
		return err
	}
	c.over, c.state = true, "deleted"
	if a.resource == nil || a.resource.Type() != "OperationOutcome" {
		return errors.New("the answer isn't an OperationOutcome")
	}
	return s.refused(s.national(http.MethodGet, c.path(), nil), gone)
}
