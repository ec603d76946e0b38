package nhs111

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/onward-health/onward/fhir"
)

const interactionNullify = "nullifyIntegratedUrgentCareCDADocument-v3-0"

// Withdraw writes the nullification of the report that a referral was sent as:
// the next version of its set, with the referral's header and, in words, how and
// why it ended. message holds the ServiceRequest, revoked or entered-in-error, its
// Patient, and the Organizations of a MessageHeader. All ids follow from sender,
// set and version. The error is a KindProcessing Outcome.
//
// The template of nullificationDocument-v5-0 isn't published with the schemas that
// we have: what is written is a ClinicalDocument valid against POCD_MT000002UK01.
func (c *Client) Withdraw(message *fhir.Resource, revision Revision, at time.Time) (*Outgoing, error) {
	if !fhir.ValidUUID(revision.Set) {
		return nil, fhir.NewOutcome(fhir.KindProcessing, "ServiceRequest", "the set that the referral was sent as isn't known")
	}
	sender := c.senderOf(message, message.Get("entry").At(0).Get("resource"))
	name := "nullification " + string(sender) + " " + strconv.Itoa(revision.Number)
	id := uuid.NewSHA1(uuid.MustParse(revision.Set), []byte(name))
	request := referralOf(message)
	lost := []fhir.Issue{{Expression: "ServiceRequest.status", Diagnostics: "in words: a nullification is the same for revoked and entered-in-error"}}
	if request.Get("reasonCode").Exists() {
		lost = append(lost, fhir.Issue{Expression: "ServiceRequest.reasonCode", Diagnostics: "in words"})
	}
	out, err := c.compose(message, id, documentOptions{Version: revision.Number, Set: revision.Set, Withdrawn: at},
		wrapping{sendReport, profileNullification, interactionNullify})
	if err != nil {
		return nil, err
	}
	out.lost, out.Nullifies = lost, true
	return out, nil
}

// withdrawal is the body of a nullification.
func (w *documentWriter) withdrawal() *xmlElement {
	lines := []string{map[string]string{"entered-in-error": "This referral was entered in error."}[w.request.Get("status").Text()]}
	if lines[0] == "" {
		lines[0] = "This referral is withdrawn."
	}
	for reason := range w.request.Get("reasonCode").Items() {
		if said := conceptInWords(reason); said != "" {
			lines = append(lines, "Reason: "+said)
		}
	}
	return el("section", at("classCode", "DOCSECT", "moodCode", "EVN"), el("id", at("root", w.uuid())),
		w.section("Withdrawal of a referral", strings.Join(bounded(lines), "\n"), "", nil))
}

// nullified names the set of which this document is the end; the ids of its
// earlier documents aren't known any more, but of an ambulance request, which has
// no set: each follows from the first.
func (w *documentWriter) nullified() *xmlElement {
	id := el("id", at("nullFlavor", "NI"))
	if w.mayHaveBeenRequest() {
		id = el("id", at("root", requestID(w.setID(), w.Version-1)))
	}
	return el("relatedDocument", at("typeCode", "RPLC"), el("parentDocument", nil, id, el("setId", at("root", w.setID()))))
}
