package nhs111

import (
	"net/http"
	"strings"
	"time"

	"github.com/onward-health/onward/fhir"
)

// checkSOAP judges the SOAP headers (rows 14 to 20).
func (e *envelope) checkSOAP(rules checkRules) *fault {
	if rules.SOAPChecks {
		switch {
		case e.To == "":
			return refuse("Send To missing", diagSOAP)
		case e.To != rules.SendTo:
			return refuse("Invalid Send To value: "+e.To, diagSOAP)
		case !e.HasTimestamp:
			return refuse("Timestamp missing", diagSOAP)
		}
	}
	if f := e.checkTimestamp(rules); f != nil {
		return f
	}
	if rules.SOAPChecks && e.Username == "" {
		return refuse("Username missing", diagSOAP)
	}
	if (rules.SOAPChecks || rules.Mode == Strict) && e.ReplyTo != "" && e.ReplyTo != anonymous {
		return refuse("Invalid ReplyTo: "+e.ReplyTo, diagSOAP)
	}
	if e.Parameters && rules.Mode == Strict { // WS-ADR-08
		return refuse("Invalid addressing header", "An endpoint reference may carry no reference parameters")
	}
	// A signature that must be understood and can't be verified is refused in
	// every mode: to take it unread would be to vouch for it.
	unread := e.Signed && e.securityNeeded && !rules.Verifies
	if unread || e.Foreign && (rules.SOAPChecks || rules.Mode == Strict) {
		return &fault{Code: faultMustUnderstand, Number: codeInvalid, Text: "Rejecting foreign header", Diag: diagSOAP}
	}
	return nil
}

// checkTransport compares the action that HTTP names with the message's (WS-
// Addressing 1.0 SOAP binding, section 4; SOAP 1.2 media type, action).
func (e *envelope) checkTransport(rules checkRules, header http.Header, action string) *fault {
	if rules.Mode == Compat {
		return nil
	}
	if e.SOAP == soap11 {
		action = strings.Trim(strings.TrimSpace(header.Get("SOAPAction")), `"`)
	}
	if action != "" && action != e.Action {
		return refuse("SOAPAction isn't the message's Action", diagSOAP)
	}
	return nil
}

// checkTimestamp judges a timestamp that is there. Only Strict asks the clock.
func (e *envelope) checkTimestamp(rules checkRules) *fault {
	if !e.HasTimestamp || rules.Mode == Compat && !rules.SOAPChecks {
		return nil
	}
	created, errCreated := parseStamp(e.Created)
	expires, errExpires := parseStamp(e.Expires)
	if errCreated != nil || errExpires != nil || created.After(expires) {
		return refuse("Invalid timestamp", diagSOAP)
	}
	if rules.Mode == Compat {
		return nil
	}
	skew := rules.Skew
	if skew <= 0 {
		skew = defaultSkew
	}
	switch {
	case rules.Now.After(expires.Add(skew)):
		return refuse("Invalid timestamp", "The message has expired")
	case created.After(rules.Now.Add(skew)):
		return refuse("Invalid timestamp", "The message was created in the future")
	case expires.After(rules.Now.Add(maxLife)):
		return refuse("Invalid timestamp", "The message may expire at most six days from now")
	}
	return nil
}

// parseStamp reads wsu:Created and wsu:Expires; without a zone they are UTC
// (WS-Security 1.0, section 10). ITK's own test tool takes an offset without colon.
func parseStamp(s string) (time.Time, error) {
	if i := strings.LastIndexAny(s, "+-"); i > len("2006-01-02T") && len(s) == i+len("+0000") {
		s = s[:i+3] + ":" + s[i+3:]
	}
	if t, err := fhir.ParseInstant(s); err == nil {
		return t, nil
	}
	return fhir.ParseInstant(s + "Z")
}
