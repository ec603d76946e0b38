package nhs111

import (
	"strings"

	"github.com/onward-health/onward/internal/xmltree"
)

// shape says what the mapping carries of an element: attributes, text and
// children. Whatever else a document holds is reported, see omissions.
type shape struct {
	attrs string // with a blank before and after each
	text  bool
	parts map[string]*part
}

// part is a child: every one of its name is carried, or the first only.
type part struct {
	shape *shape
	many  bool
}

// carriedTypes are the data types and classes that stand in several places. In
// an outline a line is an element, below its parent by one more blank; "*" says
// that every one is carried and not the first only; after ":" stands its type,
// then attributes (@), and "text" where its own text counts. A name that begins
// with "." is any that ends so, as the classes of an AmbulanceRequest do.
var carriedTypes = map[string]string{
	"II":  "@root @extension @assigningAuthorityName",
	"TS":  "@value",
	"ST":  "text",
	"INT": "@value",
	"CD":  "@code @codeSystem @codeSystemVersion @displayName\noriginalText: ST\ntranslation*: CD",
	"IVL": "@value\nlow: TS\nhigh: TS",
	"TEL": "@value @use\nuseablePeriod: IVL",
	"AD": "@use text\nstreetAddressLine*: ST\nhouseNumber*: ST\nhouseNumberNumeric*: ST\ndirection*: ST\nstreetName*: ST\nstreetNameBase*: ST\n" +
		"streetNameType*: ST\nadditionalLocator*: ST\nunitType*: ST\nunitID*: ST\ncarrier*: ST\ncensusTract*: ST\nprecinct*: ST\ncity*: ST\ncounty*: ST\n" +
		"state*: ST\npostalCode*: ST\ncountry*: ST\ndesc*: ST\nuseablePeriod: IVL",
	"EN":  "@use text\nprefix*: ST\ngiven*: ST\nfamily*: ST\nsuffix*: ST\nvalidTime: IVL",
	"ORG": "id*: II\nname*: ST\ntelecom*: TEL\naddr*: AD\nstandardIndustryClassCode: CD\nasOrganizationPartOf\n wholeOrganization: ORG",
	"ROLE": "id*: II\ncode: CD\naddr*: AD\ntelecom*: TEL\nassignedPerson\n name*: EN\nrepresentedOrganization: ORG\nassociatedPerson\n name*: EN\n" +
		"scopingOrganization: ORG",
	"RECIPIENT": "id*: II\naddr*: AD\ntelecom*: TEL\nrecipientRoleCode: CD\ninformationRecipient\n name*: EN\nreceivedOrganization: ORG\nrepresentedOrganization: ORG\n" +
		"assignedPerson\n name*: EN",
	"RELATED": "code: CD\naddr*: AD\ntelecom*: TEL\neffectiveTime: IVL\nrelatedPerson\n name*: EN\nrelationshipHolder\n name*: EN",
	"PATIENT": "name*: EN\nadministrativeGenderCode: BARE\nbirthTime: TS\nmaritalStatusCode: CD\nreligiousAffiliationCode: CD\nethnicGroupCode: CD\n" +
		"guardian*\n id*: II\n code: CD\n addr*: AD\n telecom*: TEL\n guardianPerson\n  name*: EN\nbirthplace\n place\n  name: ST\n  addr: AD\n" +
		"languageCommunication*\n languageCode: CD\n modeCode: CODING\n proficiencyLevelCode: CODING\n preferenceInd: INT",
	"BARE":        "@code",
	"CODING":      "@code @codeSystem @codeSystemVersion @displayName",
	"UUID":        "@root",
	"PATIENTROLE": "id*: II\naddr*: AD\ntelecom*: TEL\npatient: PATIENT\npatientPatient: PATIENT\nproviderOrganization: ORG",
	"FACILITY":    "id*: II\ncode: WORDS\nlocation\n name: ST\n addr: AD\nserviceProviderOrganization: ORG",
	"DEVICE":      "@displayName text",
	"WORDS":       "@displayName\noriginalText: ST",
	"NOTE":        "@code @codeSystem @displayName",
	"PERMISSION":  "effectiveTime: IVL\nvalue: CD",
	"OBSERVATION": "value*: CD",
	"SECTION": "title: ANY\ntext: ANY\ncomponent*\n section*: SECTION\n" +
		"entry:" + templatePermission + "*\n observation: PERMISSION\nentry:" + templateDiscriminator + "*\n observation: OBSERVATION\n" +
		"entry:" + templateCase + "*\n observationMedia\n  participant\n   participantRole\n    playingDevice\n" +
		"     manufacturerModelName: DEVICE\n     softwareName: DEVICE\n" +
		"entry:" + templateAppointment + "*\n encounter\n  id: II\n  effectiveTime: TS\n  participant\n   participantRole\n    id*: II\n    addr: AD\n" +
		"    playingEntity\n     name: ST\n     desc: ST",
}

