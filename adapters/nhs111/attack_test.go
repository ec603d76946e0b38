package nhs111

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each attack is refused as a message that isn't XML or isn't ITK's, by a fault
// that can be read, with nothing stored.
func TestAttacksByXML(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	before := func(doctype string) edit { return edit{head, head + doctype} }
	deep := strings.Repeat("<a>", 100_000)
	for _, c := range []struct {
		name string
		body []byte
		text string
	}{
		{"an external entity", compose(t, before(`<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>`), edit{"Made-up 111 Report", "&f;"}), textNotXML},
		{"an external document type", compose(t, before(`<!DOCTYPE x SYSTEM "http://other.test/x.dtd">`)), textNotXML},
		{"entities that multiply", compose(t, before(`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>`), edit{"Made-up 111 Report", "&c;"}), textNotXML},
		{"a parameter entity", compose(t, before(`<!DOCTYPE x [<!ENTITY % p SYSTEM "http://other.test/p"> %p;]>`)), textNotXML},
		{"an entity that isn't declared", compose(t, edit{"Made-up 111 Report", "&nbsp;"}), textNotXML},
		{"a document type in the body", compose(t, edit{"<e:Body>", "<e:Body><!DOCTYPE x>"}), textNotXML},
		{"elements nested 100,000 deep", compose(t, edit{"<title>", "<title>" + deep}), textNotXML},
		{"65 attributes", compose(t, edit{"<title>", "<title " + manyAttributes(65) + ">"}), textNotXML},
		{"an attribute twice", compose(t, edit{`trackingid="`, `trackingid="X" trackingid="`}), textNotXML},
		{"an attribute twice by two prefixes", compose(t, edit{`<title>`, `<title xmlns:p="urn:x" xmlns:q="urn:x" p:a="1" q:a="2">`}), textNotXML},
		{"a prefix that isn't bound", compose(t, edit{"<title>", "<zz:title>"}), textNotXML},
		{"a second root", append(compose(t), "<e/>"...), textNotXML},
		{"text after the root", append(compose(t), "more"...), textNotXML},
		{"xml:base", compose(t, edit{"<title>", `<title xml:base="http://other.test/">`}), textNotXML},
		{"a stylesheet instruction", compose(t, edit{head, head + `<?xml-stylesheet href="http://other.test/x.xsl"?>`}), textNotXML},
		{"a character that XML has not", compose(t, edit{"Made-up 111 Report", "a\x01b"}), textNotXML},
		{"a NUL by reference", compose(t, edit{"Made-up 111 Report", "&#0;"}), textNotXML},
		{"invalid UTF-8", compose(t, edit{"Made-up 111 Report", "a\xffb"}), textNotXML},
		{"UTF-16 that is declared as UTF-8", append([]byte{0xff, 0xfe}, wide(string(compose(t)))...), textNotXML},
		{"UTF-7", compose(t, edit{`encoding="UTF-8"`, `encoding="UTF-7"`}), textNotXML},
		{"EBCDIC", compose(t, edit{`encoding="UTF-8"`, `encoding="IBM037"`}), textNotXML},
		{"a gzipped body that isn't said to be", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), textNotXML},
		{"nothing", nil, textNotXML},
		{"payload ids twice", twoPayloads(t, composedPayloadID), textSchema},
		{"more payloads than the manifest says", twoPayloads(t, "other"), "Manifest and payload items IDs don't match"},
		{"a second DistributionEnvelope in the header", compose(t, edit{composedTo, composedTo + `<itk:DistributionEnvelope xmlns:itk="` + nsITK + `" e:mustUnderstand="1"/>`}), "Rejecting foreign header"},
		{"an element that ITK doesn't know beside the header", compose(t, edit{"</itk:header>", "</itk:header><itk:other/>"}), "A DistributionEnvelope holds one header and one payloads and nothing else"},
		{"an element that ITK doesn't know in the header", compose(t, edit{"</itk:auditIdentity>", "</itk:auditIdentity><x/>"}), "The header of a DistributionEnvelope holds an element that ITK doesn't know"},
		{"reference parameters", compose(t, edit{"<ad:ReplyTo>", "<ad:ReplyTo><ad:ReferenceParameters/>"}), "Invalid addressing header"},
		{"a message that lives for ever", compose(t, edit{"2026-03-02T10:35:00Z", "2126-03-02T10:35:00Z"}), "Invalid timestamp"},
		{"metadata as a payload", compose(t, edit{composedProfile, `metadata="true"`}), "Manifest profile Id missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			desk := &recordingDesk{}
			w := send(New(desk, testOptions()), reportPath, "text/xml", c.body)
			require.Equal(t, http.StatusInternalServerError, w.Code)
			p := read(t, w)
			require.Equal(t, c.text, p.text)
			require.Equal(t, "1000", p.code)
			require.Empty(t, desk.messages)
			require.Empty(t, desk.attached)
			require.Less(t, w.Body.Len(), 2*maxEcho+2000, "a fault is small whatever was sent")
		})
	}
}

