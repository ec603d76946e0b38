package nhs111

import (
	"regexp"
	"slices"
	"strings"

	"github.com/onward-health/onward/fhir"
)

func ofTemplate(template, class string) *xmlElement { return templateID(template + "#" + class) }

// hasOID says whether an id can stand in a template: with an OID, or said to be none.
func hasOID(id *xmlElement) bool {
	return oidForm.MatchString(id.attr("root")) || id.attr("root") == "" && id.attr("nullFlavor") != ""
}

// classed gives a role the class of a template and its order.
func (e *xmlElement) classed(template, class, order string) (whole bool) {
	e.name = template + "." + class
	e.dropAll("templateId")
	e.add(ofTemplate(template, class))
	return e.inOrder(order)
}

// fitOrganisation writes an organisation as the templates have it: by one ODS code
// and name. One without code is said to be unknown.
func fitOrganisation(e *xmlElement, template, order string) (whole bool) {
	whole = e.only("id", 1, func(id *xmlElement) bool { return id.attr("root") == oidODS || id.attr("root") == oidODSSite })
	for _, id := range e.all("id") {
		id.drop("assigningAuthorityName")
	}
	e.needs("id", "name")
	e.add(ofTemplate(template, e.name))
	return e.inOrder(order) && whole
}

// fitPerson writes a role of somebody at an organisation: the person's parts and
// theirs.
func (w *documentWriter) fitPerson(role *xmlElement, template, class string) (whole bool) {
	human, organisation := role.child("assignedPerson"), role.child("representedOrganization")
	if human == nil {
		human = el("assignedPerson", at("classCode", "PSN", "determinerCode", "INSTANCE"))
		role.add(human)
	}
	human.needs("name")
	human.add(ofTemplate(template, "assignedPerson"))
	whole = human.inOrder("name templateId")
	if organisation == nil {
		organisation = w.organisation("representedOrganization", w.follow(w.header.Get("sender")))
		fitOrganisation(organisation, template, "id name templateId")
		role.add(organisation)
	} else {
		whole = fitOrganisation(organisation, template, "id name templateId") && whole
	}
	whole = role.only("id", maxSiblings, hasOID) && whole
	role.needs("id", "code")
	whole = plain(role.child("code")) && whole
	return role.classed(template, class, "addr* code id* telecom* templateId assignedPerson representedOrganization") && whole
}

// requestAuthors are the report's; all else that is known of them is said in words.
func (w *documentWriter) requestAuthors() []*xmlElement {
	var whos []fhir.Value
	for who := range w.taking("PPRF") {
		whos = append(whos, who)
	}
	if len(whos) == 0 {
		whos = append(whos, w.requester())
	}
	all := w.authors()
	for i, author := range all {
		author.needs("time")
		if role := author.child("assignedAuthor"); !w.fitPerson(role, "COCD_TP145200GB01", "AssignedAuthor") {
			w.say(whos[i])
			w.say(w.follow(whos[i].Get("organization")))
		}
	}
	// A request's sender is its first author's organisation, told by its code.
	if sender := w.follow(w.header.Get("sender")); w.follow(whos[0].Get("organization")) != sender || sender.Get("identifier").Len() == 0 {
		w.say(sender)
		for _, path := range []string{"MessageHeader.sender", "Encounter.serviceProvider", "Consent.organization"} {
			w.miss(path, "a request's sender is the organisation of its first author")
		}
	}
	return all
}

// noteForm is what reading makes of the note that stands with a desk.
var noteForm = regexp.MustCompile(`^(.*?) ?\(([^()]*)\)$`)