// carriedDocument is what is carried of a ClinicalDocument.
const carriedDocument = `id: UUID
code: CD
title: ANY
effectiveTime: TS
confidentialityCode: CD
languageCode: BARE
setId: UUID
versionNumber: INT
recordTarget
 patientRole: PATIENTROLE
author*
 time: IVL
 assignedAuthor: ROLE
dataEnterer
 time: IVL
 assignedEntity: ROLE
informant*
 assignedEntity: ROLE
 relatedEntity: RELATED
custodian
 assignedCustodian
  representedCustodianOrganization: ORG
informationRecipient*
 intendedRecipient: RECIPIENT
legalAuthenticator
 time: IVL
 assignedEntity: ROLE
authenticator*
 time: IVL
 assignedEntity: ROLE
participant*
 time: IVL
 noteText: ST
 associatedEntity: ROLE
relatedDocument*
 parentDocument
  id: UUID
  setId: UUID
authorization*
 consent
  id*: II
  code: CD
componentOf
 encompassingEncounter
  id*: II
  code: CD
  effectiveTime: IVL
  dischargeDispositionCode: CD
  responsibleParty
   assignedEntity: ROLE
  encounterParticipant*
   time: IVL
   assignedEntity: ROLE
  location
   healthCareFacility: FACILITY
component
 nonXMLBody
  text: ANY
 structuredBody
  component*
   section*: SECTION
`

// carriedAmbulance is what is carried of an AmbulanceRequest (REPC_MT200001GB02).
const carriedAmbulance = `id: UUID
code: CD
effectiveTime: TS
author*
 time: IVL
 .AssignedAuthor: ROLE
 .AssignedAuthorDevice: ROLE
callBackContact
 noteText: ST
 .Workgroup: ROLE
informationRecipient*
 .IntendedRecipient: RECIPIENT
 .RecipientWorkgroup: RECIPIENT
pertinentInformation
 pertinentTraumaFlag
  value: INT
pertinentInformation1
 pertinentFireFlag
  value: INT
pertinentInformation2
 pertinentSceneSafeFlag
  value: INT
pertinentInformation3
 pertinentPoliceFlag
  value: INT
pertinentInformation4
 pertinentTrappedFlag
  value: INT
pertinentInformation5
 pertinentEncounterEvent
  effectiveTime: IVL
  id*: II
  text: ST
  informant*
   .RelatedEntity: RELATED
   .AssignedEntity: ROLE
  location
   .HealthCareFacility: FACILITY
  recordTarget
   .PatientRole: PATIENTROLE
pertinentInformation6
 pertinentTriageDisposition
  value: CD
pertinentInformation7*
 pertinentAdditionalNotes
  code: NOTE
  text: ST
pertinentInformation8
 .PermissionToView: PERMISSION
pertinentInformation9*
 pertinentClinicalDiscriminator: OBSERVATION
reason
 justifyingTriageOutcome
  value: CD
replacementOf
 priorPreviousAmbulanceRequest
  id: II
`

