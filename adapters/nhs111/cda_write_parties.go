package nhs111

import (
	"strings"

	"github.com/onward-health/onward/fhir"
)

// custodian is the organisation that sends the referral. CDA takes one telecom
// and one address of it.
func (w *documentWriter) custodian() *xmlElement {
	o := w.follow(w.header.Get("sender"))
	ids, _ := organisationIDs(o.Get("identifier"))
	if len(ids) == 0 {
		ids = append(ids, unknownID())
	}
	e := el("representedCustodianOrganization", at("classCode", "ORG", "determinerCode", "INSTANCE")).add(ids...).
		add(textEl("name", o.Get("name").Text()), telecomElement(o.Get("telecom").At(0), false), addressElement(o.Get("address").At(0)))
	return el("custodian", at("typeCode", "CST"), contentID("COCD_TP145018UK03#AssignedCustodian"),
		el("assignedCustodian", at("classCode", "ASSIGNED"), templateID("COCD_TP145018UK03#AssignedCustodian"), e))
}

// recipients are the service that the referral is for, and those whom the
// supporting information says it went to as well.
func (w *documentWriter) recipients() []*xmlElement {
	receiver := w.follow(w.header.Get("destination").At(0).Get("receiver"))
	if !receiver.Exists() {
		receiver = w.follow(w.follow(w.request.Get("performer").At(0)).Get("providedBy"))
	}
	out := []*xmlElement{w.recipient("PRCP", receiver)}
	for info := range w.request.Get("supportingInfo").Items() {
		kind := map[string]string{"Also sent to": "PRCP", "Copy sent to": "TRC"}[info.Get("display").Text()]
		if o := w.follow(info); kind != "" && o.Exists() {
			out = append(out, w.recipient(kind, o))
		}
	}
	return out
}

func (w *documentWriter) recipient(kind string, o fhir.Value) *xmlElement {
	if !o.Exists() {
		return nil
	}
	_, sites := organisationIDs(o.Get("identifier"))
	return el("informationRecipient", at("typeCode", kind), contentID("COCD_TP145203GB03#IntendedRecipient"),
		el("intendedRecipient", at("classCode", "ASSIGNED"), templateID("COCD_TP145203GB03#IntendedRecipient")).
			add(sites...).add(w.organisation("receivedOrganization", o)))
}

// participants are the sender's desk for questions and whom the report names as
// referred to.
func (w *documentWriter) participants() []*xmlElement {
	var out []*xmlElement
	desk := telecomElement(w.header.Dig("source", "contact"), false)
	for info := range w.request.Get("supportingInfo").Items() {
		words111, who, _ := strings.Cut(info.Get("display").Text(), ": ")
		kind := map[string]string{"Referred to": "REFT", "Sender's call-back desk": "CALLBCK"}[words111]
		if kind == "" {
			continue
		}
		e := w.participant(kind, who, w.follow(info), desk)
		if kind == "CALLBCK" {
			desk = nil
		}
		out = append(out, e)
	}
	if desk != nil {
		out = append([]*xmlElement{w.participant("CALLBCK", "", fhir.Value{}, desk)}, out...)
	}
	return out
}

func (w *documentWriter) participant(kind, person string, o fhir.Value, desk *xmlElement) *xmlElement {
	template := map[string]string{"REFT": "COCD_TP145214GB01#AssociatedEntity", "CALLBCK": "COCD_TP145212GB02#Workgroup"}[kind]
	e := el("associatedEntity", at("classCode", "ASSIGNED"), templateID(template))
	_, sites := organisationIDs(o.Get("identifier"))
	if len(sites) == 0 {
		sites = append(sites, unknownID())
	}
	e.add(sites...)
	if kind == "CALLBCK" {
		e.add(desk)
	}
	if person != "" {
		e.add(el("associatedPerson", at("classCode", "PSN", "determinerCode", "INSTANCE"), textEl("name", person)))
	}
	if o.Exists() {
		e.add(w.organisation("scopingOrganization", o))
	}
	return el("participant", at("typeCode", kind, "contextControlCode", "OP"), contentID(template), e)
}