// callBackContact is the sender's desk for questions; others of the report's
// participants are said in words.
func (w *documentWriter) callBackContact() *xmlElement {
	const template = "COCD_TP145212GB02"
	var contact *xmlElement
	for _, participant := range w.participants() {
		if participant.attr("typeCode") == "CALLBCK" && contact == nil {
			contact = participant
		}
	}
	first := contact != nil
	for info := range w.request.Get("supportingInfo").Items() {
		display := info.Get("display").Text()
		for code, name := range desks {
			switch {
			case display != name && !strings.HasPrefix(display, name+": "):
			case code == "CALLBCK" && first:
				first = false
			default:
				w.tellPart("ServiceRequest.supportingInfo", display, w.follow(info))
			}
		}
	}
	w.otherParts(func(code string, who, _ fhir.Value) {
		w.tellPart("Encounter.participant", "Took part ("+code+")", who)
	})
	for _, code := range []string{"ENT", "LA", "AUTHEN"} {
		for who := range w.taking(code) {
			w.tellPart("Encounter.participant", "Took part ("+code+")", who)
		}
	}
	if contact == nil {
		return nil
	}
	desk := contact.child("associatedEntity")
	for _, c := range desk.children {
		c.name = strings.NewReplacer("associatedPerson", "assignedPerson", "scopingOrganization", "representedOrganization").Replace(c.name)
	}
	note := ""
	if human := desk.child("assignedPerson"); human == nil || human.child("name") == nil {
		desk.dropAll("assignedPerson")
	} else {
		if name := human.child("name"); noteForm.MatchString(name.text) {
			found := noteForm.FindStringSubmatch(name.text)
			name.text, note = found[1], found[2]
			if name.text == "" {
				name.attrs = at("nullFlavor", "NI")
			}
		}
		human.add(ofTemplate(template, "assignedPerson"))
		human.inOrder("name templateId")
	}
	organisation := desk.child("representedOrganization")
	if organisation == nil {
		organisation = w.organisation("representedOrganization", w.follow(w.header.Get("sender")))
		desk.add(organisation)
	}
	organisation.only("telecom", maxSiblings, func(t *xmlElement) bool { // reading joins the desk's to its organisation's
		return !slices.ContainsFunc(desk.all("telecom"), func(d *xmlElement) bool { return d.attr("value") == t.attr("value") })
	})
	if !fitOrganisation(organisation, template, "id name templateId") {
		w.deskOrganisation()
	}
	desk.only("id", 1, hasOID)
	desk.needs("id")
	desk.dropAll("code")
	desk.add(el("code", at("code", "01", "codeSystem", "2.16.840.1.113883.2.1.3.2.4.17.266", "displayName", "Call Centre")))
	desk.classed(template, "Workgroup", "code id telecom* templateId assignedPerson representedOrganization")
	desk.attrs = at("classCode", "ASSIGNED")
	contact.name, contact.attrs = "callBackContact", at("typeCode", "CALLBCK", "contextControlCode", "OP")
	contact.children = []*xmlElement{contentID(template + "#Workgroup"), textEl("noteText", note), desk}
	contact.children = slices.DeleteFunc(contact.children, func(c *xmlElement) bool { return c == nil })
	return contact
}

// deskOrganisation says the organisation of the desk.
func (w *documentWriter) deskOrganisation() {
	for info := range w.request.Get("supportingInfo").Items() {
		if strings.HasPrefix(info.Get("display").Text(), desks["CALLBCK"]) {
			w.say(w.follow(info))
			return
		}
	}
	w.say(w.follow(w.header.Get("sender")))
}

// requestRecipients are the organisations that the request is for. People there,
// and who gets a copy, are said in words.
func (w *documentWriter) requestRecipients() []*xmlElement {
	const template = "COCD_TP145203GB03"
	var out []*xmlElement
	add := func(o fhir.Value) {
		organisation := w.organisation("representedOrganization", o)
		role := el("intendedRecipient", at("classCode", "ASSIGNED"))
		whole := true
		for _, name := range []string{"addr", "telecom"} { // of the organisation, which reading joins
			role.add(organisation.all(name)...)
			organisation.dropAll(name)
		}
		if kind := organisation.child("standardIndustryClassCode"); kind != nil && (kind.attr("codeSystem") != oidOrgType || len(kind.children) > 0) {
			organisation.dropAll("standardIndustryClassCode")
			whole = false
		} else if kind != nil && kind.attr("displayName") == "" {
			kind.attrs = append(kind.attrs, at("displayName", map[bool]string{true: "Ambulance Trust", false: "Not specified"}[kind.attr("code") == typeAmbulance])...)
		}
		whole = fitOrganisation(organisation, template, "id name standardIndustryClassCode templateId") && whole
		role.add(organisation)
		if !role.classed(template, "IntendedRecipient", "addr telecom* templateId representedOrganization") || !whole {
			w.say(o)
		}
		out = append(out, el("informationRecipient", at("typeCode", "PRCP"), contentID(template+"#IntendedRecipient"), role))
	}
	if o := w.receiver(); o.Exists() {
		add(o)
	}
	for info := range w.request.Get("supportingInfo").Items() {
		display, o := info.Get("display").Text(), w.follow(info)
		switch {
		case !o.Exists() || display != sentTo && display != sentAlso && display != sentCopy:
		case display == sentAlso && o.Get("resourceType").Text() == "Organization":
			add(o)
		default:
			w.tellPart("ServiceRequest.supportingInfo", display, o)
		}
	}
	return out
}