func TestABodyOf50MegabytesIsRefusedUnread(t *testing.T) {
	w := send(New(&recordingDesk{}, testOptions()), reportPath, "text/xml", bytes.Repeat([]byte(" "), 50<<20))
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	require.Equal(t, textTooLarge, read(t, w).text)
}

// What is kept once, said tens of thousands of times in other words: each was once
// compared with all.
func TestCrowdsAreMappedInNoTime(t *testing.T) {
	var links strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&links, `<linkHtml href="https://a.test/Appointment/%d"/>`, i)
	}
	numbers := func(from int) (all string) {
		for i := range 95 {
			all += fmt.Sprintf(`<telecom value="tel:%d"/>`, from+i)
		}
		return all
	}
	var crowd strings.Builder
	for i := range 60 {
		crowd.WriteString(`<informationRecipient><intendedRecipient>` + numbers(1000*i) + `<receivedOrganization><id root="` + oidODS + `" extension="C3003"/>` +
			numbers(1000*i+500) + `</receivedOrganization></intendedRecipient></informationRecipient>`)
	}
	start := time.Now()
	_, _, err := through(compose(t, edit{`<legalAuthenticator typeCode`, crowd.String() + `<legalAuthenticator typeCode`},
		edit{`<title>Nested note</title><text>`, `<title>Booked appointment</title><text>` + links.String()}), "", strictRules())
	require.NoError(t, err)
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestAFaultRepeatsLittleOfALongValue(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	w := send(New(&recordingDesk{}, testOptions()), reportPath, "text/xml", compose(t, edit{composedProfile, `profileid="` + long + `"`}))
	require.True(t, strings.HasPrefix(read(t, w).text, "Invalid manifest profile Id: xxx"))
	require.Less(t, w.Body.Len(), 2*maxEcho)
}

func TestTheHTTPCharsetMustAgreeWithTheDeclaration(t *testing.T) {
	for charset, ok := range map[string]bool{"utf-8": true, "UTF-8": true, "iso-8859-1": false, "utf-16": false, "utf-7": false} {
		w := send(New(&recordingDesk{}, testOptions()), reportPath, "text/xml; charset="+charset, compose(t))
		require.Equal(t, ok, w.Code == http.StatusOK, charset)
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strings.Repeat("x", i) + `="1"`)
	}
	return b.String()
}

// twoPayloads repeats the payload and its manifest item; the second payload has
// the given id.
func twoPayloads(t *testing.T, id string) []byte {
	text := string(compose(t, edit{`count="1"`, `count="2"`}))
	item, payload := cut(t, text, "<itk:manifestitem", "/>"), cut(t, text, "<itk:payload ", "</itk:payload>")
	text = strings.Replace(text, item, item+item, 1)
	return []byte(strings.Replace(text, payload, payload+strings.Replace(payload, composedPayloadID, id, 1), 1))
}
