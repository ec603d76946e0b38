package testtool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/onward-health/onward/bars"
	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/nhs"
)

// Response is a message that the tool sends of its own accord, after a request
// whose NHS number asks for it.
type Response struct {
	Correlation string        // X-Correlation-Id of the request
	Target      nhs.ServiceID // the request's source.endpoint
	From        nhs.ODSCode
	FromName    string
	UseContext  string
	Bundle      *fhir.Resource
}

// Bounds of the responses that wait and of one delivery.
const (
	maxWaiting   = 64
	deliveryTime = time.Minute
)

// triggered says which response an NHS number asks for: to a validation request,
// or for the last to a referral, which alone knows it.
var triggered = map[class]map[nhs.NHSNumber]shape{
	validation: {
		"9658499147": {definition: "servicerequest-response-validation-full", status: "active", encounter: "finished"},
		"9658499155": {definition: "servicerequest-response-validation-interim", status: "active", encounter: "in-progress"},
	},
	referral: {
		"9658499163": {definition: "servicerequest-response-referral", status: "revoked"},
	},
}

// shape is what makes a response of a request.
type shape struct {
	definition string // behind "bars-message-"
	status     string // of the ServiceRequest
	encounter  string // of the tool's own Encounter; "": it isn't in the response
}

const (
	base           = "https://fhir.nhs.uk/"
	answerProfile  = base + "StructureDefinition/BARSMessageHeader-servicerequest-response"
	bundleProfile  = base + "StructureDefinition/BARSBundleMessage"
	encounterClaim = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Encounter"
)

// Run delivers responses until ctx ends; what waits then is forgotten.
func (t *Tool) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-t.waiting:
			limited, cancel := context.WithTimeout(ctx, deliveryTime)
			if err := t.o.Send(limited, r); err != nil {
				t.o.Log.Warn("sandbox test tool: a response that was asked for could not be sent", "target", r.Target.String(), "error", err)
			}
			cancel()
		}
	}
}

// respond queues the response that a request asks for.
func (t *Tool) respond(m *message, answer *fhir.Resource, correlation string) error {
	s, asked := triggered[m.class][m.number]
	if !asked || m.cancels || t.o.Send == nil {
		return nil
	}
	r, err := t.response(m, answer, s)
	if err != nil {
		return err
	}
	r.Correlation = correlation
	select {
	case t.waiting <- r:
		return nil
	default:
		return errors.New("too many wait")
	}
}

// object is a JSON object that is being made.
type object = map[string]any

func at(o object, path ...string) string {
	for _, name := range path[:len(path)-1] {
		switch v := o[name].(type) {
		case object:
			o = v
		case []any:
			if len(v) == 0 {
				return ""
			}
			o, _ = v[0].(object)
		default:
			return ""
		}
	}
	text, _ := o[path[len(path)-1]].(string)
	return text
}

// response writes a response out of the tool's synchronous answer: the request's
// entries that the definition has room for, with what the shape says.
func (t *Tool) response(m *message, answer *fhir.Resource, s shape) (*Response, error) {
	var bundle object
	decoder := json.NewDecoder(bytes.NewReader(answer.JSON()))
	decoder.UseNumber()
	if err := decoder.Decode(&bundle); err != nil {
		return nil, err
	}
	list, _ := bundle["entry"].([]any)
	entries := make([]object, 0, len(list))
	for _, e := range list {
		if entry, ok := e.(object); ok {
			entries = append(entries, entry)
		}
	}
	definition := definitionNamed(s.definition)
	kept := keepWithin(entries[1:], definition, s.encounter == "")
	request := entries[0]["resource"].(object)
	// Later than the synchronous answer: a receiver passes over what isn't.
	now := fhir.FormatInstant(t.o.Now().Add(time.Millisecond))
	focus := t.shapeEntries(kept, s, now)
	header := object{"resourceType": "MessageHeader", "meta": object{"lastUpdated": now, "profile": []any{answerProfile}},
		"eventCoding": object{"system": bars.SystemEvents, "code": bars.EventReferralAnswer},
		"destination": []any{object{"endpoint": at(request, "source", "endpoint"), "receiver": request["sender"]}},
		"source":      object{"name": "Onward sandbox test tool", "endpoint": at(request, "destination", "endpoint")},
		"reason":      object{"coding": []any{object{"system": bars.SystemReasons, "code": bars.ReasonNew}}},
		"response":    object{"identifier": bundle["id"], "code": "ok"},
		"focus":       []any{object{"reference": focus}}, "definition": definition.URL()}
	if extension, found := request["extension"]; found {
		header["extension"] = extension
	}
	sender := at(request, "destination", "receiver", "reference")
	header["sender"] = object{"reference": sender}
	r := &Response{Target: nhs.ParseServiceID(at(request, "source", "endpoint"))}
	all := []any{object{"fullUrl": "urn:uuid:" + t.o.NewID(), "resource": header}}
	names := map[string]bool{}
	for _, e := range kept {
		names[at(e, "fullUrl")] = true
	}
	for _, e := range kept {
		dropReferences(e["resource"].(object), names)
		all = append(all, e)
		if organisation := e["resource"].(object); at(e, "fullUrl") == sender {
			r.From, r.FromName = nhs.ODSCode(at(organisation, "identifier", "value")), at(organisation, "name")
		}
	}
	text, err := json.Marshal(object{"resourceType": "Bundle", "id": t.o.NewID(), "type": "message", "timestamp": now,
		"meta": object{"versionId": at(bundle, "meta", "versionId"), "lastUpdated": now, "profile": []any{bundleProfile}}, "entry": all})
	if err != nil {
		return nil, err
	}
	if r.Bundle, err = fhir.Parse(text); err != nil {
		return nil, err
	}
	facts, err := bars.Describe(r.Bundle)
	if err != nil {
		return nil, err
	}
	r.UseContext = facts.UseContext()
	return r, nil
}

