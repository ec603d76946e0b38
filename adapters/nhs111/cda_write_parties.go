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
	out := []*xmlElement{w.recipient("PRCP", w.receiver())}
	for info := range w.request.Get("supportingInfo").Items() {
		display := info.Get("display").Text()
		kind := map[string]string{sentTo: "PRCP", sentAlso: "PRCP", sentCopy: "TRC"}[display]
		o := w.follow(info)
		if kind == "" || !o.Exists() {
			continue
		}
		if o.Get("resourceType").Text() == "PractitionerRole" {
			e := w.recipientPerson(kind, o)
			if display == sentTo {
				out[0] = e // the organisation of the address, by the person there
				continue
			}
			out = append(out, e)
			continue
		}
		out = append(out, w.recipient(kind, o))
	}
	return out
}

// receiver is the organisation that the referral is for.
func (w *documentWriter) receiver() fhir.Value {
	if receiver := w.follow(w.header.Get("destination").At(0).Get("receiver")); receiver.Exists() {
		return receiver
	}
	return w.follow(w.follow(w.request.Get("performer").At(0)).Get("providedBy"))
}

// recipientPerson writes a person that the report is for.
func (w *documentWriter) recipientPerson(kind string, role fhir.Value) *xmlElement {
	human := w.follow(role.Get("practitioner"))
	e := el("intendedRecipient", at("classCode", "ASSIGNED"), templateID("COCD_TP145203GB03#IntendedRecipient")).
		add(codeElement("npfitlc:recipientRoleCode", role.Get("code").At(0))).
		add(idElements(human.Get("identifier"), false)...).
		add(addressElements(human.Get("address"))...).add(telecomElements(human.Get("telecom"))...).
		add(el("informationRecipient", at("classCode", "PSN", "determinerCode", "INSTANCE")).add(nameElements(human.Get("name"), "")...))
	if o := w.follow(role.Get("organization")); o.Exists() {
		e.add(w.organisation("receivedOrganization", o))
	}
	return el("informationRecipient", at("typeCode", kind), contentID("COCD_TP145203GB03#IntendedRecipient"), e)
}

// signing writes those who entered or signed the document; most of them, 0 is
// any number.
func (w *documentWriter) signing(name, code string, most int) []*xmlElement {
	const template = "COCD_TP145210GB01#AssignedEntity"
	var out []*xmlElement
	for who, period := range w.taking(code) {
		if most > 0 && len(out) == most {
			break
		}
		e := el(name, at("typeCode", code), contentID(template), pointElement("time", period))
		if name != "dataEnterer" {
			e.add(el("signatureCode", at("code", "S")))
		}
		out = append(out, e.add(w.person("assignedEntity", who, template)))
	}
	return out
}

// pointElement writes a time that begins with a period; TS has no end.
func pointElement(name string, period fhir.Value) *xmlElement {
	return timeElement(name, period.Get("start").Text())
}

// encounterTypes are the participations that CDA has in the encounter itself;
// all others stand in the document's header.
var encounterTypes = names("ADM ATND CON DIS REF")

// headerTypes are those that have an element of their own, or that say who is on
// which side of the report.
var headerTypes = names("PPRF INF ENT LA AUTHEN")

// encounterParticipants are who else took part; the first who attended is the
// responsible party.
func (w *documentWriter) encounterParticipants(attended bool) []*xmlElement {
	const template = "COCD_TP145210GB01#AssignedEntity"
	var out []*xmlElement
	w.otherParts(func(code string, who, period fhir.Value) {
		switch {
		case !encounterTypes[code]:
		case code == "ATND" && attended:
			attended = false
		default:
			out = append(out, el("encounterParticipant", at("typeCode", code), contentID(template), periodElement("time", period),
				w.person("assignedEntity", who, template)))
		}
	})
	return out
}

// otherParts goes through the participations without an element of their own.
func (w *documentWriter) otherParts(each func(code string, who, period fhir.Value)) {
	for p := range w.encounter.Get("participant").Items() {
		for kind := range p.Get("type").Items() {
			code, who := fhir.CodeOf(kind, participationSystem), w.follow(p.Get("individual"))
			if code != "" && who.Exists() && !headerTypes[code] {
				each(code, who, p.Get("period"))
			}
		}
	}
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
		kind := ""
		for code, display := range desks {
			if words111 == display {
				kind = code
			}
		}
		if kind == "" {
			continue
		}
		if to := w.follow(info); to.Get("resourceType").Text() == "PractitionerRole" {
			out = append(out, w.part(kind, to, fhir.Value{}))
			if kind == "CALLBCK" {
				desk = nil
			}
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
	w.otherParts(func(code string, who, period fhir.Value) {
		if !encounterTypes[code] {
			out = append(out, w.part(code, who, period))
		}
	})
	return out
}

// part writes a person as a participant.
func (w *documentWriter) part(code string, who, period fhir.Value) *xmlElement {
	const template = "COCD_TP145214GB01#AssociatedEntity"
	e := w.person("associatedEntity", who, template)
	for _, c := range e.children {
		c.name = strings.NewReplacer("assignedPerson", "associatedPerson", "representedOrganization", "scopingOrganization").Replace(c.name)
	}
	return el("participant", at("typeCode", code, "contextControlCode", "OP"), contentID(template), periodElement("time", period), e)
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
