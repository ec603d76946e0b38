package nhs111

import (
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/onward-health/onward/fhir"
	"github.com/onward-health/onward/fhir/validate"
	"github.com/onward-health/onward/internal/xmltree"
)

// wide encodes a text as UTF-16, little end first.
func wide(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(minimalReport))
	f.Add([]byte(strings.Replace(minimalReport, "primaryGeneralPractitioner", "copy", 1)))
	f.Add([]byte(strings.Replace(minimalReport, "<id root=", `<relatedDocument typeCode="RPLC"><parentDocument><id root="0E1F0C52-5555-4E6B-9C55-0A1B2C3D4E5F"/></parentDocument></relatedDocument><id root=`, 1)))
	f.Add([]byte(minimalAmbulance()))
	f.Fuzz(func(t *testing.T, body []byte) {
		mapped, _, err := through(body, "", strictRules())
		if err == nil && len(mapped.Attached) == 0 {
			t.Fatal("a mapped report keeps its document")
		}
	})
}

// FuzzNarrative renders any section: never a panic, never markup of the sender's.
func FuzzNarrative(f *testing.F) {
	for _, s := range []string{"a<br/>b", "<table><tr><td>x</td></tr></table>", `<linkHtml href="http://a/?b=1&amp;c">d</linkHtml>`, "<content styleCode='Bold'><script>x</script></content>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, inner string) {
		root, err := xmltree.Read([]byte(`<text xmlns="`+nsHL7+`">`+inner+`</text>`), xmltree.Rules{})
		if err != nil {
			return
		}
		text := narrative(root)
		if text == "" {
			return
		}
		plan := fhir.NewObject("CarePlan").Set("status", "completed").Set("intent", "plan").Set("subject", fhir.Obj("display", "a")).
			Set("text", fhir.Obj("status", "additional", "div", xhtmlDiv([]section{{Text: text, node: root}}))).Resource()
		for _, issue := range validate.Resource(plan, validate.Options{}).Issues {
			t.Fatal(issue.Expression, issue.Text, issue.Key)
		}
	})
}

func FuzzSTU3(f *testing.F) {
	f.Add([]byte(minimalReport)) // small: large inputs take their time to be minimised
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, _, err := through(body, "", strictRules()); err == nil {
			if bundle := readBundle(t, stu3Of(t, body).JSON()); len(bundle.dangling) > 0 {
				t.Fatal("a reference leads nowhere")
			}
		}
	})
}

func FuzzWrittenDocument(f *testing.F) {
	first, _, err := through([]byte(minimalReport), "", strictRules())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first.Bundle.JSON())
	more, err := first.Bundle.Edit().Append(first.Bundle.Get("entry"), []byte(`{"resource":{"resourceType":"Task","status":"requested","code":{"text":"x"},
		"owner":{"reference":"#a"},"contained":[{"resourceType":"Device","id":"a","type":{"text":"y"}}]}}`)).Done()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(more.JSON()) // small, as above
	request, _, err := through([]byte(minimalAmbulance()), "", strictRules())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(request.Bundle.JSON())
	f.Fuzz(func(t *testing.T, text []byte) {
		message, err := fhir.Parse(text)
		if err != nil {
			return
		}
		for _, withdrawn := range []time.Time{{}, testNow} {
			document, _, err := writeDocument(message, documentOptions{NewID: counter(), Withdrawn: withdrawn})
			if err != nil {
				continue
			}
			if _, err := xmltree.Read([]byte(document), xmltree.Rules{}); err != nil {
				t.Fatalf("what was written can't be read: %v", err)
			}
			notWrittenOf(message, document)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(500, []byte(toolkitFault))
	f.Add(200, soap11.success("M", sendReport, "R"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if refused := judge(status, body); refused != nil && len(refused.Code) > 4 {
			t.Fatal("a code has four digits")
		}
	})
}

func FuzzHL7Time(f *testing.F) {
	for _, s := range []string{"2026", "202603021021+00", "20260302102100.123-0500", "19810629", "201710290130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseHL7Time(s)
		if err == nil && v.dateTime() == "" {
			t.Fatal("a time that was read can be written")
		}
		_, _ = birthDate(s)
	})
}

// readable reads a message as far as its envelope.
func readable(body []byte) (e *envelope, text []byte, ok bool) {
	text, err := xmltree.ToUTF8(body, "")
	if err != nil {
		return nil, nil, false
	}
	root, err := xmltree.Read(text, xmltree.Rules{})
	if err != nil {
		return nil, nil, false
	}
	e, f := readEnvelope(root)
	return e, text, f == nil
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(minimalReport))
	f.Add([]byte(strings.Replace(minimalReport, nsSOAP, nsSOAP12, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, _, ok := readable(body)
		if !ok {
			return
		}
		if fault := e.check(strictRules()); fault == nil && (e.MessageID == "" || e.AuditODS == "" || len(e.Items) != len(e.Payloads)) {
			t.Fatal("an envelope passed without what the checks ask for")
		}
		d := &door{Options: testOptions()}
		if e.distribution == nil {
			return
		}
		for _, out := range []*distribution{d.infrastructureAck(e), d.businessAck(e)} {
			if _, err := xmltree.Read(soap11.write(headers{MessageID: e.MessageID}, out.xml()), xmltree.Rules{}); err != nil {
				t.Fatal("what was read makes an acknowledgement that can't be read")
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte(composedQuery))
	f.Fuzz(func(t *testing.T, body []byte) {
		root, err := xmltree.Read(body, xmltree.Rules{})
		if err != nil {
			return
		}
		q, fault := readQuery(root)
		if fault != nil {
			return
		}
		d := &door{Options: testOptions()}
		text := d.queryResponse(q, caller{code: "NRC"}, &distribution{PayloadID: "X"})
		if _, err := xmltree.Read([]byte(text), xmltree.Rules{}); err != nil {
			t.Fatal("a query makes an answer that can't be read")
		}
	})
}