func definitionNamed(name string) *bars.Definition {
	for _, d := range bars.Definitions() {
		if d.Name == "bars-message-"+name {
			return d
		}
	}
	panic("testtool: no such definition: " + name) // the table above
}

// keepWithin chooses the entries that a definition has room for. own says that
// the tool's own Encounter, the last, stays out.
func keepWithin(entries []object, d *bars.Definition, without bool) []object {
	room := map[string]int{}
	for _, c := range d.Content {
		if room[c.Type] = c.Max; c.Max == 0 {
			room[c.Type] = len(entries)
		}
	}
	var kept []object
	for _, e := range entries {
		resource, ok := e["resource"].(object)
		typ := at(resource, "resourceType")
		own := typ == "Encounter" && at(resource, "status") == "planned" && at(resource, "identifier", "value") == ownCase
		if !ok || room[typ] == 0 || own && without {
			continue
		}
		room[typ]--
		kept = append(kept, e)
	}
	return kept
}

// shapeEntries sets the statuses and gives the fullUrl of the focus.
func (t *Tool) shapeEntries(entries []object, s shape, now string) (focus string) {
	var theirs object
	for _, e := range entries {
		resource := e["resource"].(object)
		changed := true
		switch typ := at(resource, "resourceType"); {
		case typ == "ServiceRequest":
			resource["status"] = s.status
			if s.encounter == "" {
				focus = at(e, "fullUrl")
			}
		case typ == "Encounter" && at(resource, "identifier", "value") == ownCase:
			focus = at(e, "fullUrl")
			resource["status"] = s.encounter
			resource["period"] = object{"start": now}
			resource["reasonCode"] = []any{object{"coding": []any{object{"system": base + "CodeSystem/message-reason-encounter", "code": "validation-triage-outcome"}}}}
			for _, name := range []string{"class", "subject", "episodeOfCare"} {
				if value, found := theirs[name]; found {
					resource[name] = value
				}
			}
		case typ == "Encounter":
			theirs, changed = resource, false
		case typ == "CarePlan":
			resource["status"] = "completed"
		default:
			changed = false
		}
		if changed {
			meta, _ := resource["meta"].(object)
			if meta == nil {
				meta = object{}
			}
			if meta["profile"] == nil && at(resource, "resourceType") == "Encounter" {
				meta["profile"] = []any{encounterClaim}
			}
			meta["lastUpdated"] = now
			resource["meta"] = meta
		}
	}
	return focus
}

// dropReferences takes away the references to entries that aren't in the message.
func dropReferences(o object, names map[string]bool) {
	lost := func(v any) bool {
		child, ok := v.(object)
		text, _ := child["reference"].(string)
		return ok && strings.HasPrefix(text, "urn:uuid:") && !names[text]
	}
	for name, value := range o {
		switch v := value.(type) {
		case object:
			if dropReferences(v, names); lost(v) {
				delete(o, name)
			}
		case []any:
			var kept []any
			for _, item := range v {
				if child, ok := item.(object); ok {
					dropReferences(child, names)
				}
				if !lost(item) {
					kept = append(kept, item)
				}
			}
			if o[name] = kept; len(kept) == 0 {
				delete(o, name)
			}
		}
	}
}