var (
	documentShape, ambulanceShape = outlines()
	anyShape                      = &shape{} // its content is seen to elsewhere
)

// outlines reads the outlines above.
func outlines() (document, ambulance *shape) {
	types := map[string]*shape{"ANY": anyShape}
	for name := range carriedTypes {
		types[name] = &shape{}
	}
	for name, outline := range carriedTypes {
		types[name].read(outline, types)
	}
	document, ambulance = &shape{}, &shape{}
	document.read(carriedDocument, types)
	ambulance.read(carriedAmbulance, types)
	return document, ambulance
}

func (s *shape) read(outline string, types map[string]*shape) {
	levels := []*shape{s}
	for _, line := range strings.Split(strings.TrimSpace(outline), "\n") {
		text := strings.TrimLeft(line, " ")
		depth := len(line) - len(text)
		if strings.HasPrefix(text, "@") || text == "text" {
			for _, word := range strings.Fields(text) {
				if word == "text" {
					s.text = true
				} else {
					s.attrs += " " + word[1:] + " "
				}
			}
			continue
		}
		name, typ, typed := strings.Cut(text, ": ")
		name, many := strings.CutSuffix(name, "*")
		child := &shape{}
		if typed {
			if child = types[typ]; child == nil {
				panic("nhs111: the outline names no type " + typ)
			}
		}
		parent := levels[depth]
		if parent.parts == nil {
			parent.parts = map[string]*part{}
		}
		parent.parts[name] = &part{child, many}
		levels = append(levels[:depth+1], child)
	}
}

// structural says of names that stand everywhere and say nothing of patient or
// care: the HL7 v3 model's own.
func structural(local string) bool {
	switch local {
	case "templateId", "contentId", "typeId", "realmCode", "messageType", "classCode", "moodCode", "determinerCode", "typeCode", "contextControlCode",
		"contextConductionInd", "nullFlavor", "seperatableInd", "separatableInd", "inversionInd", "delimiter", "displayable",
		"codeSystemName", "partType", "mediaType", "representation", "operator":
		return true
	}
	return false
}

// walk reports each part of an element that its shape doesn't have.
func (s *shape) walk(n *xmltree.Node, path string, report func(path string)) {
	if s == anyShape {
		return
	}
	for _, a := range n.Attrs {
		if a.Local == "codeSystem" && a.Value != "" {
			if system, ok := systemOf(a.Value); ok && system == "" {
				report("//" + n.Local + "/@codeSystem")
			}
		}
		if a.Space != nsXSI && a.Space != "http://www.w3.org/XML/1998/namespace" && !structural(a.Local) && !strings.Contains(s.attrs, " "+a.Local+" ") {
			report(path + "/@" + a.Local)
		}
	}
	var seen map[*part]bool
	for _, c := range n.Children {
		if c.Local == "" {
			if !s.text && strings.TrimSpace(c.Text) != "" {
				report(path + "/text()")
			}
			continue
		}
		if structural(c.Local) {
			continue
		}
		p := s.parts[c.Local]
		if _, class, found := strings.Cut(c.Local, "."); found && p == nil {
			p = s.parts["."+class]
		}
		if c.Local == "entry" {
			if p = s.parts["entry:"+templateOf(c)]; p == nil {
				continue // readEntries reports those of other templates
			}
		}
		// However deep it stands, a section is a section.
		below := strings.Replace(path+"/"+c.Local, "/section/component/section/component/section", "/section/component/section", 1)
		switch {
		case p == nil || c.Space != nsHL7 && c.Space != nsNPFIT:
			report(below)
			continue
		case !p.many && seen[p]:
			report(below + "[2]")
			continue
		}
		if !p.many {
			if seen == nil {
				seen = map[*part]bool{}
			}
			seen[p] = true
		}
		p.shape.walk(c, below, report)
	}
}
